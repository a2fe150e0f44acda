"""Papers as combinations of likelihood, posterior, prior and objective.

Each function takes an encoder and a decoder and returns a `tfvae.VAE` that is compiled
with the objective of its paper, ready for `fit`. What else they did (the networks, the
optimizer, the data) is left to the user. Weights are numbers or schedules, as those of
the objectives are.
"""

from typing import Any

import keras

from tfvae import _checks, schedules
from tfvae.layers import Normal
from tfvae.objectives import (
    DIP,
    ELBO,
    GECO,
    Capacity,
    CombinedImportanceWeighted,
    ImportanceWeighted,
    MaximumMeanDiscrepancy,
    MultiplyImportanceWeighted,
    Objective,
    PartiallyImportanceWeighted,
    Reconstruction,
    Renyi,
    TotalCorrelation,
)
from tfvae.objectives.weights import Weight
from tfvae.priors import VampPrior
from tfvae.vae import VAE

__all__ = [
    "beta_tc_vae",
    "beta_vae",
    "capacity_vae",
    "ciwae",
    "cyclical_vae",
    "dip_vae",
    "free_nats_vae",
    "geco_vae",
    "info_vae",
    "iwae",
    "miwae",
    "piwae",
    "renyi_vae",
    "sigma_vae",
    "vae",
    "vamp_vae",
    "wae",
    "warm_up_vae",
]


def vae(encoder: keras.Model, decoder: keras.Model, **options: Any) -> VAE:
    """Returns a VAE that maximises the ELBO.

    Args:
        encoder: A Keras model from x to q(z|x), as in `tfvae.VAE`.
        decoder: A Keras model from z to p(x|z), as in `tfvae.VAE`.
        **options: `prior` and `seed` of `tfvae.VAE`, and `optimizer`, `jit_compile` and
            the other arguments of its `compile`; like the rest of this module.

    Returns:
        A compiled `tfvae.VAE`.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> model = tfvae.recipes.vae(encoder, decoder, seed=0, optimizer="adam")
    >>> history = model.fit(np.ones((8, 4), "float32"), verbose=0)

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114.
    """
    return _compiled(encoder, decoder, ELBO(), options)


def beta_vae(
    encoder: keras.Model, decoder: keras.Model, beta: Weight = 4.0, **options: Any
) -> VAE:
    """Returns a VAE whose KL counts `beta` times.

    Reference: Higgins et al., "beta-VAE", 2017,
    https://openreview.net/forum?id=Sy2fzU9gl.
    """
    return _compiled(encoder, decoder, ELBO(beta=beta), options)


def warm_up_vae(
    encoder: keras.Model, decoder: keras.Model, num_steps: int, **options: Any
) -> VAE:
    """Returns a VAE whose KL comes in along a line over `num_steps` updates.

    Reference: Bowman et al., "Generating sentences from a continuous space", 2016,
    https://arxiv.org/abs/1511.06349.
    """
    beta = schedules.Linear(num_steps)
    return _compiled(encoder, decoder, ELBO(beta=beta), options)


def cyclical_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    period: int,
    num_cycles: int = 4,
    rise: float = 0.5,
    **options: Any,
) -> VAE:
    """Returns a VAE whose KL comes in again and again: `tfvae.schedules.Cyclical`.

    Reference: Fu et al., "Cyclical annealing schedule", 2019,
    https://arxiv.org/abs/1903.10145.
    """
    beta = schedules.Cyclical(period, num_cycles, rise)
    return _compiled(encoder, decoder, ELBO(beta=beta), options)


def free_nats_vae(
    encoder: keras.Model, decoder: keras.Model, free_nats: Weight, **options: Any
) -> VAE:
    """Returns a VAE whose KL has no gradient below `free_nats` in an example.

    Reference: Kingma et al., "Improved variational inference with inverse
    autoregressive flow", 2016, https://arxiv.org/abs/1606.04934, which applies it to
    the mean over a minibatch of the KL of each group of latents.
    """
    return _compiled(encoder, decoder, ELBO(free_nats=free_nats), options)


