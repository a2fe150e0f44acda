"""Tables of columns whose families have little in common."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import tfvae
from tfvae import layers

# Two sizes, a count, a yes or no, one of four cities, and a height with three modes.
WIDTH = 6


def columns(**kwargs):
    return {
        "size": layers.Normal(2, scale="shared", **kwargs),
        "visits": layers.Binomial(1, total_count=12, **kwargs),
        "insured": layers.Bernoulli(1, **kwargs),
        "city": layers.Categorical(1, 4, **kwargs),
        "height": layers.Mixture(layers.Normal(1, **kwargs), 3),
    }


def table(dtype: str = "float32", **kwargs):
    return layers.Table(columns(dtype=dtype), **kwargs)


def rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [
        *(rng.normal(size=count), rng.normal(size=count)),
        *(rng.integers(0, 13, count), rng.integers(0, 2, count)),
        *(rng.integers(0, 4, count), rng.normal(size=count)),
    ]
    return np.stack(parts, axis=-1)


def expected_by_column(p, x):
    """Each column in SciPy, from the parameters of the table."""
    p = {name: np.asarray(value, np.float64) for name, value in p.items()}
    x = x.astype(np.float64)
    weights = special.softmax(p["height_mixture_logits"], axis=-1)
    modes = stats.norm.pdf(x[:, 5:], p["height_loc"][..., 0], p["height_scale"][..., 0])
    return {
        "size": stats.norm.logpdf(x[:, :2], p["size_loc"], p["size_scale"]).sum(-1),
        "visits": stats.binom.logpmf(
            x[:, 2], 12, special.expit(p["visits_logits"][:, 0])
        ),
        "insured": stats.bernoulli.logpmf(
            x[:, 3], special.expit(p["insured_logits"][:, 0])
        ),
        "city": np.take_along_axis(
            special.log_softmax(p["city_logits"][:, 0], axis=-1),
            x[:, 4:5].astype(int),
            axis=-1,
        )[:, 0],
        "height": np.log((weights * modes).sum(-1)),
    }


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 1e-5)])
def test_each_column_has_its_density_and_they_add_up(dtype, rtol) -> None:
    layer, x = table(dtype), rows(50).astype(dtype)
    q = layer(np.random.default_rng(1).normal(size=(50, 7)).astype(dtype))
    expected = expected_by_column(layer.parameters(q), x)
    actual = layer.log_prob_by_column(q, x)
    assert list(actual) == ["size", "visits", "insured", "city", "height"]
    for name, value in actual.items():
        np.testing.assert_allclose(value, expected[name], rtol=rtol, atol=rtol)
    total = sum(expected.values())
    np.testing.assert_allclose(q.log_prob(x), total, rtol=rtol, atol=rtol)
    several = layer.log_prob_by_column(q, np.stack([x, x]))
    np.testing.assert_allclose(several["city"], [expected["city"]] * 2, rtol=rtol)


def test_the_names_of_parameters() -> None:
    layer = table()
    q = layer(np.ones((2, 3), np.float32))
    assert list(layer.parameters(q)) == [
        *("size_loc", "size_scale", "visits_logits", "insured_logits"),
        *("city_logits", "height_mixture_logits", "height_loc", "height_scale"),
    ]
    assert layer.is_shared("size_scale")
    assert not layer.is_shared("size_loc")
    again = layer._distribution(**layer.parameters(q))
    x = rows(2).astype(np.float32)
    np.testing.assert_array_equal(again.log_prob(x), q.log_prob(x))


def test_draws_of_each_column() -> None:
    layer = table(projection=None)
    width = layers.Table(columns())._raw_shapes()
    count = sum(int(np.prod(shape)) for shape in width.values())
    raw = np.random.default_rng(2).normal(size=(1, count)).astype(np.float32)
    q = layer(raw)
    x, log_q = layer.sample_and_log_prob(q, (4000,), seed=3)
    assert x.shape == (4000, 1, WIDTH)
    assert not np.any(layer.unsupported(x))
    np.testing.assert_allclose(log_q, q.log_prob(x), rtol=1e-5, atol=1e-5)
    p = {n: np.asarray(v, np.float64) for n, v in layer.parameters(q).items()}
    values = np.asarray(x, np.float64)[:, 0]
    for j in range(2):
        one = stats.norm(p["size_loc"][0, j], p["size_scale"])
        assert stats.kstest(values[:, j], one.cdf).pvalue > 1e-4
    insured = stats.binomtest(
        int(values[:, 3].sum()), 4000, special.expit(p["insured_logits"][0, 0])
    )
    assert insured.pvalue > 1e-4
    cities = np.bincount(values[:, 4].astype(int), minlength=4)
    masses = special.softmax(p["city_logits"][0, 0])
    assert stats.chisquare(cities, 4000 * masses).pvalue > 1e-4
    correlation = np.corrcoef(values.T) - np.eye(WIDTH)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)


def test_location_and_deviation() -> None:
    layer = layers.Table(
        {"size": layers.Normal(2), "visits": layers.Binomial(1, total_count=12)}
    )
    q = layer(np.ones((3, 4), np.float32))
    p = layer.parameters(q)
    success = special.expit(np.float64(p["visits_logits"]))
    mean = np.concatenate([p["size_loc"], 12 * success], axis=-1)
    np.testing.assert_allclose(layer.location(q), mean, rtol=1e-6)
    np.testing.assert_allclose(q.mean(), mean, rtol=1e-6)
    spread = np.sqrt(12 * success * (1 - success))
    deviation = np.concatenate([p["size_scale"], spread], axis=-1)
    np.testing.assert_allclose(layer.stddev(q), deviation, rtol=1e-5)
    np.testing.assert_allclose(q.variance(), deviation**2, rtol=1e-5)
    assert layer.location_is_mean
    # Classes have neither.
    layer = table()
    q = layer(np.ones((3, 4), np.float32))
    assert layer.stddev(q) is None
    assert not layer.location_is_mean
    likely = np.argmax(layer.parameters(q)["city_logits"], -1)
    np.testing.assert_array_equal(layer.location(q)[:, 4:5], likely)


def test_every_column_has_its_own_support() -> None:
    layer, x = table(), rows(6)
    np.testing.assert_array_equal(layer.unsupported(x), np.zeros((6, WIDTH), bool))
    bad = {0: np.nan, 1: np.inf, 2: 13, 3: 2, 4: 4, 5: -np.inf}
    for column, value in bad.items():
        wrong = x.copy()
        wrong[1, column] = value
        expected = np.zeros((6, WIDTH), bool)
        expected[1, column] = True
        np.testing.assert_array_equal(layer.unsupported(wrong), expected)
    integers = np.floor(x).astype(np.int32)
    np.testing.assert_array_equal(layer.unsupported(integers), np.zeros((6, WIDTH)))
    assert layer.support.startswith("in 'size' finite real numbers; in 'visits' whole")
    assert "in 'insured' " in layer.support


def test_what_the_columns_have_in_common() -> None:
    assert table().measure == "mixed"
    assert not table().reparameterized
    reals = layers.Table([layers.Normal(1), layers.Laplace(2)])
    assert list(reals.columns) == ["0", "1"]
    assert reals.measure == "lebesgue"
    assert reals.reparameterized
    assert not reals.takes_data
    counts = layers.Table([layers.Bernoulli(1), layers.Binomial(1, 3)])
    assert counts.measure == "counting"


def test_a_column_that_learns_from_the_data() -> None:
    """An optimal scale is found from its own column alone."""
    layer = layers.Table(
        {"insured": layers.Bernoulli(1), "size": layers.Normal(1, scale="optimal")}
    )
    assert layer.takes_data
    q = layer(np.ones((4, 3), np.float32))
    x = np.float32([[0, 1], [1, 2], [1, 3], [0, 5]])
    observed = layer.observe(q, x, training=True)
    p = layer.parameters(observed)
    expected = np.sqrt(np.mean((x[:, 1:] - p["size_loc"]) ** 2))
    np.testing.assert_allclose(p["size_scale"], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        p["insured_logits"], layer.parameters(q)["insured_logits"]
    )
    assert table().observe(q, x) is q


def test_weights_and_files(tmp_path) -> None:
    """The order of the columns survives, in whichever order their names are."""
    layer = layers.Table(
        {
            "z": layers.Normal(1, scale="shared", name="one"),
            "a": layers.Laplace(1, scale="shared", name="two"),
            "m": layers.Bernoulli(1, name="three"),
        },
        name="head",
    )
    model = keras.Sequential([keras.Input((4,)), layer])
    assert len(model.trainable_weights) == 4
    rng = np.random.default_rng(4)
    model.set_weights([w + rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.layers[-1]
    assert list(again.columns) == ["z", "a", "m"]
    assert again.get_config() == layer.get_config()
    features = rng.normal(size=(5, 4)).astype(np.float32)
    x = np.float32([[0.5, -1, 1]])
    one, two = model(features), loaded(features)
    np.testing.assert_array_equal(one.log_prob(x), two.log_prob(x))
    for name, value in layer.parameters(one).items():
        np.testing.assert_array_equal(again.parameters(two)[name], value)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_graphs(jit_compile) -> None:
    layer, x = table(), rows(8).astype(np.float32)
    features = np.random.default_rng(5).normal(size=(8, 4)).astype(np.float32)
    layer.build(features.shape)

    def numbers(features, x):
        q = layer(features)
        drawn, log_q = layer.sample_and_log_prob(q, seed=tf.constant([1, 2]))
        return drawn, log_q, q.log_prob(x), *layer.log_prob_by_column(q, x).values()

    compiled = tf.function(numbers, jit_compile=jit_compile, autograph=False)
    for actual, expected in zip(
        compiled(features, x), numbers(features, x), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    make = tf.function(lambda features: layer(features), autograph=False)
    q = make(tf.constant(features))
    np.testing.assert_allclose(q.log_prob(x), layer(features).log_prob(x), rtol=1e-5)


def test_as_a_likelihood_in_a_model(tmp_path) -> None:
    encoder = keras.Sequential(
        [keras.Input((WIDTH,)), keras.layers.Dense(8, "tanh"), layers.Normal(2)]
    )
    decoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(8, "tanh"), table()]
    )
    vae = tfvae.VAE(encoder, decoder, seed=0)
    vae.compile(optimizer="adam")
    x = rows(64).astype(np.float32)
    vae.fit(x, epochs=1, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = vae.evaluate(x, return_dict=True, verbose=0)
    assert loaded.evaluate(x, return_dict=True, verbose=0) == expected
    np.testing.assert_array_equal(loaded.reconstruct(x), vae.reconstruct(x))
    drawn = vae.sample(9, seed=1)
    assert not np.any(loaded.likelihood_layer.unsupported(drawn))
    wrong = x.copy()
    wrong[3, 3] = 0.5
    with pytest.raises(ValueError, match="in 'insured' "):
        vae.fit(wrong, verbose=0)


@pytest.mark.parametrize(
    "wrong",
    [None, 3, "size", {}, [], {"a": None}, {"a": 3}, {3: layers.Normal(1)}],
    ids=str,
)
def test_columns_that_are_none(wrong) -> None:
    with pytest.raises(ValueError, match=r"`columns` must map names .* Received: "):
        layers.Table(wrong)


def test_columns_that_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match=r"with an event of one axis\. Received: 'a'"):
        layers.Table({"a": layers.Normal((2, 2))})
    with pytest.raises(ValueError, match=r"must map names .* Received: ''"):
        layers.Table({"": layers.Normal(2)})
    one = layers.Normal(1)
    with pytest.raises(ValueError, match=r"must have a layer of its own for each"):
        layers.Table([one, one])
    inner = layers.Table({"b": layers.Normal(1)})
    with pytest.raises(
        ValueError, match=r"must not have both 'a', .*'b_loc', and 'a_b"
    ):
        layers.Table({"a": inner, "a_b": layers.Normal(1)})
    # Names that only begin alike are well apart.
    layer = layers.Table({"age": layers.Normal(1), "age_group": layers.Bernoulli(1)})
    q = layer(np.ones((1, 2), np.float32))
    assert list(layer.parameters(q)) == ["age_loc", "age_scale", "age_group_logits"]


def test_dtypes_of_table_and_columns() -> None:
    assert layers.Table([layers.Normal(1, dtype="float64")]).dtype == "float64"
    message = r"`columns` must all compute in float32, .* Received: '1' in float64\."
    with pytest.raises(ValueError, match=message):
        layers.Table([layers.Normal(1), layers.Normal(1, dtype="float64")])
