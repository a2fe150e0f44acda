"""Keras's entry points for data, which check the data first."""

import abc
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfvae import _data, training
from tfvae.layers import DistributionLayer

__all__ = ["CheckedModel"]


class CheckedModel(keras.Model, abc.ABC):
    """A `keras.Model` whose data are `x` alone, in the support of a likelihood."""

    @property
    @abc.abstractmethod
    def likelihood_layer(self) -> DistributionLayer:
        """The layer that makes p(x|z), whose support the data must lie in."""

    @property
    @abc.abstractmethod
    def _options(self) -> Mapping[str, Any]:
        """The arguments of `compile` that say how steps are taken."""

    @abc.abstractmethod
    def _set_dataset_size(self, size: int | None) -> None:
        """Takes note of the number of training examples, None if it is unknown."""

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: None = None,
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
            class_weight: Must be None.
            sample_weight: Weights [N] of arrays: the loss is `sum(w * loss) / B`,
                the logs are `sum(w * v) / sum(w)`. Default: None.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            ValueError: If the data are not as said above.
        """
        _refuse_classes(class_weight)
        if shuffle not in (True, False, "batch"):
            raise ValueError(
                f'`shuffle` must be True, False or "batch". Received: {shuffle!r}.'
            )
        layer, held = self.likelihood_layer, None
        source = _data.prepare(layer, x, y, sample_weight)
        if validation_data is not None:
            held = _data.prepare(layer, validation_data, name="validation_data")
        elif validation_split:
            source, held = source.split(validation_split)
        self._set_dataset_size(source.size)
        if self.compiled and not self.optimizer.built:
            # A step that makes variables would be traced twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        arguments = kwargs | {
            "batch_size": batch_size,
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": callbacks,
            "shuffle": shuffle and not isinstance(source.x, _data.UNSHUFFLED),
        }
        steps = training.fitting(self, self._options, source, held, arguments)
        with _data.clear_errors(), steps as given:
            return super().fit(**given)

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
        arguments = {
            "batch_size": batch_size,
            "verbose": verbose,
            "steps": steps,
            "callbacks": callbacks,
            "return_dict": return_dict,
        }
        if kwargs:
            # `fit` validates, on data that it has checked already.
            arguments |= kwargs | {"x": x, "y": y, "sample_weight": sample_weight}
            return super().evaluate(**arguments)
        source = _data.prepare(self.likelihood_layer, x, y, sample_weight)
        steps_taken = training.evaluating(self, self._options, source, arguments)
        with _data.clear_errors(), steps_taken as given:
            return super().evaluate(**given)

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
        with _data.clear_errors(), training.predicting(self, self._options):
            return super().predict(
                source.x,
                batch_size=batch_size,
                verbose=verbose,
                steps=steps,
                callbacks=callbacks,
            )

    def train_on_batch(
        self,
        x: Any,
        y: None = None,
        sample_weight: Any = None,
        class_weight: None = None,
        return_dict: bool = False,
    ) -> Any:
        """Takes one step on a batch, as `keras.Model.train_on_batch` does."""
        _refuse_classes(class_weight)
        source = _data.prepare(self.likelihood_layer, x, y, sample_weight)
        return super().train_on_batch(
            source.x, source.y, source.sample_weight, return_dict=return_dict
        )

    def test_on_batch(
        self,
        x: Any,
        y: None = None,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Measures one batch, as `keras.Model.test_on_batch` does."""
        source = _data.prepare(self.likelihood_layer, x, y, sample_weight)
        return super().test_on_batch(
            source.x, source.y, source.sample_weight, return_dict=return_dict
        )

    def predict_on_batch(self, x: Any) -> Any:
        """Returns E[x|z] for one batch, as `predict` does."""
        source = _data.prepare(self.likelihood_layer, x, support=False)
        return super().predict_on_batch(source.x)


def _refuse_classes(class_weight: Any) -> None:
    if class_weight is not None:
        raise ValueError("`class_weight` needs classes, and a VAE has no `y`.")
