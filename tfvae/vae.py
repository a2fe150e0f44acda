"""The variational autoencoder."""

import functools
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks, _data, _passes
from tfvae._math import as_seed
from tfvae._model import ObjectiveModel
from tfvae._parts import as_prior, check_parts, check_seed
from tfvae.distributions import kl_method
from tfvae.evidence import Marginal
from tfvae.layers import DistributionLayer, distribution_layer
from tfvae.objectives import Terms
from tfvae.priors import Prior

__all__ = ["VAE"]

_in_graph = functools.partial(tf.function, autograph=False, reduce_retracing=True)


@keras.saving.register_keras_serializable("tfvae")
class VAE(ObjectiveModel):
    """A variational autoencoder: a density p(x) fitted by maximising a lower bound.

        p(x) = integral of p(x|z) p(z) dz
        log p(x) = ELBO(x) + KL(q(z|x) || p(z|x))
        ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))

    Training, evaluation, callbacks and saving are those of `keras.Model`. The data
    are `x` alone. Logs hold `loss`, which is minimised, and `elbo`, `reconstruction`
    and `kl` in nats per example; an objective other than the ELBO adds `bound`, and a
    likelihood of 8-bit images `bits_per_dimension`, which is -elbo in bits over the
    number of elements of x.

    Args:
        encoder: A Keras model from x [B, *event] to the posterior q(z|x), ending in a
            layer of `tfvae.layers`.
        decoder: A Keras model from z [B, *latent] to the likelihood p(x|z), ending in
            a layer of `tfvae.layers`.
        prior: A `tfvae.priors.Prior`, a `tfd.Distribution` over z without variables,
            or None for a standard normal (the uniform distribution for z on a
            sphere). Default: None.
        seed: A non-negative int that fixes the model's noise, or None for one drawn
            at random (which `keras.utils.set_random_seed` fixes in turn). Weights and
            shuffling follow `keras.utils.set_random_seed` alone. Default: None.
        **kwargs: Arguments of `keras.Model`, such as `name`.

    Attributes:
        encoder: As given.
        decoder: As given.
        prior_layer: The `tfvae.priors.Prior`, whose distribution `prior` is.

    Raises:
        ValueError: If a model does not end in a distribution layer, the shapes or
            dtypes of the parts do not fit, or the prior is none of the above.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder, seed=0)
    >>> vae.compile(optimizer="adam")
    >>> history = vae.fit(np.ones((32, 4), "float32"), verbose=0)
    >>> sorted(history.history)
    ['elbo', 'kl', 'loss', 'reconstruction']

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: Prior | tfd.Distribution | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        seed = check_seed(seed)
        posterior_layer = distribution_layer("encoder", encoder)
        likelihood_layer = distribution_layer("decoder", decoder)
        check_parts(encoder, decoder, posterior_layer, likelihood_layer)
        prior_layer = as_prior(prior, posterior_layer, encoder)
        super().__init__(seed, likelihood_layer.variable_dtype, **kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.prior_layer = prior_layer
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuses to exchange a part: graphs that were compiled hold the old one."""
        if name in ("encoder", "decoder", "prior_layer") and hasattr(self, name):
            raise AttributeError(
                f"`{name}` cannot be exchanged. Make a new model: tfvae.VAE(encoder, "
                "decoder, prior)."
            )
        super().__setattr__(name, value)

    # The distributions.

    @property
    def prior(self) -> tfd.Distribution:
        """The prior p(z), batch shape []."""
        return self.prior_layer.distribution

    @property
    def posterior_layer(self) -> DistributionLayer:
        """The layer that makes q(z|x) at the end of the encoder."""
        return distribution_layer("encoder", self.encoder)

    @property
    def likelihood_layer(self) -> DistributionLayer:
        """The layer that makes p(x|z) at the end of the decoder."""
        return distribution_layer("decoder", self.decoder)

    @property
    def kl_method(self) -> str:
        """How KL(q(z|x) || p(z)) is computed: "analytic" or "monte_carlo"."""
        x = np.zeros((1, *self.likelihood_layer.event_shape), self.dtype)
        return kl_method(self.encoder(x, training=False), self.prior)

    def encode(self, x: Any) -> tfd.Distribution:
        """Returns the posterior q(z|x), batch shape [B], of data x [B, *event]."""
        x = self._check(x, support=False)
        if not _is_called_alone():
            return self.encoder(x, training=False)
        # A graph runs the network in a tenth of the time of a call of Keras.
        return self.posterior_layer.from_raw(self._raw_posterior(x))

    def decode(self, z: Any) -> tfd.Distribution:
        """Returns the likelihood p(x|z) of latents z.

        Args:
            z: A tensor [*lead, *latent] with any leading axes.

        Returns:
            A distribution with the batch shape [*lead] and the event shape of x.
        """
        return self._decode(tf.convert_to_tensor(z))

    def call(self, x: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """Returns p(x|z), batch shape [B], at one draw z ~ q(z|x) for each example."""
        x = self._check(x, support=False)
        q = self.encoder(x, training=training)
        z, _ = self.posterior_layer.sample_and_log_prob(q, (), self.noise.for_call())
        return self._decode(z, training=training)

    def joint(self) -> tfd.JointDistributionNamed:
        """Returns the joint density p(x, z) = p(z) p(x|z) over "z" and "x".

        Example:
        >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
        >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
        >>> joint = tfvae.VAE(encoder, decoder).joint()
        >>> joint.log_prob(joint.sample(3)).shape
        TensorShape([3])
        """
        # A plain function: the names of its arguments are the names of the parents.
        return tfd.JointDistributionNamed(
            {"z": self.prior, "x": lambda z: self.decode(z)}
        )

    def marginal(self, num_samples: int = 1000) -> Marginal:
        """Returns the density p(x) with `sample` and `log_prob`.

        Args:
            num_samples: Number S of draws of z in its `log_prob`. Default: 1000.

        Returns:
            A `tfvae.evidence.Marginal` with batch shape [] and the event shape of x.
        """
        return Marginal(self, num_samples)

    # What is known of p(x).

    def terms(
        self,
        x: Any,
        num_samples: int = 1,
        seed: Any = None,
        training: bool = False,
        sample_weight: tf.Tensor | None = None,
        pathwise: bool = True,
    ) -> Terms:
        """Returns the terms of log p(x) at draws of z, for a batch of data.

        Args:
            x: Data [B, *event] in the support of the likelihood.
            num_samples: Number S of draws z ~ q(z|x) for each example. Default: 1.
            seed: As in `log_prob`. Default: None.
            training: Whether the two networks are called for training.
            sample_weight: What examples count for, [B], in penalties and where the
                likelihood takes a parameter from the data. Default: one each.
            pathwise: Whether gradients flow through the draws. Default: True.

        Returns:
            The `tfvae.objectives.Terms`, with axes [S, B].
        """
        x = self._check(x)
        q = self.encoder(x, training=training)
        z, log_q = self.posterior_layer.sample_and_log_prob(
            q, (num_samples,), self._seed(seed)
        )
        if not pathwise:
            z = tf.stop_gradient(z)
            log_q = q.log_prob(z)
        return self.terms_at(x, q, z, log_q, training, sample_weight, pathwise)

    def terms_at(
        self,
        x: tf.Tensor,
        posterior: tfd.Distribution,
        z: tf.Tensor,
        log_posterior: tf.Tensor,
        training: bool = False,
        sample_weight: tf.Tensor | None = None,
        pathwise: bool = True,
    ) -> Terms:
        """Returns the terms of log p(x) at draws z [S, B, *latent] already made."""
        layer = self.likelihood_layer
        likelihood = self._decode(z, training=training)
        return Terms(
            x=x,
            z=z,
            log_posterior=log_posterior,
            posterior=posterior,
            likelihood=layer.observe(likelihood, x, training, sample_weight),
            prior=self.prior,
            posterior_layer=self.posterior_layer,
            likelihood_layer=layer,
            sample_weight=sample_weight,
            pathwise=pathwise,
        )

    def elbo(self, x: Any, num_samples: int = 1, seed: Any = None) -> tf.Tensor:
        """Returns the evidence lower bound of each example.

            ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x)

        The expectation is the mean over draws, taken a few at a time as in
        `log_prob`; the KL has its closed form where one is registered.

        Args:
            x: Data [B, *event] in the support of the likelihood.
            num_samples: Number S of draws of z. Default: 1.
            seed: As in `log_prob`. Default: None.

        Returns:
            A tensor [B] in nats.

        Raises:
            ValueError: If `x` is not such data.
        """
        num_samples = _checks.positive_int("num_samples", num_samples)
        return self._elbo(self._check(x), num_samples, self._seed(seed))

    def log_prob(self, x: Any, num_samples: int = 1000, seed: Any = None) -> tf.Tensor:
        """Returns the importance-weighted estimate of log p(x) of each example.

            log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x),   z_s ~ q(z|x)

        In expectation it is a lower bound on log p(x) that is never below the ELBO
        and rises to log p(x) with S. Samples and examples are taken a few at a time,
        so memory grows with neither: a pass is as large as the widest layer of the
        decoder allows. The draws of an example are the same however many follow.

        Args:
            x: Data [B, *event] in the support of the likelihood.
            num_samples: Number S of draws of z. Default: 1000.
            seed: A non-negative int, a pair of ints or an int32[2] tensor that fixes
                the draws, or None to take the next draws of the model. Default: None.

        Returns:
            A tensor [B] in nats.

        Raises:
            ValueError: If `x` is not such data.

        Reference: Burda, Grosse and Salakhutdinov, "Importance weighted
        autoencoders", 2016, https://arxiv.org/abs/1509.00519.
        """
        num_samples = _checks.positive_int("num_samples", num_samples)
        return self._log_prob(self._check(x), num_samples, self._seed(seed))

    def sample(
        self, num_samples: int = 1, seed: Any = None, mean: bool = False
    ) -> np.ndarray:
        """Draws from p(x): first z ~ p(z), then x ~ p(x|z).

        Args:
            num_samples: Number of draws. Default: 1.
            seed: As in `log_prob`. Default: None.
            mean: Whether to return E[x|z] in place of a draw of x. Default: False.

        Returns:
            An array [num_samples, *event].
        """
        num_samples = _checks.positive_int("num_samples", num_samples)
        return self.draw(tf.constant(num_samples), self._seed(seed), mean).numpy()

    def draw(
        self, num_samples: tf.Tensor, seed: tf.Tensor, mean: bool = False
    ) -> tf.Tensor:
        """Draws from p(x) like `sample`, for use inside a graph.

        Args:
            num_samples: Number of draws, an int32 scalar.
            seed: A seed, int32[2].
            mean: Whether to return E[x|z] in place of a draw of x. Default: False.

        Returns:
            A tensor [num_samples, *event].
        """
        return self._sample(num_samples, seed, mean)

    def reconstruct(self, x: Any) -> np.ndarray:
        """Returns E[x|z] at the location of q(z|x): an array [B, *event].

        Where the likelihood has no mean it is what its layer's `location` documents;
        an observed library size is that of x.
        """
        return self._reconstruct(self._check(x, support=False)).numpy()

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        *,
        num_samples: int = 64,
        examples: Any = None,
        verbose: bool = True,
        **options: Any,
    ) -> dict[str, float]:
        """Writes the model as named signatures that need neither tfvae nor TFP.

            encode(x)       mean, stddev and the posterior's parameters
            decode(z)       mean and the likelihood's parameters
            reconstruct(x)  mean
            sample          x
            elbo(x)         elbo, reconstruction, kl
            log_prob(x)     log_prob

        A SavedModel takes any batch size, a `seed` int32[2] for the last three and
        `num_samples` for `sample`. ONNX files, one for each signature, and a `.tflite`
        file, which has a fixed batch size, take the noise itself, standard normals or
        uniforms on (0, 1) as `noise` of a layer says: `noise_z` that of
        `posterior_layer`, or in `sample` of `prior_layer`, and `noise_x` that of
        `likelihood_layer`. The format "web" is a page that explores the model in a
        browser. Each result is run on examples and on random inputs where it will run
        (a SavedModel in a process of its own), compared with the model, and put in
        place by one rename; it keeps a card of what goes in and out, where it is from
        and how far it is from the model, which `tfvae inspect` prints.

        Args:
            filepath: The folder of a SavedModel, such as "saved_models/digits/1", of
                ONNX files or of a page, which must not exist yet, or the `.tflite`
                file, which may.
            format: "tf_saved_model", "litert", "onnx" or "web". Default:
                "tf_saved_model".
            num_samples: Number S of draws in `log_prob`. Default: 64.
            examples: Data [N, *event] to compare on, beside draws from the model.
                Default: None.
            verbose: Whether to print the largest differences. Default: True.
            **options: What a format takes beside these.
                `metrics`, a dict of figures to keep with the model.
                "tf_saved_model": `serving_default`, the signature of requests that
                name none (default: "reconstruct"); `warmup=True` to write requests
                that TF Serving plays before it serves; `preprocessing`, a Keras layer
                or model from bytes to data, for signatures `encode_raw`,
                `reconstruct_raw`, `elbo_raw` and `log_prob_raw` that take `raw`.
                "litert": `batch_size`, the number of examples B of a call (default:
                1); `precision`, which "web" takes too, one of "float32" (the
                default), "float16", "dynamic_int8" and "int8"; `max_elbo_loss`, the
                nats of the ELBO that another precision than float32 may cost
                (default: 1); and `noise="internal"` for draws by the runtime's own
                random numbers.

        Returns:
            For each signature, the largest difference from the model as a share of
            what is allowed: 1e-5 absolute plus relative; for nats, which are sums over
            x, 1e-4 relative and 1e-5 plus 1e-7 for each element of x absolute.

        Raises:
            FileExistsError: If a folder exists.
            ImportError: If what a format needs is not installed.
            ValueError: If an argument is none of these, a folder would have the
                suffix of a file, an operation has no counterpart in the format, or a
                signature differs from the model. Nothing is put in place.
        """
        # A model that is only trained does without it.
        from tfvae.export import export

        num_samples = _checks.positive_int("num_samples", num_samples)
        if examples is not None:
            examples = self._check(examples).numpy()
        return export(
            self,
            filepath,
            format,
            num_samples,
            examples=examples,
            verbose=verbose,
            **options,
        )

    def predict_step(self, data: Any) -> tf.Tensor:
        """Returns E[x|z] at the location of q(z|x) for a batch."""
        x, _ = _data.unpack_batch(data)
        return self._reconstruct(self._check(x, support=False))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        serialize = keras.saving.serialize_keras_object
        return super().get_config() | {
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "prior": serialize(self.prior_layer),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "VAE":
        """Makes the model again from `get_config()`, with fresh weights."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "decoder", "prior")
        }
        return cls(**config | parts)

    # The work, on checked tensors. Each is compiled once for each kind of input.

    def _check(self, x: Any, support: bool = True) -> tf.Tensor:
        x = _data.check_array(self.likelihood_layer, x, support=support)
        return tf.cast(tf.convert_to_tensor(x), self.likelihood_layer.variable_dtype)

    _decode = _passes.decode
    _elbo = _in_graph(_passes.elbo)
    _log_prob = _in_graph(_passes.log_prob)
    _reconstruct = _in_graph(_passes.reconstruct)
    _next_seed = _in_graph(_passes.next_seed)
    _raw_posterior = _in_graph(_passes.raw_posterior)
    _sample = _in_graph(_passes.sample)

    def _seed(self, seed: Any) -> tf.Tensor:
        if seed is not None:
            return as_seed(seed)
        return self._next_seed() if _is_called_alone() else self.noise.for_call()


def _is_called_alone() -> bool:
    """Whether this is no part of a graph, nor of what replicas do."""
    return tf.executing_eagerly() and not tf.distribute.has_strategy()
