"""Normals pushed through a flow."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd
from tensorflow_probability import util as tfp_util

from tfvae._builtins import traces_builtins_only
from tfvae.distributions import Normal
from tfvae.flows.bijectors import Flow

__all__ = ["FlowNormal"]


class FlowNormal(tfd.AutoCompositeTensorDistribution):
    """The `tfd.TransformedDistribution` of a normal, as a composite tensor.

        z = f(u, context),  u_i ~ N(loc_i, scale_i^2)
        log p(z) = sum_i log N(u_i; loc_i, scale_i^2) - log |det df/du|

    A `tfd.TransformedDistribution` over a bijector that a Keras network drives cannot
    leave a `tf.function`, and takes no value with fewer batch axes than its context.
    This one makes it anew for each density or sample, from tensors and from networks
    that it names.

    Undoing a flow, and dividing by a small scale, multiplies rounding errors: with
    `wide` the density is computed in double precision, whatever the dtype of the
    distribution, except inside `builtins_only`.

    Args:
        loc: Means of the base [*batch, D].
        scale: Standard deviations of the base [*batch, D].
        flow: The flow.
        context: What the flow is told besides, [*batch, C], or None. Default: None.
        frozen: Whether no gradient reaches the weights of the flow. Default: False.
        wide: Whether densities are computed in double precision. Default: False.
        validate_args: As in `tfd.Distribution`. Default: False.
        allow_nan_stats: As in `tfd.Distribution`. Default: True.
        name: Name of the distribution.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        flow: Flow,
        context: tf.Tensor | None = None,
        frozen: bool = False,
        wide: bool = False,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "FlowNormal",
    ) -> None:
        parameters = dict(locals())
        self.loc = tf.convert_to_tensor(loc)
        self.scale = tf.convert_to_tensor(scale)
        self.context = None if context is None else tf.convert_to_tensor(context)
        self.flow, self.frozen, self.wide = flow, frozen, wide
        super().__init__(
            dtype=self.loc.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: Any, num_classes: Any = None
    ) -> dict[str, Any]:
        vector = tfp_util.ParameterProperties(event_ndims=1)
        return {"loc": vector, "scale": vector, "context": vector}

    @property
    def bijector(self) -> tfb.Bijector:
        """The bijector from u to z, made anew."""
        return self.flow(self.dtype, self.context, self.frozen)

    def _event_shape(self) -> tf.TensorShape:
        return self.loc.shape[-1:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.loc)[-1:]

    def _transformed(self, dtype: tf.DType) -> tfd.Distribution:
        loc, scale = tf.cast(self.loc, dtype), tf.cast(self.scale, dtype)
        context = None if self.context is None else tf.cast(self.context, dtype)
        base = tfd.Independent(Normal(loc, scale), 1)
        return tfd.TransformedDistribution(base, self.flow(dtype, context, self.frozen))

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        wide = self.wide and not traces_builtins_only()
        p = self._transformed(tf.float64 if wide else self.dtype)
        # Bijectors keep the shape of what they are given: that of the batch, then.
        x = tf.cast(x, p.dtype) + tf.zeros_like(p.distribution.distribution.loc)
        return tf.cast(p.log_prob(x), self.dtype)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return self._transformed(self.dtype).sample(n, seed=seed)

    def _default_event_space_bijector(self) -> tfb.Bijector:
        return tfb.Identity(validate_args=self.validate_args)
