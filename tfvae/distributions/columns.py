"""Distributions of the columns of a table, side by side."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["Columns"]


class Columns(tfd.AutoCompositeTensorDistribution):
    """Independent vectors of several families as one vector.

        log p(x) = sum_c log p_c(x_c),   x = (x_1, ..., x_C)

    `tfd.Blockwise` is the same without variances, and `tfvae` needs those.

    Args:
        distributions: One for each column, in the order of x: of one dtype and batch
            shape, each with an event of one axis.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.Columns([
    ...     tfp.distributions.Independent(tfp.distributions.Normal([0.0, 1.0], 1.0), 1),
    ...     tfp.distributions.Independent(tfp.distributions.Poisson([4.0]), 1),
    ... ])
    >>> p.stddev().numpy()
    array([1., 1., 2.], dtype=float32)
    """

    def __init__(
        self,
        distributions: Sequence[tfd.Distribution],
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Columns",
    ) -> None:
        parameters = dict(locals())
        self._distributions = list(distributions)
        types = {d.reparameterization_type for d in self._distributions}
        super().__init__(
            dtype=self._distributions[0].dtype,
            reparameterization_type=(
                types.pop() if len(types) == 1 else tfd.NOT_REPARAMETERIZED
            ),
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        return {
            "distributions": tfp.util.BatchedComponentProperties(
                event_ndims=_no_event_axes
            )
        }

    @property
    def distributions(self) -> list[tfd.Distribution]:
        """The distributions of the columns."""
        return self._distributions

    def log_probs(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Returns log p_c(x_c) of each column: [*S, *batch] each."""
        parts = tf.split(x, self._sizes(), axis=-1)
        pairs = zip(self._distributions, parts, strict=True)
        return [distribution.log_prob(part) for distribution, part in pairs]

    def _sizes(self) -> list[int]:
        return [distribution.event_shape[0] for distribution in self._distributions]

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([sum(self._sizes())])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([sum(self._sizes())], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self.log_probs(x))

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seeds = tfp.random.split_seed(seed, n=len(self._distributions))
        pairs = zip(self._distributions, tf.unstack(seeds), strict=True)
        draws = [distribution.sample(n, seed=one) for distribution, one in pairs]
        return tf.concat(draws, axis=-1)

    def _mean(self) -> tf.Tensor:
        return tf.concat([d.mean() for d in self._distributions], axis=-1)

    def _variance(self) -> tf.Tensor:
        return tf.concat([d.variance() for d in self._distributions], axis=-1)

    def _stddev(self) -> tf.Tensor:
        return tf.concat([d.stddev() for d in self._distributions], axis=-1)


def _no_event_axes(columns: Columns) -> list[int]:
    return [0 for _ in columns.distributions]
