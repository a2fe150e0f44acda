"""From options to a model, and from a file to a model."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

import tfvae
from tfvae import layers, networks
from tfvae.cli.folders import ASSETS
from tfvae.export import inspect

if TYPE_CHECKING:
    from tfvae.cli.options import Options
    from tfvae.cli.preparation import Preparation

__all__ = ["SavedModel", "build", "find"]


def build(x: np.ndarray, preparation: Preparation, options: Options) -> tfvae.VAE:
    """Makes an untrained model.

    Where the likelihood has logits, the decoder starts at the training mean of every
    element, as in Burda et al. (2016). Encoders see counts as shares of their total.

    Args:
        x: Scaled training data [N, *event].
        preparation: The likelihood.
        options: The networks.

    Returns:
        The model, not compiled.
    """
    event_shape, latent = x.shape[1:], (options.latent,)
    hidden, back = options.hidden, options.hidden[::-1]
    activation = options.activation
    if options.network == "conv":
        filters = options.filters
        encoder = networks.conv(event_shape, filters, hidden, activation)
        decoder = networks.conv_transpose(
            latent, event_shape[:2], filters[::-1], back, activation
        )
    else:
        encoder = networks.mlp(event_shape, hidden, activation)
        decoder = networks.mlp(latent, back, activation)
    if preparation.total_count:
        unit = keras.layers.Rescaling(1 / preparation.total_count)
        encoder = keras.Sequential([keras.Input(event_shape), unit, encoder])
    head = _head(event_shape, preparation)
    vae = tfvae.VAE(
        keras.Sequential([encoder, layers.Normal(options.latent)], name="encoder"),
        keras.Sequential([decoder, head], name="decoder"),
        seed=options.seed,
    )
    if preparation.likelihood in ("bernoulli", "binomial"):
        _start_at_mean(head, x / (preparation.total_count or 1))
    return vae


def _head(
    event_shape: tuple[int, ...], preparation: Preparation
) -> layers.DistributionLayer:
    if preparation.total_count is not None:
        return layers.Binomial(event_shape, preparation.total_count)
    if preparation.likelihood == "normal":
        return layers.Normal(event_shape, scale="shared")
    families = {
        "bernoulli": layers.Bernoulli,
        "continuous_bernoulli": layers.ContinuousBernoulli,
    }
    return families[preparation.likelihood](event_shape)


def _start_at_mean(head: layers.DistributionLayer, x: np.ndarray) -> None:
    """Sets the bias of the projection to the logits of the mean of x in [0, 1]."""
    (bias,) = [weight for weight in head.weights if weight.name == "bias"]
    mean = x.mean(axis=0, dtype=float)
    if bias.shape != (mean.size,):
        mean = mean.mean(axis=tuple(range(mean.ndim - 1)))
    mean = np.clip(mean, 0.001, 0.999)
    bias.assign(np.log(mean / (1 - mean)).ravel())


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """A model on disk, with the record of the run that made it.

    Args:
        file: The `.keras` file.
        record: The `metrics.json` beside it, or None if there is none.
    """

    file: pathlib.Path
    record: dict[str, Any] | None

    def load(self) -> tfvae.VAE:
        """Loads the model.

        Raises:
            ValueError: If the file is damaged or holds no `tfvae.VAE`.
        """
        kind = inspect(self.file)["kind"]
        if kind != "Keras file":
            raise ValueError(f"{self.file} is a {kind}, no Keras file.")
        try:
            vae = keras.models.load_model(self.file)
        except Exception as error:  # Keras raises what its zip and JSON readers raise
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise ValueError(
                f"{self.file} is not a readable Keras model: {reason}"
            ) from error
        if not isinstance(vae, tfvae.VAE):
            raise ValueError(
                f"{self.file} must hold a tfvae.VAE, received {type(vae).__name__}."
            )
        return vae


def find(path: pathlib.Path) -> SavedModel:
    """Finds a model by its folder, one of its version folders, or its file.

    Args:
        path: What `tfvae train` wrote, such as `saved_models/digits`,
            `saved_models/digits/1` or `saved_models/digits/model.keras`.

    Returns:
        The model's file and record.

    Raises:
        FileNotFoundError: If there is no model.
        ValueError: If the record is damaged.
    """
    places = (path, path / "model.keras", path / ASSETS / "model.keras")
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"There is no model {path}: expected a .keras file, or a folder that "
            "`tfvae train` wrote."
        )
    record = file.with_name("metrics.json")
    if not record.is_file():
        return SavedModel(file, None)
    try:
        found = json.loads(record.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{record} is not readable JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{record} must hold a JSON object, as `tfvae train` writes.")
    return SavedModel(file, found)