def capacity_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    capacity: float,
    num_steps: int,
    weight: Weight = 1000.0,
    **options: Any,
) -> VAE:
    """Returns a VAE whose KL is held at a target that rises to `capacity` nats.

    Reference: Burgess et al., "Understanding disentangling in beta-VAE", 2018,
    https://arxiv.org/abs/1804.03599.
    """
    target = schedules.Linear(num_steps, 0.0, capacity)
    objective = Reconstruction(penalties=[Capacity(weight, target)])
    return _compiled(encoder, decoder, objective, options)


def geco_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    target: float,
    rate: float = 1e-3,
    **options: Any,
) -> VAE:
    """Returns a VAE with the smallest KL at which log p(x|z) reaches `target` nats.

    Reference: Rezende and Viola, "Taming VAEs", 2018, https://arxiv.org/abs/1810.00597.
    """
    objective = ELBO(penalties=[GECO(target, rate)])
    return _compiled(encoder, decoder, objective, options)


def iwae(
    encoder: keras.Model,
    decoder: keras.Model,
    num_samples: int = 50,
    gradient: str = "reparameterized",
    **options: Any,
) -> VAE:
    """Returns an importance-weighted autoencoder; `gradient="dreg"` trains it better.

    References: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519; Tucker et al., "Doubly reparameterized
    gradient estimators for Monte Carlo objectives", 2019,
    https://arxiv.org/abs/1810.04152.
    """
    objective = ImportanceWeighted(num_samples, gradient)
    return _compiled(encoder, decoder, objective, options)


def miwae(
    encoder: keras.Model,
    decoder: keras.Model,
    num_groups: int = 8,
    num_samples: int = 8,
    **options: Any,
) -> VAE:
    """Returns a multiply importance-weighted autoencoder.

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """
    objective = MultiplyImportanceWeighted(num_groups, num_samples)
    return _compiled(encoder, decoder, objective, options)


def piwae(
    encoder: keras.Model,
    decoder: keras.Model,
    num_groups: int = 8,
    num_samples: int = 8,
    **options: Any,
) -> VAE:
    """Returns a partially importance-weighted autoencoder.

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """
    objective = PartiallyImportanceWeighted(num_groups, num_samples)
    return _compiled(encoder, decoder, objective, options)


def ciwae(
    encoder: keras.Model,
    decoder: keras.Model,
    beta: Weight = 0.5,
    num_samples: int = 64,
    **options: Any,
) -> VAE:
    """Returns a combined importance-weighted autoencoder.

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """
    objective = CombinedImportanceWeighted(beta, num_samples)
    return _compiled(encoder, decoder, objective, options)


def renyi_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    alpha: float = 0.5,
    num_samples: int = 50,
    **options: Any,
) -> VAE:
    """Returns a VAE that maximises the variational Renyi bound.

    Reference: Li and Turner, "Renyi divergence variational inference", 2016,
    https://arxiv.org/abs/1602.02311.
    """
    return _compiled(encoder, decoder, Renyi(alpha, num_samples), options)


def beta_tc_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    beta: Weight = 6.0,
    estimator: str = "stratified",
    dataset_size: int | None = None,
    **options: Any,
) -> VAE:
    """Returns a VAE whose total correlation counts `beta` times, at least once.

    Raises:
        ValueError: If an argument is none of these.

    Reference: Chen et al., "Isolating sources of disentanglement in variational
    autoencoders", 2018, https://arxiv.org/abs/1802.04942.
    """
    if not callable(beta) and _checks.finite_number("beta", beta) < 1:
        raise ValueError(f"`beta` must be at least 1. Received: {beta!r}.")
    weight = _affine(beta, constant=-1.0)
    penalty = TotalCorrelation(weight, estimator, dataset_size)
    return _compiled(encoder, decoder, ELBO(penalties=[penalty]), options)


def dip_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    kind: str = "I",
    off_diagonal: Weight = 10.0,
    diagonal: Weight | None = None,
    **options: Any,
) -> VAE:
    """Returns a VAE whose latents are drawn to the identity covariance.

    Reference: Kumar, Sattigeri and Balakrishnan, "Variational inference of disentangled
    latent concepts from unlabeled observations", 2018,
    https://arxiv.org/abs/1711.00848.
    """
    penalty = DIP(1.0, kind, off_diagonal, diagonal)
    return _compiled(encoder, decoder, ELBO(penalties=[penalty]), options)


