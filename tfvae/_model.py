"""Keras's training interface for a model that maximises an objective over x alone."""

import abc
import dataclasses
import math
from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks, _data, training
from tfvae._inputs import CheckedModel
from tfvae._math import fold_in
from tfvae._noise import Noise
from tfvae.layers import DistributionLayer
from tfvae.objectives import ELBO, Context, Estimate, Objective, Terms

__all__ = ["ObjectiveModel"]

_BITS = "bits_per_dimension"

_OTHER_DRAWS = 1_819_243_379
"""Sets the draws of penalties apart from those of z."""

_NOISE = "noise"
"""Name of the state of the noise in a file of weights."""


@dataclasses.dataclass
class _Run:
    """What `compile` and `fit` set.

    It is kept out of Keras's tracking of attributes, which would count every
    objective a model was ever compiled with among its layers.
    """

    objective: Objective | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset_size: int | None = None


class ObjectiveModel(CheckedModel):
    """A model whose `fit` maximises an objective.

    A subclass gives the terms of the bound and has an `encoder`, whose weights may
    follow a loss of their own; this class turns them into steps and logs.

    Args:
        seed: A non-negative int, or None for one drawn at random.
        metric_dtype: The dtype of the terms, which the running means share.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, seed: int | None, metric_dtype: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.noise = Noise(seed)
        self._run = _Run()
        self._trackers = {
            name: keras.metrics.Mean(name, dtype=metric_dtype)
            for name in ("loss", "elbo", "reconstruction", "kl", "bound", _BITS)
        }

    encoder: keras.Model

    @property
    @abc.abstractmethod
    def likelihood_layer(self) -> DistributionLayer:
        """The layer that makes p(x|z)."""

    @abc.abstractmethod
    def terms(
        self,
        x: Any,
        num_samples: int = 1,
        seed: Any = None,
        training: bool = False,
        sample_weight: tf.Tensor | None = None,
        pathwise: bool = True,
    ) -> Terms:
        """Returns the terms of log p(x) for a batch of data."""

    def compile(
        self,
        optimizer: Any = "adam",
        objective: Objective | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **refused: Any,
    ) -> None:
        """Chooses the optimizer and what is maximised.

        Args:
            optimizer: A Keras optimizer or its name. Default: "adam".
            objective: A `tfvae.objectives.Objective`. Default:
                `tfvae.objectives.ELBO()`.
            run_eagerly: Whether steps are taken without a graph. Default: False.
            steps_per_execution: Steps in one call of the compiled function, which
                callbacks then see as one batch; or "auto" for about 50, and for 1
                where a callback has something to do after every batch. Default: "auto".
            jit_compile: Whether XLA compiles the steps, as one program; or "auto" to
                leave it to the size of the work, the networks and the device, which
                `fit` tells. Default: "auto".
            auto_scale_loss: Whether "mixed_float16" scales the loss. Default: True.
            **refused: `loss` and `metrics` have no meaning here: the objective is
                the loss, and its terms are the metrics.

        Raises:
            ValueError: If the objective is none, or other arguments are given.
        """
        given = [name for name, value in refused.items() if value is not None]
        if given:
            names = ", ".join(f"`{name}`" for name in given)
            raise ValueError(
                f"compile() takes no {names}: the `objective` is what is maximised, "
                "and its terms are the metrics."
            )
        if not isinstance(objective, Objective | None):
            raise ValueError(
                "`objective` must be a tfvae.objectives.Objective. "
                f"Received: {objective!r}."
            )
        options = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        if jit_compile not in (True, False, "auto"):
            raise ValueError(
                '`jit_compile` must be True, False or "auto". '
                f"Received: {jit_compile!r}."
            )
        free = steps_per_execution == "auto"
        if not free:
            _checks.positive_int("steps_per_execution", steps_per_execution)
        # `fit` and `evaluate` put in what "auto" stands for.
        given_to_keras = options | ({"steps_per_execution": 1} if free else {})
        super().compile(optimizer=optimizer, **given_to_keras)
        self._run = _Run(objective or ELBO(), options)

    @property
    def objective(self) -> Objective | None:
        """The objective given to `compile`; None before."""
        return self._run.objective

    @property
    def _options(self) -> dict[str, Any]:
        return self._run.options

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means that the logs show."""
        return [self._trackers[name] for name in self._names()]

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes one step uphill on a batch and returns the logs."""
        x, weight = _data.unpack_batch(data)
        weights, scale = self.trainable_variables, self.optimizer.scale_loss
        with tf.GradientTape(persistent=True) as tape:
            estimate = self._estimate(x, weight, training=True)
            decoder_loss = encoder_loss = self._total(estimate.decoder_loss, weight)
            if estimate.encoder_loss is not estimate.decoder_loss:
                encoder_loss = self._total(estimate.encoder_loss, weight)
            decoder_scaled, encoder_scaled = scale(decoder_loss), scale(encoder_loss)
        gradients = tape.gradient(decoder_scaled, weights)
        if encoder_loss is not decoder_loss:
            for_encoder = tape.gradient(encoder_scaled, weights)
            gradients = self._choose(for_encoder, gradients)
        self.optimizer.apply(gradients, weights)
        return self._log(estimate, decoder_loss, weight)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures a batch and returns the logs."""
        x, weight = _data.unpack_batch(data)
        estimate = self._estimate(x, weight, training=False)
        return self._log(estimate, self._total(estimate.decoder_loss, weight), weight)

    def save_own_variables(self, store: Any) -> None:
        """Saves the state of the noise too, which Keras leaves out."""
        super().save_own_variables(store)
        store[_NOISE] = self.noise.state

    def load_own_variables(self, store: Any) -> None:
        """Loads what `save_own_variables` saved."""
        found = {name: store[name] for name in store.keys()}  # noqa: SIM118
        self.noise.state.assign(found.pop(_NOISE))
        super().load_own_variables(found)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns what `compile` was given, for a saved model."""
        if self.objective is None:
            return {}
        serialize = keras.saving.serialize_keras_object
        return self._run.options | {
            "optimizer": serialize(self.optimizer),
            "objective": serialize(self.objective),
            "dataset_size": self._run.dataset_size,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was, with room for the optimizer's state."""
        if config:
            arguments = keras.saving.deserialize_keras_object(config)
            dataset_size = arguments.pop("dataset_size", None)
            self.compile(**arguments)
            self._run.dataset_size = dataset_size
            self.optimizer.build(self.trainable_variables)

    def _estimate(
        self, x: tf.Tensor, weight: tf.Tensor | None, training: bool
    ) -> Estimate:
        objective = self._run.objective
        assert objective is not None  # Keras asks for compile() before it takes a step
        seed = self._step_seed(training)
        context = Context(
            step=tf.cast(self.optimizer.iterations, tf.int64),
            dataset_size=self._run.dataset_size,
            training=training,
            seed=fold_in(seed, _OTHER_DRAWS),
        )
        pathwise = objective.pathwise or not training
        terms = self.terms(
            x, objective.num_draws, seed, training, weight, pathwise=pathwise
        )
        return objective.estimate(terms, context)

    def _step_seed(self, training: bool) -> tf.Tensor:
        if training:
            return self.noise.for_training()
        return self.noise.for_evaluation(self._trackers["loss"].count)

    def _total(self, losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
        """sum(w * loss) / B plus the regularisers, as a share of all replicas."""
        if weight is not None:
            losses = losses * tf.cast(weight, losses.dtype)
        # A replica may get no example of the last batch.
        size = tf.cast(tf.shape(losses)[0], losses.dtype)
        mean = tf.math.divide_no_nan(tf.reduce_sum(losses), size)
        total = tf.add_n([mean, *(tf.cast(r, losses.dtype) for r in self.losses)])
        return total / self.distribute_strategy.num_replicas_in_sync

    def _choose(self, for_encoder: list[Any], for_decoder: list[Any]) -> list[Any]:
        """The encoder's gradients for the encoder's weights, the others elsewhere."""
        encoder = {id(weight) for weight in self.encoder.trainable_variables}
        return [
            theirs if id(weight) in encoder else others
            for weight, theirs, others in zip(
                self.trainable_variables, for_encoder, for_decoder, strict=True
            )
        ]

    def _log(
        self, estimate: Estimate, loss: tf.Tensor, weight: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        replicas = self.distribute_strategy.num_replicas_in_sync
        examples = tf.cast(tf.shape(estimate.elbo)[0], loss.dtype)
        self._trackers["loss"].update_state(loss * replicas, sample_weight=examples)
        for name in self._names()[1:]:
            if name == _BITS:
                size = math.prod(self.likelihood_layer.event_shape)
                value = -estimate.elbo / (size * math.log(2))
            else:
                value = getattr(estimate, name)
            self._trackers[name].update_state(value, sample_weight=weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def _names(self) -> list[str]:
        """Names of the numbers in the logs, `loss` first."""
        if self.objective is None:
            return []
        names = ["loss", "elbo", "reconstruction", "kl"]
        if self.objective.reports_bound:
            names.append("bound")
        if self.likelihood_layer.bits_per_dimension:
            names.append(_BITS)
        return names

    def _set_dataset_size(self, size: int | None) -> None:
        if size != self._run.dataset_size:
            self._run.dataset_size = size
            # Compiled steps hold the number as a constant.
            training.forget(self)
