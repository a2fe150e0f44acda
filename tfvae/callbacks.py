"""Keras callbacks that measure a model during training."""

import dataclasses
import functools
import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import _checks, _data, diagnostics
from tfvae.diagnostics.factors import check_codes_and_factors
from tfvae.vae import VAE

__all__ = ["Diagnostic"]

_OF_MODELS: dict[str, Callable[..., Any]] = {
    "active_units": diagnostics.active_units,
    "aggregate_kl": diagnostics.aggregate_kl,
    "collapse": diagnostics.collapse,
    "rate_distortion": diagnostics.rate_distortion,
    "surgery": diagnostics.surgery,
}
_OF_CODES: dict[str, Callable[..., Any]] = {
    "dci": diagnostics.dci,
    "mig": diagnostics.mig,
    "sap": diagnostics.sap,
}

_FEW = 8
"""Examples of the trial that finds out before the training what would stop it."""


class Diagnostic(keras.callbacks.Callback):
    """Measures a diagnostic on fixed data at the end of epochs, and logs it.

        logs[prefix + field] = diagnostic(vae, x, **arguments).field

    Every field that is a number goes into the logs of the epoch, where `History`, the
    progress bar and all callbacks that stand *behind* this one find it: put it before
    `CSVLogger`, `EarlyStopping`, `ModelCheckpoint`, `ReduceLROnPlateau` and
    `TensorBoard` in the list. `TensorBoard`, which needs the package `tensorboard`,
    writes it as "epoch_" + name to the run "train", or without the "val_" to the run
    "validation" if the prefix starts with that. `EarlyStopping` and the like must be
    told the direction, by `mode="max"` or `mode="min"`.

    The first epoch is measured, each `every`-th from there, and the last one; epochs in
    between have no entry, as with `validation_freq` in `fit`. All results, with their
    arrays, are kept in `results`; there alone is that of a last epoch which a callback
    behind this one made the last.

    Args:
        diagnostic: The name of a function of `tfvae.diagnostics`: "active_units",
            "aggregate_kl", "collapse", "rate_distortion", "surgery", or with
            `factors=` one of "dci", "mig", "sap", which are given the codes of `x`; or
            a function of the model and `x` that returns a dataclass or a mapping.
        x: Data [N, *event] to measure on, an array.
        every: Epochs from one measurement to the next. Default: 1.
        prefix: What the names in the logs start with, or None for the name of the
            diagnostic and "_". Default: None.
        **arguments: Further arguments of the diagnostic. Its `seed` is 0 unless given,
            so that epochs are compared on the same draws and the model's own noise is
            left alone.

    Attributes:
        diagnostic: As given.
        x: As given.
        every: As given.
        prefix: What the names start with.
        arguments: As given, with the seed.
        results: From the index of an epoch to what was measured after it.

    Raises:
        ValueError: If an argument is none of these, or in training if the model is no
            `tfvae.VAE`, the data do not fit it, or a name is in the logs already.
        TypeError: If the diagnostic has no such argument.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> vae.compile()
    >>> x = np.ones((32, 4), "float32")
    >>> from tfvae.callbacks import Diagnostic
    >>> units = Diagnostic("active_units", x)
    >>> history = vae.fit(x, epochs=2, callbacks=[units], verbose=0)
    >>> history.history["active_units_count"]
    [0.0, 0.0]
    >>> units.results[1].variance.shape
    (2,)
    """

    def __init__(
        self,
        diagnostic: str | Callable[..., Any],
        x: Any,
        every: int = 1,
        prefix: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        name, function, self._measure = _find(diagnostic)
        parameters = inspect.signature(function).parameters
        if "seed" in parameters:
            arguments = {"seed": 0} | arguments
        of_codes = isinstance(diagnostic, str) and diagnostic in _OF_CODES
        first = (None,) if of_codes else (None, x)
        try:
            inspect.signature(function).bind(*first, **arguments)
        except TypeError as error:
            raise TypeError(f"`{name}` takes other arguments: {error}.") from error
        if not isinstance(prefix, str | None):
            raise ValueError(
                f"`prefix` must be a string or None. Received: {prefix!r}."
            )
        self.diagnostic = diagnostic
        self.x = x
        self.every = _checks.positive_int("every", every)
        self.prefix = f"{name}_" if prefix is None else prefix
        self.arguments = arguments
        self.results: dict[int, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the data against the model, before time is spent on training."""
        if not isinstance(self.model, VAE):
            raise ValueError(
                "Diagnostic measures a tfvae.VAE. "
                f"Received: {type(self.model).__name__}."
            )
        _data.check_array(self.model.likelihood_layer, self.x, support=False)
        if self.diagnostic in _OF_MODELS:
            self._measure(self.model, self.x[:_FEW], **self.arguments)
        elif self.diagnostic in _OF_CODES:
            size = math.prod(self.model.posterior_layer.event_shape)
            codes = np.zeros((len(self.x), size))
            check_codes_and_factors(codes, self.arguments["factors"])
        self.results = {}
        self._epochs, self._last = 0, -1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures the model and adds the numbers to the logs."""
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        due = self._epochs % self.every == 0 or last
        self._epochs, self._last = self._epochs + 1, epoch
        if not due:
            return
        result = self._measure(self.model, self.x, **self.arguments)
        self.results[epoch] = result
        if logs is None:
            return
        for field, value in _numbers(result).items():
            name = self.prefix + field
            if name in logs:
                raise ValueError(
                    f"The logs have a {name!r} already. Give Diagnostic another "
                    f"`prefix`. Received: {self.prefix!r}."
                )
            logs[name] = value

    def on_train_end(self, logs: Any = None) -> None:
        """Measures the last epoch where nothing foretold that it was the last."""
        if self._epochs and self._last not in self.results:
            result = self._measure(self.model, self.x, **self.arguments)
            self.results[self._last] = result


def _find(
    diagnostic: str | Callable[..., Any],
) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
    """The name of a diagnostic, the function, and the same as one of model and data."""
    if callable(diagnostic):
        name = getattr(diagnostic, "__name__", type(diagnostic).__name__)
        return name, diagnostic, diagnostic
    name = _checks.one_of("diagnostic", diagnostic, [*_OF_MODELS, *_OF_CODES])
    if name in _OF_MODELS:
        return name, _OF_MODELS[name], _OF_MODELS[name]
    function = _OF_CODES[name]
    return name, function, functools.partial(_measure_codes, function)


def _measure_codes(
    function: Callable[..., Any], vae: VAE, x: Any, **arguments: Any
) -> Any:
    codes = diagnostics.codes(vae, x)
    return function(codes.reshape(len(codes), -1), **arguments)


def _numbers(result: Any) -> dict[str, float]:
    """The fields of a result that are numbers."""
    if dataclasses.is_dataclass(result):
        names = [field.name for field in dataclasses.fields(result)]
        result = {name: getattr(result, name) for name in names}
    if not isinstance(result, Mapping):
        raise ValueError(
            "A diagnostic must return a dataclass or a mapping from names to numbers. "
            f"Received: {_checks.describe(result)}."
        )
    found = {name: _number(value) for name, value in result.items()}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> float | None:
    """A number, be it in an array or a tensor without axes, as a float, else None."""
    arrays = tf.Tensor, tf.Variable, keras.Variable, np.ndarray
    if isinstance(value, arrays) and len(value.shape) == 0:
        dtype = tf.as_dtype(value.dtype)
        if dtype.is_floating or dtype.is_integer or dtype.is_bool:
            return float(tf.cast(value, tf.float64))
    return float(value) if isinstance(value, numbers.Real) else None
