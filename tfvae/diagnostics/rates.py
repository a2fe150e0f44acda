"""What z costs, and what x costs once z is known."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfvae import _checks
from tfvae._math import fold_in
from tfvae.diagnostics.encoding import BATCH, batches
from tfvae.objectives import ELBO
from tfvae.vae import VAE

__all__ = [
    "RateDistortion",
    "RateDistortionCurve",
    "rate_distortion",
    "rate_distortion_curve",
]


@dataclasses.dataclass(frozen=True, eq=False)
class RateDistortion:
    """The two costs of an example, means over the data in nats.

    Attributes:
        rate: E_x KL(q(z|x) || p(z)).
        distortion: -E_x E_q[log p(x|z)].
        elbo: -(rate + distortion).
    """

    rate: float
    distortion: float
    elbo: float


@dataclasses.dataclass(frozen=True, eq=False)
class RateDistortionCurve:
    """The costs of one model for each beta, float64 [K], nats.

    Attributes:
        betas: The weight of the KL in training.
        rate: E_x KL(q(z|x) || p(z)).
        distortion: -E_x E_q[log p(x|z)].
        elbo: -(rate + distortion), the proper ELBO whatever beta is.
    """

    betas: np.ndarray
    rate: np.ndarray
    distortion: np.ndarray
    elbo: np.ndarray


def rate_distortion(
    vae: VAE, x: Any, num_samples: int = 1, seed: Any = None
) -> RateDistortion:
    """Measures how many nats z carries, and how many x takes beyond.

        rate = E_x KL(q(z|x) || p(z)),   distortion = -E_x E_q(z|x)[log p(x|z)],
        ELBO = -(rate + distortion)

    Models of one ELBO may spend it quite differently: a rate of zero is a collapsed
    posterior, a distortion of zero an autoencoder.

    Args:
        vae: The model.
        x: Data [N, *event] in the support of the likelihood.
        num_samples: Number S of draws of z for each example. Default: 1.
        seed: A non-negative int, a pair of ints or an int32[2] tensor that fixes the
            draws, or None to take the next draws of the model. Default: None.

    Returns:
        The `RateDistortion`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> result = diagnostics.rate_distortion(vae, np.ones((8, 4)))
    >>> result.elbo == -(result.rate + result.distortion)
    True

    Reference: Alemi et al., "Fixing a broken ELBO", 2018,
    https://arxiv.org/abs/1711.00464.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    base = vae._seed(seed)
    rates, distortions = [], []
    parts = batches(vae, x, max(1, BATCH // num_samples), support=True)
    for index, part in enumerate(parts):
        terms = vae.terms(part, num_samples, fold_in(base, index))
        rates.append(terms.kl().numpy())
        distortions.append(-terms.reconstruction.numpy())
    rate, distortion = (
        float(np.concatenate(values).astype(np.float64).mean())
        for values in (rates, distortions)
    )
    return RateDistortion(rate, distortion, -(rate + distortion))


def rate_distortion_curve(
    make_vae: Callable[[], VAE],
    x: Any,
    betas: Sequence[float],
    *,
    x_test: Any = None,
    make_optimizer: Callable[[], keras.optimizers.Optimizer] = keras.optimizers.Adam,
    num_samples: int = 1,
    seed: Any = None,
    **fit: Any,
) -> RateDistortionCurve:
    """Trains one model for each beta and measures its rate and distortion.

        maximise  E_q(z|x)[log p(x|z)] - beta KL(q(z|x) || p(z))

    Large betas buy a low rate with distortion, small ones the reverse; the curve is
    what this family of models can do at all.

    Args:
        make_vae: A function that returns a new, untrained model at each call.
        x: Training data, as `VAE.fit` takes them.
        betas: The weights of the KL, K non-negative numbers.
        x_test: Data [N, *event] to measure on, or None for `x`, which must be such an
            array then. Default: None.
        make_optimizer: A function that returns a new optimizer at each call. Default:
            `keras.optimizers.Adam`.
        num_samples: Number S of draws for each example, in the measurement.
            Default: 1.
        seed: As in `rate_distortion`. Default: None.
        **fit: Arguments of `VAE.fit`, such as `epochs` and `batch_size`; `verbose` is
            0 unless given.

    Returns:
        The `RateDistortionCurve`, in the order of `betas`.

    Raises:
        ValueError: If an argument is none of these, or `make_vae` returns a model
            that it returned before.

    Example:
    >>> from tfvae import diagnostics
    >>> def make_vae():
    ...     encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    ...     decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    ...     return tfvae.VAE(encoder, decoder)
    >>> x = np.ones((32, 4), "float32")
    >>> curve = diagnostics.rate_distortion_curve(make_vae, x, [0.5, 2.0], epochs=1)
    >>> curve.rate.shape
    (2,)

    Reference: Alemi et al., "Fixing a broken ELBO", 2018,
    https://arxiv.org/abs/1711.00464.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    objectives = [ELBO(beta=beta) for beta in betas]
    if not objectives:
        raise ValueError("`betas` must hold at least one number. Received none.")
    measured_on = x if x_test is None else x_test
    results: list[RateDistortion] = []
    made: list[VAE] = []
    for objective in objectives:
        vae = make_vae()
        if any(vae is other for other in made):
            raise ValueError(
                "`make_vae` must return a new model at each call. Received the same "
                "model twice."
            )
        made.append(vae)
        batches(vae, measured_on, BATCH, support=True)
        vae.compile(make_optimizer(), objective)
        vae.fit(x, **({"verbose": 0} | fit))
        results.append(rate_distortion(vae, measured_on, num_samples, seed))
    return RateDistortionCurve(
        betas=np.asarray(betas, np.float64),
        rate=np.array([result.rate for result in results]),
        distortion=np.array([result.distortion for result in results]),
        elbo=np.array([result.elbo for result in results]),
    )
