"""Keras's training interface for a model that maximises an objective over x alone."""

import abc
import dataclasses
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import _data
from tfvae._math import fold_in
from tfvae.layers import DistributionLayer
from tfvae.objectives import ELBO, Context, Estimate, Objective, Terms

__all__ = ["ObjectiveModel"]

_TRAIN, _TEST = 0, 1
"""The two streams of noise, so that training and evaluation never share draws."""

_NOISE = "noise"
"""Name of the state of the seed generator in a file of weights."""


@dataclasses.dataclass
class _Run:
    """What `compile` and `fit` set.

    It is kept out of Keras's tracking of attributes, which would count every
    objective a model was ever compiled with among its layers.
    """

    objective: Objective | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset_size: int | None = None


class ObjectiveModel(keras.Model, abc.ABC):
    """A `keras.Model` whose `fit` maximises an objective and whose data are `x` alone.

    A subclass gives the terms of the bound and the layer whose support the data must
    lie in; this class turns them into steps, logs and checks.

    Args:
        seed: A non-negative int, or None for one drawn at random.
        metric_dtype: The dtype of the terms, which the running means share.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, seed: int | None, metric_dtype: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._run = _Run()
        self._trackers = {
            name: keras.metrics.Mean(name, dtype=metric_dtype)
            for name in ("loss", "elbo", "reconstruction", "kl", "bound")
        }

    @property
    @abc.abstractmethod
    def likelihood_layer(self) -> DistributionLayer:
        """The layer that makes p(x|z), whose support the data must lie in."""

    @abc.abstractmethod
    def terms(
        self, x: Any, num_samples: int = 1, seed: Any = None, training: bool = False
    ) -> Terms:
        """Returns the terms of log p(x) for a batch of data."""

    def compile(
        self,
        optimizer: Any = "adam",
        objective: Objective | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **refused: Any,
    ) -> None:
        """Chooses the optimizer and what is maximised.

        Args:
            optimizer: A Keras optimizer or its name. Default: "adam".
            objective: A `tfvae.objectives.Objective`. Default:
                `tfvae.objectives.ELBO()`.
            run_eagerly: As in `keras.Model.compile`, like the rest. Default: False.
            steps_per_execution: Batches in one call of the compiled step. Default: 1.
            jit_compile: Whether XLA compiles the step. Default: "auto".
            auto_scale_loss: Whether "mixed_float16" scales the loss. Default: True.
            **refused: `loss` and `metrics` have no meaning here: the objective is
                the loss, and its terms are the metrics.

        Raises:
            ValueError: If the objective is none, or other arguments are given.
        """
        if refused:
            names = ", ".join(f"`{name}`" for name in refused)
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
        super().compile(optimizer=optimizer, **options)
        self._run = _Run(objective or ELBO(), options)

    @property
    def objective(self) -> Objective | None:
        """The objective given to `compile`; None before."""
        return self._run.objective

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means that the logs show."""
        if self.objective is None:
            return []
        names = ["loss", "elbo", "reconstruction", "kl"]
        if self.objective.reports_bound:
            names.append("bound")
        return [self._trackers[name] for name in names]

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes one step uphill on a batch and returns the logs."""
        x, weight = _data.unpack_batch(data)
        weights, scale = self.trainable_variables, self.optimizer.scale_loss
        with tf.GradientTape(persistent=True) as tape:
            estimate = self._estimate(x, _TRAIN)
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
        estimate = self._estimate(x, _TEST)
        return self._log(estimate, self._total(estimate.decoder_loss, weight), weight)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the model, as `keras.Model.fit` does, on `x` alone.

        Args:
            x: Data in the support of the likelihood, never rescaled here: arrays
                [N, *event], a `tf.data.Dataset`, a `keras.utils.PyDataset` or a
                generator of batches. Elements, or the argument itself, may be `x`,
                `(x,)` or `(x, None, sample_weight)`.
            y: Must be None.
            batch_size: Examples in a batch of arrays. Default: 32.
            epochs: Passes over the data. Default: 1.
            verbose: As in `keras.Model.fit`. Default: "auto".
            callbacks: Keras callbacks. Default: None.
            validation_split: Share of the arrays to keep for validation. Default: 0.
            validation_data: Like `x`. Default: None.
            shuffle: Whether arrays are shuffled in each epoch. Default: True.
            sample_weight: Weights [N] of arrays: the loss is `sum(w * loss) / B`,
                the logs are `sum(w * v) / sum(w)`. Default: None.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            ValueError: If the data are not as said above.
        """
        if kwargs.get("class_weight") is not None:
            raise ValueError("`class_weight` needs classes, and a VAE has no `y`.")
        layer = self.likelihood_layer
        source = _data.prepare(layer, x, y, sample_weight)
        if validation_data is not None:
            checked = _data.prepare(layer, validation_data, name="validation_data")
            validation_data = checked[:3]
        self._set_dataset_size(source.size, validation_split, validation_data)
        with _data.clear_errors():
            return super().fit(
                source.x,
                source.y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle and not isinstance(source.x, _data.UNSHUFFLED),
                sample_weight=source.sample_weight,
                **kwargs,
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Measures the terms of the bound, as `keras.Model.evaluate` does.

        The draws of z are the same in each call, so that models and epochs are
        compared on the same noise.

        Args:
            x: As in `fit`.
            y: Must be None.
            batch_size: Examples in a batch of arrays. Default: 32.
            verbose: As in `keras.Model.evaluate`. Default: "auto".
            sample_weight: Weights [N] of arrays. Default: None.
            steps: Number of batches, or None for all. Default: None.
            callbacks: Keras callbacks. Default: None.
            return_dict: Whether to return names with the numbers. Default: False.
            **kwargs: What Keras itself passes on when `fit` validates.

        Returns:
            The means over all examples, in nats: a dict, or a list in the order
            `loss`, `elbo`, `reconstruction`, `kl`.

        Raises:
            ValueError: If the data are not as in `fit`.
        """
        # With extra arguments, `fit` validates on data that it has checked already.
        source = _data.Source(x, y, sample_weight, None)
        if not kwargs:
            source = _data.prepare(self.likelihood_layer, x, y, sample_weight)
        with _data.clear_errors():
            return super().evaluate(
                source.x,
                source.y,
                batch_size=batch_size,
                verbose=verbose,
                sample_weight=source.sample_weight,
                steps=steps,
                callbacks=callbacks,
                return_dict=return_dict,
                **kwargs,
            )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> np.ndarray:
        """Returns E[x|z] at the location of q(z|x), like `reconstruct`.

        Args:
            x: As in `fit`, though values outside the support are taken too.
            batch_size: Examples in a batch of arrays. Default: 32.
            verbose: As in `keras.Model.predict`. Default: "auto".
            steps: Number of batches, or None for all. Default: None.
            callbacks: Keras callbacks. Default: None.

        Returns:
            An array [N, *event].
        """
        source = _data.prepare(self.likelihood_layer, x, support=False)
        with _data.clear_errors():
            return super().predict(
                source.x,
                batch_size=batch_size,
                verbose=verbose,
                steps=steps,
                callbacks=callbacks,
            )

    def save_own_variables(self, store: Any) -> None:
        """Saves the state of the noise too, which Keras leaves out."""
        super().save_own_variables(store)
        store[_NOISE] = self.seed_generator.state

    def load_own_variables(self, store: Any) -> None:
        """Loads what `save_own_variables` saved."""
        found = {name: store[name] for name in store.keys()}  # noqa: SIM118
        self.seed_generator.state.assign(found.pop(_NOISE))
        super().load_own_variables(found)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns what `compile` was given, for a saved model."""
        if self.objective is None:
            return {}
        serialize = keras.saving.serialize_keras_object
        return self._run.options | {
            "optimizer": serialize(self.optimizer),
            "objective": serialize(self.objective),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was, with room for the optimizer's state."""
        if config:
            self.compile(**keras.saving.deserialize_keras_object(config))
            self.optimizer.build(self.trainable_variables)

    def _estimate(self, x: tf.Tensor, stream: int) -> Estimate:
        context = Context(
            step=tf.cast(self.optimizer.iterations, tf.int64),
            dataset_size=self._run.dataset_size,
            training=stream == _TRAIN,
        )
        objective = self._run.objective
        assert objective is not None  # Keras asks for compile() before it takes a step
        seed = self._stream_seed(stream)
        terms = self.terms(x, objective.num_samples, seed, context.training)
        return objective.estimate(terms, context)

    def _stream_seed(self, stream: int) -> tf.Tensor:
        """A seed made from counters, without a state that must be advanced.

        The examples seen in this epoch number the draws, so that each evaluation
        repeats them; in training the updates do as well.
        """
        base = tf.cast(tf.convert_to_tensor(self.seed_generator.state)[0], tf.int32)
        seed = fold_in(tf.stack([base, stream]), self._trackers["loss"].count)
        if stream == _TRAIN:
            seed = fold_in(seed, self.optimizer.iterations)
        return self._per_replica(seed)

    def _next_seed(self) -> tf.Tensor:
        """The next seed of the model's generator, int32[2]."""
        return self._per_replica(tf.cast(self.seed_generator.next(), tf.int32))

    def _per_replica(self, seed: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return seed
        return fold_in(seed, replica.replica_id_in_sync_group)

    def _total(self, losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
        """sum(w * loss) / B plus the regularisers, as a share of all replicas."""
        if weight is not None:
            losses = losses * tf.cast(weight, losses.dtype)
        total = tf.add_n(
            [tf.reduce_mean(losses), *(tf.cast(r, losses.dtype) for r in self.losses)]
        )
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
        examples = tf.shape(estimate.elbo)[0]
        self._trackers["loss"].update_state(loss * replicas, sample_weight=examples)
        for metric in self.metrics[1:]:
            value = getattr(estimate, metric.name)
            metric.update_state(value, sample_weight=weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def _set_dataset_size(
        self, size: int | None, validation_split: float, validation_data: Any
    ) -> None:
        """Keeps the number of training examples; compiled steps depend on it."""
        if size is not None and validation_data is None:
            size = math.floor(size * (1 - validation_split))
        if size != self._run.dataset_size:
            self._run.dataset_size = size
            self.train_function = self.test_function = None
