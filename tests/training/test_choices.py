"""How many steps a call takes, and whether XLA compiles them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae
from support.training import assert_same_weights, binary

import tfvae
from tfvae._xla import prefers_xla
from tfvae.training import choices

X = binary(70)
LONG = {"batch_size": 1, "epochs": 10}


def graph_of(function, *shapes) -> tf.Graph:
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function).get_concrete_function(*specs).graph


def convolution(x):
    return tf.nn.conv2d(x, tf.ones([3, 3, 1, 4]), 1, "SAME")


GRAPHS = {
    "dense": (tf.matmul, [(3, 4), (4, 5)], True),
    "convolution": (convolution, [(2, 8, 8, 1)], False),
    "inside a function": (tf.function(convolution), [(2, 8, 8, 1)], False),
    "inside a branch": (
        lambda x: tf.cond(
            tf.reduce_sum(x) > 0,
            lambda: convolution(x[..., :1]),
            lambda: x,
        ),
        [(2, 8, 8, 4)],
        False,
    ),
    "pooling": (lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"), [(2, 8, 8, 1)], False),
    "other draws": (
        lambda x: tf.random.stateless_normal([3], (1, 2)) + x,
        [(3,)],
        False,
    ),
    "an assertion": (
        lambda x: tf.debugging.assert_all_finite(x, "not finite"),
        [(3,)],
        False,
    ),
    "python": (lambda x: tf.numpy_function(np.sin, [x], tf.float32), [(3,)], False),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_convolutions_stay_out_of_xla_on_a_cpu(name, monkeypatch) -> None:
    function, shapes, expected = GRAPHS[name]
    monkeypatch.setattr("tfvae._xla.has_gpu", lambda: False)
    assert prefers_xla(graph_of(function, *shapes)) is expected
    monkeypatch.setattr("tfvae._xla.has_gpu", lambda: True)
    assert prefers_xla(graph_of(function, *shapes)) is (
        name not in ("python", "other draws", "an assertion")
    )


@pytest.mark.parametrize(
    ("batches", "expected"),
    [(None, 50), (1, 1), (50, 50), (51, 26), (600, 50), (469, 47)],
)
def test_steps_at_once(batches, expected) -> None:
    assert choices.steps_at_once(batches) == expected


def image_vae() -> tfvae.VAE:
    shape = (8, 8, 1)
    encoder = [tfvae.networks.conv(shape, (4,)), tfvae.layers.Normal(2)]
    back = tfvae.networks.conv_transpose((2,), shape[:2], (4,))
    decoder = [back, tfvae.layers.Bernoulli(shape)]
    return tfvae.VAE(keras.Sequential(encoder), keras.Sequential(decoder), seed=0)


def test_what_is_chosen_is_told(capsys, monkeypatch) -> None:
    def told(vae, x=X, **arguments) -> str:
        capsys.readouterr()
        vae.fit(x, verbose=2, **arguments)
        return next(
            line
            for line in capsys.readouterr().out.splitlines()
            if "per execution" in line
        )

    monkeypatch.setattr("tfvae._xla.has_gpu", lambda: False)
    vae = small_vae()
    vae.compile("adam")
    words = "3 steps per execution in a plain graph, for XLA takes longer to compile"
    assert told(vae).startswith(words)
    assert told(vae, **LONG).startswith("35 steps per execution in one XLA program")
    assert told(vae, **LONG).startswith("35 steps per execution in one XLA program")
    vae.compile("adam", jit_compile=False, steps_per_execution=2)
    words = "2 steps per execution in a plain graph, as `jit_compile` says."
    assert told(vae, **LONG) == words

    vae = image_vae()
    vae.compile("adam")
    words = "35 steps per execution in a plain graph, which is faster for these"
    assert told(vae, binary(70, 64).reshape(-1, 8, 8, 1), **LONG).startswith(words)
    vae.fit(binary(4, 64).reshape(-1, 8, 8, 1), verbose=0)
    assert "per execution" not in capsys.readouterr().out


class NoXLA(tfvae.VAE):
    """A step with an operation that XLA has not, though its name does not tell."""

    def train_step(self, data):
        values = tf.linalg.eigvals(tf.eye(2) + tf.reduce_mean(data[0]))
        return super().train_step(data) | {"value": tf.reduce_sum(tf.abs(values))}


def test_a_step_that_xla_refuses_is_taken_without(capsys) -> None:
    keras.utils.set_random_seed(0)
    vae = small_vae(seed=5)
    vae = NoXLA(vae.encoder, vae.decoder, seed=5)
    vae.compile(keras.optimizers.SGD(0.01))
    vae.fit(X, verbose=2, shuffle=False, **LONG)
    assert "XLA cannot compile this step" in capsys.readouterr().out
    assert int(vae.optimizer.iterations) == 700
    keras.utils.set_random_seed(0)
    plain = small_vae(seed=5)
    plain.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    plain.fit(X, verbose=0, shuffle=False, **LONG)
    assert_same_weights(vae, plain, rtol=1e-4, atol=1e-5)
    vae.compile("adam", jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError):
        vae.fit(X, verbose=0)


def test_a_layer_without_xla_is_never_compiled(capsys) -> None:
    class Layer(keras.layers.Dense):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            self.supports_jit = False

    encoder = [keras.Input((6,)), Layer(4), tfvae.layers.Normal(3)]
    vae = tfvae.VAE(keras.Sequential(encoder), small_vae().decoder)
    vae.compile("adam")
    vae.fit(X, verbose=2, **LONG)
    words = "a plain graph, for a layer does not support XLA"
    assert words in capsys.readouterr().out


def test_subclasses_of_callbacks_keep_their_hooks() -> None:
    class Saving(keras.callbacks.ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None) -> None:
            super().on_train_batch_end(batch, logs)

    class Stopping(keras.callbacks.TerminateOnNaN):
        def on_batch_begin(self, batch, logs=None) -> None:
            pass

    saving = keras.callbacks.ModelCheckpoint
    assert choices.watches_batches([Saving("a.keras")])
    assert choices.watches_batches([Stopping()])
    assert choices.watches_batches([saving("a.keras", save_freq=3)])
    assert not choices.watches_batches([saving("a.keras")])
    assert not choices.watches_batches([keras.callbacks.TerminateOnNaN()])


def test_unknown_words_are_refused() -> None:
    vae = small_vae()
    with pytest.raises(ValueError, match="`jit_compile` must be True, False or"):
        vae.compile("adam", jit_compile="yes")
    vae.compile("adam")
    with pytest.raises(ValueError, match="`shuffle` must be True, False or"):
        vae.fit(X, shuffle="no", verbose=0)


@pytest.mark.parametrize("number", [0, -1, 2.5, "many", None, True])
def test_a_number_of_steps_is_checked(number) -> None:
    with pytest.raises(ValueError, match="`steps_per_execution` must be"):
        small_vae().compile("adam", steps_per_execution=number)
