"""A prior that is any distribution without variables."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

import tfvae.distributions
from tfvae.priors.base import Prior

__all__ = ["Fixed"]


@keras.saving.register_keras_serializable("tfvae")
class Fixed(Prior):
    """A prior that never changes: any `tfd.Distribution` made of numbers alone.

    The class of the distribution and its parameters are saved with the model, so it
    may hold no variables (use a trainable prior) and no functions (they cannot be
    saved safely).

    Args:
        distribution: A distribution over z, with batch shape [].
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the distribution holds a variable or a function, is of a class
            outside TensorFlow Probability and tfvae, or has a batch shape.

    Example:
    >>> gaussian = tfp.distributions.MultivariateNormalDiag([0.0, 0.0], [1.0, 2.0])
    >>> prior = tfvae.priors.Fixed(gaussian)
    >>> prior.event_shape
    (2,)
    """

    def __init__(self, distribution: tfd.Distribution, **kwargs: Any) -> None:
        if not isinstance(distribution, tfd.Distribution):
            raise ValueError(
                "`distribution` must be a tfd.Distribution. "
                f"Received: {type(distribution).__name__}."
            )
        self._encoded = _encode("distribution", distribution)
        shape = distribution.event_shape
        if not isinstance(shape, tf.TensorShape):
            raise ValueError(
                f"`distribution` must be over one tensor. Received: {distribution}."
            )
        if distribution.batch_shape != ():
            raise ValueError(
                "`distribution` must have the batch shape []; put it inside "
                "tfd.Independent to make its batch axes part of the event. "
                f"Received: {distribution}."
            )
        if not shape.rank:
            raise ValueError(
                "`distribution` must have at least one event axis; put a scalar one "
                f"inside tfd.Sample. Received: {distribution}."
            )
        super().__init__(tuple(shape), **kwargs)
        self._distribution = distribution
        self._noise = self._find_noise()

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z) that was given."""
        return self._distribution

    @property
    def measure(self) -> str:  # type: ignore[override]
        """What the density is one of, as far as the class of the distribution says."""
        return _measure(self._distribution)

    @property
    def noise(self) -> str | None:
        """What `transform` takes: "normal" for Gaussians, "uniform" for quantiles."""
        return self._noise

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns standard noise [*lead, *event] into draws z of the same shape."""
        p = self._distribution
        noise = tf.cast(noise, p.dtype)
        if self.noise == "uniform":
            return self._elements.quantile(noise)
        if isinstance(p, tfd.MultivariateNormalTriL):
            return p.mean() + tf.linalg.matvec(p.scale.to_dense(), noise)
        return p.mean() + p.stddev() * noise

    def _find_noise(self) -> str | None:
        elements = self._elements
        if isinstance(self._distribution, _GAUSSIANS) or isinstance(
            elements, tfd.Normal
        ):
            return "normal"
        if elements is None:
            return None
        # TensorFlow Probability has no other way to ask for a quantile than to try.
        try:
            elements.quantile(0.5)
        except NotImplementedError:
            return None
        return "uniform"

    @property
    def _elements(self) -> Any:
        if isinstance(self._distribution, tfd.Independent | tfd.Sample):
            return self._distribution.distribution
        return None

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, numbers and names alone."""
        config = super().get_config() | {"distribution": self._encoded}
        del config["event_shape"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Fixed":
        """Makes the prior again from `get_config()`.

        Raises:
            ValueError: If the config is damaged, or names a class that is no
                distribution or bijector of TensorFlow Probability or tfvae.
        """
        try:
            distribution = _decode(config["distribution"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"The saved distribution of a fixed prior is damaged: {error!r}."
            ) from error
        return cls(**config | {"distribution": distribution})


def _measure(p: Any) -> str:
    if isinstance(p, tfvae.distributions.Columns):
        parts = p.distributions
    elif isinstance(p, tfd.Mixture):
        parts = p.components
    elif isinstance(p, tfd.MixtureSameFamily):
        parts = [p.components_distribution]
    elif isinstance(p, _WRAPPERS):
        parts = [p.distribution]
    else:
        named = (name for name, kinds in _MEASURES.items() if isinstance(p, kinds))
        return next(named, "lebesgue")
    measures = set(map(_measure, parts))
    return measures.pop() if len(measures) == 1 else "mixed"


_WRAPPERS = (
    tfd.Independent,
    tfd.Masked,
    tfd.Sample,
    tfd.BatchReshape,
    tfd.BatchBroadcast,
)

_MEASURES = {
    "sphere": (tfd.VonMisesFisher, tfd.SphericalUniform, tfd.PowerSpherical),
    "simplex": (
        tfd.RelaxedOneHotCategorical,
        tfd.Dirichlet,
        tfvae.distributions.RelaxedOneHotCategorical,
    ),
    "counting": (
        tfd.Bernoulli,
        tfd.BetaBinomial,
        tfd.Binomial,
        tfd.Categorical,
        tfd.Deterministic,
        tfd.DirichletMultinomial,
        tfd.FiniteDiscrete,
        tfd.Geometric,
        tfd.Multinomial,
        tfd.NegativeBinomial,
        tfd.OneHotCategorical,
        tfd.Poisson,
        tfd.QuantizedDistribution,
        tfd.Skellam,
        tfd.Zipf,
        tfvae.distributions.Binomial,
        tfvae.distributions.DiscretizedLogistic,
        tfvae.distributions.DiscretizedLogisticMixture,
        tfvae.distributions.ZeroInflatedNegativeBinomial,
        tfvae.distributions.ZeroInflatedPoisson,
    ),
}

_GAUSSIANS = (tfd.MultivariateNormalDiag, tfd.MultivariateNormalTriL)

_LIBRARIES = {
    "tfvae": tfvae.distributions,
    "tfd": tfp.distributions,
    "tfb": tfp.bijectors,
}
"""Where the classes may come from: nothing else is ever made from a saved file."""

_HOMES = ("tensorflow_probability", "tfvae")

_KINDS = (tfd.Distribution, tfp.bijectors.Bijector)


def _encode(name: str, value: Any) -> Any:
    """Turns a parameter into names and numbers, or refuses it by its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tf.Variable | keras.Variable):
        raise ValueError(
            f"`{name}` holds a variable, and a fixed prior does not change. Use a "
            "trainable prior of tfvae.priors, or pass a constant."
        )
    if isinstance(value, _KINDS):
        kind = type(value).__name__.lstrip("_")
        home = type(value).__module__.split(".")[0]
        for library, module in _LIBRARIES.items():
            owner = getattr(module, kind, None)
            if owner is None or not isinstance(value, owner) or home not in _HOMES:
                continue
            defaults = inspect.signature(owner.__init__).parameters
            parameters = {
                key: _encode(f"{name}.{key}", part)
                for key, part in value.parameters.items()
                if key not in defaults or part is not defaults[key].default
            }
            return {"library": library, "class": kind, "parameters": parameters}
    elif isinstance(value, tf.DType):
        return {"dtype": value.name}
    elif isinstance(value, tf.TensorShape):
        return {"items": value.as_list()}
    elif isinstance(value, tf.Tensor | np.ndarray | np.generic):
        array = np.asarray(value)
        return {"tensor": array.tolist(), "dtype": array.dtype.name}
    elif isinstance(value, list | tuple):
        return {"items": [_encode(f"{name}[{i}]", v) for i, v in enumerate(value)]}
    function = callable(value) and not isinstance(value, _KINDS)
    what = "a function" if function else f"a {type(value).__name__}"
    raise ValueError(
        f"`{name}` holds {what}, which cannot be saved with the model. A fixed prior "
        "is made of distributions and bijectors of TensorFlow Probability and numbers."
    )


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "class" in value:
        cls = getattr(_LIBRARIES.get(value["library"]), value["class"], None)
        if not isinstance(cls, type) or not issubclass(cls, _KINDS):
            raise ValueError(
                f"A fixed prior was saved with {value['class']!r} of "
                f"{value['library']!r}, which is no distribution or bijector of "
                "TensorFlow Probability or tfvae, and is not made from a file."
            )
        return cls(**{key: _decode(v) for key, v in value["parameters"].items()})
    if "tensor" in value:
        return tf.constant(value["tensor"], tf.as_dtype(value["dtype"]))
    if "items" in value:
        return [_decode(item) for item in value["items"]]
    return tf.as_dtype(value["dtype"])