def info_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    alpha: float = 0.0,
    scale: Weight = 1000.0,
    kernel: str = "rbf",
    **options: Any,
) -> VAE:
    """Returns an InfoVAE, whose KL counts 1 - alpha and MMD^2 alpha + lambda - 1.

    `scale` is the lambda of the paper, and alpha + lambda at least 1; alpha = 1 is its
    MMD-VAE.

    Raises:
        ValueError: If `alpha` is no number of at most 1, or an argument is none of
            these.

    Reference: Zhao, Song and Ermon, "InfoVAE", 2019, https://arxiv.org/abs/1706.02262.
    """
    if _checks.finite_number("alpha", alpha) > 1:
        raise ValueError(f"`alpha` must be at most 1. Received: {alpha!r}.")
    if not callable(scale) and alpha + _checks.finite_number("scale", scale) < 1:
        raise ValueError(
            f"`scale` must be at least 1 - alpha = {1 - alpha:g}. Received: {scale!r}."
        )
    penalty = MaximumMeanDiscrepancy(_affine(scale, constant=alpha - 1), kernel)
    objective = ELBO(beta=1 - alpha, penalties=[penalty])
    return _compiled(encoder, decoder, objective, options)


def wae(
    encoder: keras.Model,
    decoder: keras.Model,
    weight: Weight = 10.0,
    kernel: str = "imq",
    **options: Any,
) -> VAE:
    """Returns a Wasserstein autoencoder: reconstruction, and MMD^2 to the prior.

    Reference: Tolstikhin et al., "Wasserstein auto-encoders", 2018,
    https://arxiv.org/abs/1711.01558.
    """
    penalty = MaximumMeanDiscrepancy(weight, kernel)
    objective = Reconstruction(penalties=[penalty])
    return _compiled(encoder, decoder, objective, options)


def vamp_vae(
    encoder: keras.Model,
    decoder: keras.Model,
    num_pseudo_inputs: int = 500,
    **options: Any,
) -> VAE:
    """Returns a VAE with a VampPrior; `model.prior_layer.adapt(x)` starts it at data.

    Raises:
        ValueError: If another `prior` is given.

    Reference: Tomczak and Welling, "VAE with a VampPrior", 2018,
    https://arxiv.org/abs/1705.07120.
    """
    if "prior" in options:
        raise ValueError(
            "vamp_vae() takes no `prior`: it makes a tfvae.priors.VampPrior. "
            f"Received: {options['prior']!r}."
        )
    prior = VampPrior(encoder, num_pseudo_inputs)
    return _compiled(encoder, decoder, ELBO(), options | {"prior": prior})


def sigma_vae(encoder: keras.Model, decoder: keras.Model, **options: Any) -> VAE:
    """Returns a VAE whose normal likelihood has the scale that fits best.

    The decoder must end in `tfvae.layers.Normal(event_shape, scale="optimal")`, or
    with the trained scale of `scale="shared"`.

    Raises:
        ValueError: If the decoder ends in another layer.

    Reference: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with
    calibrated decoders", 2021, https://arxiv.org/abs/2006.13202.
    """
    model = _compiled(encoder, decoder, ELBO(), options)
    layer = model.likelihood_layer
    if not isinstance(layer, Normal) or layer.scale not in ("optimal", "shared"):
        raise ValueError(
            "`decoder` must end in tfvae.layers.Normal(event_shape, "
            f'scale="optimal"). Received: {layer!r}.'
        )
    return model


def _affine(weight: Weight, constant: float) -> Weight:
    """A number or a schedule, and a constant on top of it."""
    if callable(weight):
        return schedules.Affine(weight, constant=constant)
    return weight + constant


def _compiled(
    encoder: keras.Model,
    decoder: keras.Model,
    objective: Objective,
    options: dict[str, Any],
) -> VAE:
    """A model with the options that are its own, compiled with all others."""
    if "objective" in options:
        raise ValueError(
            "Each recipe brings its own `objective`; for another one compile a "
            f"tfvae.VAE with it. Received: {options['objective']!r}."
        )
    own = {name: options.pop(name) for name in ("prior", "seed") if name in options}
    model = VAE(encoder, decoder, **own)
    model.compile(objective=objective, **options)
    return model
