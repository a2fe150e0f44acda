"""TensorFlow by hand: 50 steps in one XLA program, and graphs for the rest."""

import math
from collections.abc import Callable

import keras
import keras_networks
import networks
import tensorflow as tf
import worker

STEPS = 50
"""At most so many steps in a program."""


def mlp(weights: list, x: tf.Tensor) -> tf.Tensor:
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = tf.tanh(x @ kernel + bias)
    return x @ weights[-2] + weights[-1]


def posterior(weights: list, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    loc, raw = tf.split(mlp(weights[:6], x), 2, axis=-1)
    return loc, tf.nn.softplus(raw)


def log_likelihood(weights: list, x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
    logits = mlp(weights[6:], z)
    return tf.reduce_sum(x * logits - tf.nn.softplus(logits), -1)


def loss_of(weights: list, x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    loc, scale = posterior(weights, x)
    kl = (loc**2 + scale**2 - 1) / 2 - tf.math.log(scale)
    log_p = log_likelihood(weights, x, loc + scale * noise)
    return tf.reduce_mean(tf.reduce_sum(kl, -1) - log_p)


def train(task: worker.Task) -> Callable[[], float]:
    x = tf.constant(task.load())
    weights = [tf.Variable(w) for w in networks.dense_weights(task.width)]
    first, second = ([tf.Variable(tf.zeros_like(w)) for w in weights] for _ in "12")
    taken = tf.Variable(0.0)
    steps, size = len(x) // task.batch_size, task.batch_size
    at_once = max(n for n in range(1, STEPS + 1) if steps % n == 0)

    def adam(gradients: list) -> None:
        taken.assign_add(1.0)
        rate = 1e-3 * tf.sqrt(1 - 0.999**taken) / (1 - 0.9**taken)
        for weight, m, v, g in zip(weights, first, second, gradients, strict=True):
            m.assign_add(0.1 * (g - m))
            v.assign_add(0.001 * (g * g - v))
            weight.assign_sub(rate * m / (tf.sqrt(v) + 1e-7))

    @tf.function(jit_compile=True, autograph=False)
    def program(batches: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = loss_of(weights, tf.gather(x, batches[i]), noise[i])
            adam(tape.gradient(loss, weights))
            return i + 1, total + loss

        return tf.while_loop(lambda i, _: i < at_once, step, (0, 0.0))[1]

    @tf.function(autograph=False)
    def epoch() -> tf.Tensor:
        order = tf.random.shuffle(tf.range(len(x)))[: steps * size]
        batches = tf.reshape(order, (-1, at_once, size))

        def several(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            noise = tf.random.normal((at_once, size, networks.LATENT["dense"]))
            return i + 1, total + program(batches[i], noise)

        calls = steps // at_once
        return tf.while_loop(lambda i, _: i < calls, several, (0, 0.0))[1] / steps

    def take() -> float:
        return [epoch() for _ in range(task.epochs)][-1].numpy()

    return take


def evidence(task: worker.Task) -> Callable[[], float]:
    """log p(x) of one image after the other, some draws at once."""
    x = tf.constant(task.load()[: task.images])
    weights = [tf.constant(w) for w in networks.dense_weights(task.width)]
    chunk = math.gcd(task.options.get("chunk", task.samples), task.samples)

    def one(inputs: tuple) -> tf.Tensor:
        x, loc, scale = inputs

        def some(_: tf.Tensor) -> tf.Tensor:
            noise = tf.random.normal((chunk, networks.LATENT["dense"]))
            z = loc + scale * noise
            ratio = (noise**2 - z**2) / 2 + tf.math.log(scale)
            return log_likelihood(weights, x, z) + tf.reduce_sum(ratio, -1)

        parts = tf.range(task.samples // chunk)
        log_weights = tf.map_fn(some, parts, fn_output_signature=tf.float32)
        return tf.reduce_logsumexp(log_weights) - math.log(task.samples)

    @tf.function(jit_compile=task.options.get("jit_compile", False))
    def log_prob() -> tf.Tensor:
        inputs = (x, *posterior(weights, x))
        return tf.map_fn(one, inputs, fn_output_signature=tf.float32)

    return lambda: tf.reduce_mean(log_prob()).numpy()


def repeated(task: worker.Task, function: Callable) -> Callable[[], float]:
    """The function for each step of a round; its results are only made."""
    steps = task.epochs * (len(task.load()) // task.batch_size)
    jit_compile = task.options.get("jit_compile", False)
    compiled = tf.function(function, autograph=False, jit_compile=jit_compile)

    def take() -> float:
        for _ in range(steps):
            results = compiled()
        return float("nan") * float(tf.reduce_sum(results[0]))

    return take


def products(task: worker.Task) -> Callable[[], float]:
    """The matrix products of all steps of a round, and nothing else."""
    pairs = networks.dense_products(task.batch_size, task.width, task.samples)
    # Variables, for products of constants would be done once and for all.
    given = [
        [tf.Variable(m.T if m.flags.f_contiguous else m) for m in pair]
        for pair in pairs
    ]
    turned = [[m.flags.f_contiguous for m in pair] for pair in pairs]
    return repeated(
        task,
        lambda: [
            tf.matmul(a, b, transpose_a=first, transpose_b=second)
            for (a, b), (first, second) in zip(given, turned, strict=True)
        ],
    )


def convolutions(task: worker.Task) -> Callable[[], float]:
    """Forward and backward of the layers without what stands between them."""
    latent = networks.LATENT["conv"]
    encoder = keras.Sequential(keras_networks.encoder_layers("conv", task.width))
    encoder.add(keras.layers.Dense(2 * latent))
    decoder = keras.Sequential(keras_networks.decoder_layers("conv", task.width))
    for layer in encoder.layers + decoder.layers:
        layer.activation = keras.activations.linear
    weights = [w.value for w in encoder.weights + decoder.weights]
    batch = tf.Variable(task.load()[: task.batch_size])

    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = decoder(encoder(batch)[:, :latent])
        return tape.gradient(logits, weights)

    return repeated(task, step)


if __name__ == "__main__":
    worker.serve(
        train=train, evidence=evidence, products=products, convolutions=convolutions
    )
