"""What users of Keras do with a model besides `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae
from support.training import binary

import tfvae

X = binary(16)


@pytest.fixture
def vae() -> tfvae.VAE:
    vae = small_vae()
    vae.compile("adam")
    return vae


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_single_batches_are_checked(vae, method) -> None:
    before = vae.get_weights()
    for bad in (X + 0.5, X * np.nan, X[:, :2]):
        with pytest.raises(ValueError, match="`x` must"):
            getattr(vae, method)(bad)
    with pytest.raises(ValueError, match="`y` has no meaning"):
        getattr(vae, method)(X, X)
    for old, new in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_single_batches_are_those_of_fit_evaluate_and_predict(vae) -> None:
    other = small_vae()
    other.set_weights(vae.get_weights())
    other.compile("adam")
    measured = vae.test_on_batch(X, return_dict=True)
    vae.reset_metrics()
    whole = other.evaluate(X, batch_size=16, return_dict=True, verbose=0)
    assert measured == pytest.approx(whole, rel=1e-6)
    np.testing.assert_array_equal(
        vae.predict_on_batch(X), vae.predict(X, batch_size=16, verbose=0)
    )
    vae.reset_metrics()
    vae.train_on_batch(X)
    other.fit(X, batch_size=16, shuffle=False, verbose=0)
    for one, two in zip(vae.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_arguments_of_fit_stand_where_keras_has_them(vae) -> None:
    history = vae.fit(X, None, 8, 2, 0, None, 0.25).history
    assert len(history["val_elbo"]) == 2


def test_a_subclass_can_add_a_metric(vae) -> None:
    class Counting(tfvae.VAE):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            self.examples = keras.metrics.Sum("examples")

        @property
        def metrics(self):
            return [*super().metrics, self.examples]

        def train_step(self, data):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            self.examples.update_state(tf.cast(tf.shape(x)[0], tf.float32))
            return super().train_step(data)

    counting = Counting(vae.encoder, vae.decoder)
    counting.compile("adam")
    history = counting.fit(X, batch_size=5, epochs=2, verbose=0).history
    assert history["examples"] == [16.0, 16.0]
    assert "elbo" in history


@pytest.mark.parametrize("name", ["encoder", "decoder", "prior_layer"])
def test_a_part_cannot_be_exchanged(vae, name) -> None:
    with pytest.raises(AttributeError, match=f"`{name}` cannot be exchanged"):
        setattr(vae, name, getattr(small_vae(), name))


def test_arguments_of_compile_that_mean_nothing_may_be_none(vae) -> None:
    vae.compile("adam", loss=None, metrics=None)
    with pytest.raises(ValueError, match="takes no `metrics`"):
        vae.compile("adam", metrics=["mse"])


def test_a_long_double_is_refused_by_name(vae) -> None:
    with pytest.raises(ValueError, match="must hold real numbers"):
        vae.fit(X.astype(np.longdouble), verbose=0)


def test_an_array_of_another_library_is_an_array(vae) -> None:
    """One that only has `__array__`, whose class lives in a module named torch."""
    array = type("Tensor", (), {"__array__": lambda self, *_, **__: X + 0.5})
    array.__module__ = "torch"
    with pytest.raises(ValueError, match="support of Bernoulli"):
        vae.fit(array(), verbose=0)
