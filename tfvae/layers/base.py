"""The contract of distribution layers, and the projection they share."""

import abc
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import as_seed, standard_noise

__all__ = ["DistributionLayer"]


class DistributionLayer(keras.layers.Layer, abc.ABC):
    """Base class of the layers that end an encoder or a decoder.

    A layer turns features into a distribution with batch shape [B] and the layer's
    event shape:

        features --(affine projection)--> raw parameters --(constraints)--> p(.)

    It owns the projection. Features [B, F] are projected to the parameters of the
    whole event. Features [B, *event_shape[:-1], F], such as the image that a
    convolution leaves, are projected along the last axis alone; families whose
    elements are not independent take the first form only. With `projection=None` the
    features are the raw parameters themselves, in either form, in the order of the
    constructor of the distribution.

    Projection and parameters have the layer's variable dtype: float32 under the
    mixed policies, float64 under "float64".

    A family is a subclass that says what its raw parameters are, how they become a
    distribution and how standard noise becomes a draw.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        projection: "dense", or None to take the features as raw parameters.
            Default: "dense".
        kernel_initializer: Initialiser of the projection's kernel. Default:
            "glorot_uniform".
        bias_initializer: Initialiser of the projection's bias. Default: "zeros".
        kernel_regularizer: Regulariser of the projection's kernel. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Raises:
        ValueError: If an argument is outside what is said above, or, when called,
            if the features have neither form.
    """

    noise: ClassVar[str]
    """The noise that `transform` takes: "normal" or "uniform"."""

    support: ClassVar[str]
    """The values that have a density, in words for an error message."""

    measure: ClassVar[str] = "lebesgue"
    """What the density is one of: volume ("lebesgue"), masses of single points
    ("counting"), the area of a sphere ("sphere"), the volume of the probability simplex
    ("simplex"), or several of them ("mixed"). A divergence from a distribution over
    another one has no meaning."""

    reparameterized: ClassVar[bool] = True
    """Whether the gradient of a draw with respect to all parameters is that of the
    distribution."""

    density_inverts: ClassVar[bool] = False
    """Whether the density of a given value takes an inversion, element by element."""

    supports_jit: bool = True
    """Whether densities and draws compile under XLA. Keras compiles no step of a model
    that holds a layer of which this is not true."""

    location_is_mean: ClassVar[bool] = True
    """Whether `location` is the mean."""

    takes_data: ClassVar[bool] = False
    """Whether `observe` takes a parameter from the data: for likelihoods alone."""

    bits_per_dimension: ClassVar[bool] = False
    """Whether the bound is also reported as bits for each number of the data."""

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        projection: str | None = "dense",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        # The features are cast to the variable dtype here, not to a half precision.
        super().__init__(autocast=False, **kwargs)
        # The constructor of Keras says so of every layer.
        self.supports_jit = type(self).supports_jit
        self.event_shape = _checks.event_shape(event_shape)
        self.projection = _checks.one_of("projection", projection, ("dense", None))
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self._dense: keras.layers.Dense | None = None
        self._on_raw: Callable[[tf.Tensor], None] | None = None

    # What a family says of itself.

    @abc.abstractmethod
    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each raw parameter of one event."""

    @abc.abstractmethod
    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Parameters of the distribution from the raw parameters."""

    @abc.abstractmethod
    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        """The distribution that has these parameters."""

    @abc.abstractmethod
    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns the parameters of a distribution that this layer made.

        Args:
            q: A distribution with batch shape [*batch].

        Returns:
            Name to tensor, with the axes [*batch, ...]; without those of the batch
            where `is_shared(name)`.
        """

    @abc.abstractmethod
    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """A draw [*lead, *batch, *event] and its log density [*lead, *batch]."""

    @property
    def num_parameters(self) -> int:
        """The number of raw parameters of one event, for `projection=None`."""
        return sum(math.prod(shape) for shape in self._raw_shapes().values())

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return self.event_shape

    def _add_weights(self) -> None:
        """Makes the weights that are not the projection's."""

    def _lead(self) -> tuple[int, ...]:
        """The leading axes that image-like features share with the event."""
        return self.event_shape[:-1]

    def _count_step(self) -> None:
        """Called with each call for training, by those that follow a schedule."""

    def _in_support(self, x: Any) -> Any:
        """Which elements of a finite `x`, an array or a tensor, have a density."""
        return tf.ones_like(x, dtype=tf.bool)

    def _observe(
        self,
        q: tfd.Distribution,
        x: tf.Tensor,
        training: bool,
        sample_weight: tf.Tensor | None,
    ) -> tfd.Distribution:
        """`q`, with those parameters that are a function of the data `x`."""
        return q

    # What every layer does with it.

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the projection for features of this shape, batch axis included."""
        lead = self._lead()
        _checks.features(
            f"{type(self).__name__}({self.event_shape})", input_shape, lead
        )
        shared = 0 if len(input_shape) == 2 else len(lead)
        shapes = self._raw_shapes().values()
        self._sizes = [math.prod(shape[shared:]) for shape in shapes]
        units = sum(self._sizes)
        self._add_weights()
        if self.projection == "dense":
            self._dense = keras.layers.Dense(
                units,
                kernel_initializer=self.kernel_initializer,
                bias_initializer=self.bias_initializer,
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.variable_dtype,
                trainable=self.trainable,
                name="projection",
            )
            self._dense.build(input_shape)
        elif input_shape[-1] != units:
            raise ValueError(
                f"{type(self).__name__}({self.event_shape}, projection=None) takes "
                f"{units} raw parameters in the last axis of its features. Received "
                f"the shape {list(input_shape)}."
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={-1: input_shape[-1]}
        )
        self.built = True

    def call(self, features: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """Returns the distribution with batch shape [B] for features [B, ...]."""
        if training:
            self._count_step()
        features = tf.cast(features, self.variable_dtype)
        if self._dense is not None:
            features = self._dense(features)
        if self._on_raw is not None:
            self._on_raw(features)
        return self.from_raw(features)

    def from_raw(self, raw_parameters: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution that has these raw parameters, without projection.

        Args:
            raw_parameters: A tensor [B, P] or [B, *event_shape[:-1], P], as features
                are with `projection=None`.

        Returns:
            A distribution with batch shape [B].
        """
        parts = tf.split(raw_parameters, self._sizes, axis=-1)
        raw = {
            name: tf.reshape(part, (-1, *shape))
            for part, (name, shape) in zip(
                parts, self._raw_shapes().items(), strict=True
            )
        }
        return self._distribution(**self._constrain(raw))

    @contextlib.contextmanager
    def watch_raw(self, function: Callable[[tf.Tensor], None]) -> Iterator[None]:
        """Hands the raw parameters of each call to a function while the context lasts.

        Args:
            function: Takes what `from_raw` does.
        """
        self._on_raw = function
        try:
            yield
        finally:
            self._on_raw = None

    def compute_output_spec(
        self, features: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        """Returns a tensor of the event's shape, which stands for the distribution."""
        shape = (features.shape[0], *self.event_shape)
        return keras.KerasTensor(shape, dtype=self.variable_dtype)

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the point that stands for `q`, its mean: [*batch, *event]."""
        return q.mean()

    def stddev(self, q: tfd.Distribution) -> tf.Tensor | None:
        """Returns the standard deviations [*batch, *event], or None if unknown."""
        return q.stddev()

    def exported_parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns the parameters as exported models give them, with full precision."""
        return self.parameters(q)

    def sample_and_log_prob(
        self, q: tfd.Distribution, sample_shape: Sequence[int] = (), seed: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws from `q` and returns the density at the draws as well.

        Args:
            q: A distribution that this layer made, with batch shape [*batch].
            sample_shape: Leading axes of the result. Default: one draw.
            seed: An int, a pair of ints or an int32[2] tensor; None draws one from
                TensorFlow's global generator. Default: None.

        Returns:
            Draws [*sample_shape, *batch, *event], reparameterised where the family
            is, and log q at the draws [*sample_shape, *batch] in nats.

        Raises:
            ValueError: If `sample_shape` or `seed` is none of these.
        """
        sample_shape = _checks.sample_shape(sample_shape)
        if seed is None:
            seed = tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
        shape = tf.concat(
            [
                tf.constant(sample_shape, tf.int32, shape=[len(sample_shape)]),
                q.batch_shape_tensor(),
                tf.constant(self.noise_shape, tf.int32),
            ],
            axis=0,
        )
        noise = standard_noise(self.noise, shape, as_seed(seed), self.variable_dtype)
        return self._transform(q, noise)

    def transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns standard noise into draws from `q` and their log density.

        Args:
            q: A distribution that this layer made, with batch shape [*batch].
            noise: Standard normals or uniforms on (0, 1), as `noise` says, of the
                shape [*lead, *batch, *noise_shape].

        Returns:
            Draws [*lead, *batch, *event], and log q at the draws [*lead, *batch] in
            nats.

        Raises:
            ValueError: If the noise has another shape.
        """
        noise = tf.cast(noise, self.variable_dtype)
        expected = q.batch_shape.concatenate(self.noise_shape)
        if expected.rank is not None:
            _checks.ends_with("noise", noise.shape, expected.as_list())
        return self._transform(q, noise)

    def detach(self, q: tfd.Distribution) -> tfd.Distribution:
        """Returns `q` with no gradient through its parameters."""
        return self._map(q, lambda _, value: tf.stop_gradient(value))

    def with_batch_shape(
        self, q: tfd.Distribution, batch_shape: Sequence[Any]
    ) -> tfd.Distribution:
        """Returns `q`, whose batch shape is [N], with another shape of N elements."""

        def unfold(name: str, parameter: tf.Tensor) -> tf.Tensor:
            if self.is_shared(name):
                return parameter
            return tf.reshape(parameter, (*batch_shape, *parameter.shape[1:]))

        return self._map(q, unfold)

    def is_shared(self, name: str) -> bool:
        """Returns whether the parameter of this name is one for the whole batch."""
        return name not in self._raw_shapes()

    def observe(
        self,
        q: tfd.Distribution,
        x: tf.Tensor,
        training: bool = False,
        sample_weight: tf.Tensor | None = None,
    ) -> tfd.Distribution:
        """Returns `q` as it is once the data are known.

        A family that takes a parameter from the data (an optimal scale, an observed
        total) puts it in here; the others return `q` itself.

        Args:
            q: A distribution that this layer made, with batch shape [*lead, B].
            x: The data [B, *event].
            training: Whether what was found is kept, for use without data.
                Default: False.
            sample_weight: What each example counts for in what is found, [B], or None
                for one each. Default: None.

        Returns:
            The distribution whose log density at `x` is meant.
        """
        return self._observe(q, x, training, sample_weight)

    def unsupported(self, x: Any) -> Any:
        """Returns which elements of `x` are not finite or have no density.

        Comparisons of an array are left to NumPy, which need not copy it for them.
        """
        if not isinstance(x, np.ndarray):
            x = tf.convert_to_tensor(x)
        inside = self._in_support(x)
        if not tf.as_dtype(x.dtype).is_floating:
            return ~inside
        is_finite = np.isfinite if isinstance(x, np.ndarray) else tf.math.is_finite
        return ~(is_finite(x) & inside)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "event_shape": self.event_shape,
            "projection": self.projection,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _map(self, q: tfd.Distribution, function: Any) -> tfd.Distribution:
        parameters = self.parameters(q).items()
        mapped = {name: function(name, value) for name, value in parameters}
        return self._distribution(**mapped)

    def __repr__(self) -> str:
        """Returns the class, its event shape and its name."""
        return (
            f"<{type(self).__name__} event_shape={self.event_shape} name={self.name}>"
        )
