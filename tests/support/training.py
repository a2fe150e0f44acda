"""What the tests of training share: data, parts with weights, precise comparisons."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.objectives import Context, Estimate, Objective, Terms

__all__ = [
    "LearnedNormal",
    "TwoLosses",
    "assert_same_weights",
    "binary",
    "values_of",
]


def binary(size: int, width: int = 6, seed: int = 0) -> np.ndarray:
    """Binary data [size, width] whose columns are not alike."""
    generator = np.random.default_rng(seed)
    probabilities = np.linspace(0.1, 0.8, width)
    return (generator.random((size, width)) < probabilities).astype("float32")


def values_of(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def assert_same_weights(one: keras.Model, two: keras.Model, **tolerance: float) -> None:
    """Bit for bit, unless a tolerance is given."""
    assert len(one.weights) == len(two.weights) > 0
    for a, b in zip(values_of(one), values_of(two), strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


@keras.saving.register_keras_serializable("tests")
class LearnedNormal(tfvae.priors.Prior):
    """A prior N(loc, exp(log_scale)^2) whose two parameters are trained."""

    def __init__(self, event_shape, **kwargs) -> None:
        super().__init__(event_shape, **kwargs)
        self.loc = self.add_weight(shape=self.event_shape, initializer="zeros")
        self.log_scale = self.add_weight(shape=self.event_shape, initializer="zeros")

    @property
    def distribution(self) -> tfd.Distribution:
        scale = tf.exp(tf.convert_to_tensor(self.log_scale))
        elements = tfd.Normal(tf.convert_to_tensor(self.loc), scale)
        return tfd.Independent(elements, len(self.event_shape))

    @property
    def noise(self) -> str:
        return "normal"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        return self.loc + tf.exp(tf.convert_to_tensor(self.log_scale)) * noise


@keras.saving.register_keras_serializable("tests")
class TwoLosses(Objective):
    """Different losses for the two networks, each a weighted sum of the terms.

    Args:
        for_encoder: Weights of reconstruction and KL in the loss of the encoder.
        for_decoder: The same of the decoder and the prior.
    """

    def __init__(self, for_encoder, for_decoder, **kwargs) -> None:
        super().__init__(**kwargs)
        self.for_encoder, self.for_decoder = for_encoder, for_decoder

    def estimate(self, terms: Terms, context: Context) -> Estimate:
        reconstruction, kl = terms.reconstruction, terms.kl()

        def loss(weights) -> tf.Tensor:
            return -weights[0] * reconstruction + weights[1] * kl

        return Estimate(
            bound=tf.zeros_like(kl) + 7.0,
            encoder_loss=loss(self.for_encoder),
            decoder_loss=loss(self.for_decoder),
            reconstruction=reconstruction,
            kl=kl,
        )

    def get_config(self):
        names = ("for_encoder", "for_decoder")
        return super().get_config() | {name: getattr(self, name) for name in names}
