"""Tables whose columns have distributions of different families."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import Columns
from tfvae.layers.base import DistributionLayer
from tfvae.layers.columns import Renamed, named_columns
from tfvae.layers.components import noise_size, own_noise

__all__ = ["Table"]

Values = dict[str, tf.Tensor]


@keras.saving.register_keras_serializable("tfvae")
class Table(DistributionLayer):
    """The columns of a table, each with a family of its own.

        log p(x) = sum_c log p_c(x_c),   x = (x_1, ..., x_C)

    An event is one row: a vector that holds the columns one after the other. Columns of
    one family may be a group, which is one layer with several elements. A column of
    classes holds whole numbers. The columns are independent given the features, which
    is what a decoder's latent vector is for.

    Parameters are named after column and parameter: `age_loc`. What a column's layer
    learns by itself, such as a scale that is shared, is a weight of the table; its
    projection is not used, for the table has its own.

    Args:
        columns: Names of the columns to their layers, in the order of x; or the layers
            alone, in columns that are then called "0", "1" and so on. Each layer has an
            event of one axis.
        **kwargs: Arguments of `DistributionLayer` but for the event shape. Default of
            `dtype`: that of the columns.

    Raises:
        ValueError: If the columns are none of these, share a layer, or compute in
            another dtype than the table.

    Example:
    >>> layer = tfvae.layers.Table({
    ...     "size": tfvae.layers.Normal(2, scale="shared"),
    ...     "visits": tfvae.layers.Binomial(1, total_count=12),
    ... })
    >>> p = layer(keras.ops.ones((8, 5)))
    >>> list(layer.parameters(p))
    ['size_loc', 'size_scale', 'visits_logits']
    >>> layer.log_prob_by_column(p, np.zeros((8, 3), np.float32))["visits"].shape
    TensorShape([8])

    Reference: Nazabal et al., "Handling incomplete heterogeneous data using VAEs",
    Pattern Recognition 2020, https://arxiv.org/abs/1807.03653.
    """

    noise = "uniform"

    def __init__(
        self,
        columns: Mapping[str, DistributionLayer] | Sequence[DistributionLayer],
        **kwargs: Any,
    ) -> None:
        named = named_columns(columns)
        size = sum(layer.event_shape[0] for layer in named.values())
        dtype = kwargs.pop("dtype", None)
        if dtype is None:
            dtype = next(iter(named.values())).dtype_policy
        super().__init__(size, dtype=dtype, **kwargs)
        for name, layer in named.items():
            if layer.variable_dtype != self.variable_dtype:
                raise ValueError(
                    f"`columns` must all compute in {self.variable_dtype}, the dtype "
                    f"of the table. Received: {name!r} in {layer.variable_dtype}."
                )
        self.columns = named
        self.supports_jit = all(layer.supports_jit for layer in named.values())
        self._raw_shapes()  # refuses names that do not tell the columns apart

    @property
    def support(self) -> str:  # type: ignore[override]
        """The values that have a density, in words for an error message."""
        columns = self.columns.items()
        return "; ".join(f"in {name!r} {layer.support}" for name, layer in columns)

    @property
    def measure(self) -> str:  # type: ignore[override]
        """What the density is one of: that of all columns, or "mixed"."""
        measures = {layer.measure for layer in self.columns.values()}
        return measures.pop() if len(measures) == 1 else "mixed"

    @property
    def reparameterized(self) -> bool:  # type: ignore[override]
        """Whether all columns are."""
        return all(layer.reparameterized for layer in self.columns.values())

    @property
    def density_inverts(self) -> bool:  # type: ignore[override]
        """Whether the density of a given value takes an inversion in some column."""
        return any(layer.density_inverts for layer in self.columns.values())

    @property
    def location_is_mean(self) -> bool:  # type: ignore[override]
        """Whether `location` is the mean."""
        return all(layer.location_is_mean for layer in self.columns.values())

    @property
    def bits_per_dimension(self) -> bool:  # type: ignore[override]
        """Whether the bound is also reported as bits for each number of the data."""
        return all(layer.bits_per_dimension for layer in self.columns.values())

    @property
    def takes_data(self) -> bool:  # type: ignore[override]
        """Whether a column takes parameters from the data."""
        return any(layer.takes_data for layer in self.columns.values())

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return (sum(self._noise_sizes()),)

    def _noise_sizes(self) -> list[int]:
        # Without the number that would choose a component of a mixture.
        return [noise_size(layer) - 1 for layer in self.columns.values()]

    def log_prob_by_column(self, q: tfd.Distribution, x: tf.Tensor) -> Values:
        """Returns what each column adds to the log density, to see which is unusual.

        Args:
            q: A distribution that this layer made, with batch shape [*batch].
            x: Rows, [*S, *batch, *event].

        Returns:
            Name of the column to log p_c(x_c), [*S, *batch] in nats. They add up to
            `q.log_prob(x)`.
        """
        x = tf.cast(x, self.variable_dtype)
        return dict(zip(self.columns, q.log_probs(x), strict=True))

    def _add_weights(self) -> None:
        for layer in self.columns.values():
            # Those of the column but for its projection.
            layer._add_weights()
            layer.built = True

    def _count_step(self) -> None:
        for layer in self.columns.values():
            layer._count_step()

    def _lead(self) -> tuple[int, ...]:
        return ()

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._joined(
            {name: layer._raw_shapes() for name, layer in self.columns.items()}
        )

    def _constrain(self, raw: Values) -> Values:
        def constrained(name: str, layer: DistributionLayer) -> Values:
            own = {key: raw[f"{name}_{key}"] for key in layer._raw_shapes()}
            return layer._constrain(own)

        return self._joined(
            {name: constrained(name, c) for name, c in self.columns.items()}
        )

    def _column_of(self, parameter: str) -> str:
        """The longest name of a column that the parameter's begins with."""
        fitting = (name for name in self.columns if parameter.startswith(f"{name}_"))
        return max(fitting, key=len)

    def _joined(self, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """The parameters of all columns under the names that they have here."""
        joined = {}
        for column, parameters in own.items():
            for name, value in parameters.items():
                here = f"{column}_{name}"
                if self._column_of(here) != column:
                    raise ValueError(
                        f"`columns` must not have both {column!r}, with a parameter "
                        f"{name!r}, and {self._column_of(here)!r}: their parameters "
                        "would have one name."
                    )
                joined[here] = value
        return joined

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        own: dict[str, Values] = {name: {} for name in self.columns}
        for key, value in parameters.items():
            name = self._column_of(key)
            own[name][key[len(name) + 1 :]] = value
        return Columns(
            [c._distribution(**own[name]) for name, c in self.columns.items()]
        )

    def parameters(self, q: tfd.Distribution) -> Values:
        """Returns those of each column, their names behind that of the column."""
        return self._joined({name: c.parameters(p) for name, c, p in self._each(q)})

    def _each(self, q: tfd.Distribution) -> list[tuple[str, DistributionLayer, Any]]:
        """Name, layer and distribution of each column."""
        columns = zip(self.columns.items(), q.distributions, strict=True)
        return [(name, layer, p) for (name, layer), p in columns]

    def detach(self, q: tfd.Distribution) -> tfd.Distribution:
        """Returns `q` with no gradient through its parameters."""
        return Columns([layer.detach(p) for _, layer, p in self._each(q)])

    def _map(self, q: tfd.Distribution, function: Any) -> tfd.Distribution:
        return Columns(
            [layer._map(p, Renamed(function, name)) for name, layer, p in self._each(q)]
        )

    def _observe(
        self,
        q: tfd.Distribution,
        x: tf.Tensor,
        training: bool,
        sample_weight: tf.Tensor | None,
    ) -> tfd.Distribution:
        if not self.takes_data:
            return q
        parts = zip(self._each(q), self._split(x), strict=True)
        observed = [
            layer._observe(p, part, training, sample_weight)
            for (_, layer, p), part in parts
        ]
        return Columns(observed)

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the locations of the columns, their means where they have one."""
        locations = [layer.location(p) for _, layer, p in self._each(q)]
        return tf.concat(locations, axis=-1)

    def stddev(self, q: tfd.Distribution) -> tf.Tensor | None:
        """Returns the standard deviations [*batch, *event]; None if one is unknown."""
        deviations = [layer.stddev(p) for _, layer, p in self._each(q)]
        if any(deviation is None for deviation in deviations):
            return None
        return tf.concat(deviations, axis=-1)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        draws, densities = [], []
        parts = tf.split(noise, self._noise_sizes(), axis=-1)
        for (_, layer, p), part in zip(self._each(q), parts, strict=True):
            x, log_q = layer.transform(p, own_noise(layer, part))
            draws.append(x)
            densities.append(log_q)
        return tf.concat(draws, axis=-1), tf.add_n(densities)

    def _split(self, x: tf.Tensor) -> list[tf.Tensor]:
        sizes = [layer.event_shape[0] for layer in self.columns.values()]
        return tf.split(x, sizes, axis=-1)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        parts = zip(self.columns.values(), self._split(x), strict=True)
        return tf.concat([layer._in_support(part) for layer, part in parts], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, and the event shape."""
        # A list, since a file may sort the keys of a dict.
        columns = [
            [name, keras.saving.serialize_keras_object(layer)]
            for name, layer in self.columns.items()
        ]
        return super().get_config() | {"columns": columns}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Table":
        """Makes the layer from what `get_config` returned."""
        arguments = {key: config[key] for key in config.keys() - {"event_shape"}}
        columns = {
            name: keras.saving.deserialize_keras_object(layer)
            for name, layer in arguments["columns"]
        }
        return cls(**arguments | {"columns": columns})
