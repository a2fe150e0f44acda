"""Flows, written out with the weights of a layer: element by element, unit by unit."""

import itertools
from typing import Any

import keras
import numpy as np
from scipy import special, stats
from support.families.base import Array, Drawn, Parameters, smallest_scale

__all__ = ["Flow", "changed", "made", "push"]


def _weights(network: Any) -> dict[str, Array]:
    return {
        weight.name: np.asarray(keras.ops.convert_to_numpy(weight), np.float64)
        for weight in network.weights
    }


def _degrees(units: int, size: int, lowest: int) -> Array:
    return np.array([lowest + i * (size - lowest) // units for i in range(units)])


def perceptron(network: Any, x: Array, context: Array | None, masks: Any) -> Any:
    """Shift and log scale of a network."""
    activation = {"tanh": np.tanh, "sigmoid": special.expit}[
        network.activation.__name__
    ]
    weights = _weights(network)
    depth = sum(name.startswith("kernel_") for name in weights)
    for i in range(depth):
        y = x @ (weights[f"kernel_{i}"] * masks[i]) + weights[f"bias_{i}"]
        if i == 0 and context is not None:
            y = y + context @ weights["context_kernel"]
        x = activation(y) if i < depth - 1 else y
    shift, raw = np.split(x, 2, axis=-1)
    return shift, 3 * np.tanh(raw / 3)


def made(network: Any, x: Array, context: Array | None, reverse: bool) -> Any:
    """Shift and log scale, each of which sees the elements before its own."""
    size = x.shape[-1]
    place = np.arange(1, size + 1)
    order = place[::-1] if reverse else place
    lowest = 0 if context is not None or size == 1 else 1
    degrees = [order] + [_degrees(n, size, lowest) for n in network.hidden_units]
    masks = [
        np.less_equal.outer(before, after)
        for before, after in itertools.pairwise(degrees)
    ]
    last = np.less.outer(degrees[-1], order)
    masks.append(np.concatenate([last, last], axis=1))
    return perceptron(network, x, context, masks)


def changed(size: int, step: int) -> Array:
    """Which elements a coupling step changes: the last half, or the first one."""
    last = np.arange(size) >= size // 2
    return ~last if step % 2 else last


def _affine(kind: str, step: int, network: Any, x: Array, context: Any) -> Any:
    """Shift and log scale of a step whose networks see the input `x`."""
    if kind != "coupling":
        return made(network, x, context, step % 2 == 1)
    moved = changed(x.shape[-1], step)
    free = [np.ones(())] * (len(network.hidden_units) + 1)
    values = perceptron(network, x[..., ~moved], context, free)
    full = [np.zeros((*value.shape[:-1], len(moved))) for value in values]
    for place, value in zip(full, values, strict=True):
        place[..., moved] = value
    return full


def push(
    kind: str, networks: Any, u: Array, context: Array | None
) -> tuple[Array, Array]:
    """The flow from the base to z, and log |det dz/du|."""
    volume = np.zeros(u.shape[:-1])
    for step, network in enumerate(networks):
        if kind == "masked_autoregressive":
            size, z = u.shape[-1], np.zeros_like(u)
            for i in range(size)[:: -1 if step % 2 else 1]:
                shift, log_scale = made(network, z, context, step % 2 == 1)
                z[..., i] = u[..., i] * np.exp(log_scale[..., i]) + shift[..., i]
            shift, log_scale = made(network, z, context, step % 2 == 1)
            u, volume = z, volume + log_scale.sum(-1)
            continue
        shift, log_scale = _affine(kind, step, network, u, context)
        if kind == "coupling":
            u, volume = u * np.exp(log_scale) + shift, volume + log_scale.sum(-1)
        else:
            u, volume = (u - shift) * np.exp(-log_scale), volume - log_scale.sum(-1)
    return u, volume


def pull(
    kind: str, networks: Any, z: Array, context: Array | None
) -> tuple[Array, Array]:
    """The flow from z back to the base, and log |det du/dz|."""
    volume = np.zeros(z.shape[:-1])
    for step in reversed(range(len(networks))):
        network = networks[step]
        if kind == "masked_autoregressive":
            shift, log_scale = made(network, z, context, step % 2 == 1)
            z, volume = (z - shift) * np.exp(-log_scale), volume - log_scale.sum(-1)
        elif kind == "coupling":
            shift, log_scale = _affine(kind, step, network, z, context)
            z, volume = (z - shift) * np.exp(-log_scale), volume - log_scale.sum(-1)
        else:
            size, u = z.shape[-1], np.zeros_like(z)
            for i in range(size)[:: -1 if step % 2 else 1]:
                shift, log_scale = made(network, u, context, step % 2 == 1)
                u[..., i] = z[..., i] * np.exp(log_scale[..., i]) + shift[..., i]
            shift, log_scale = made(network, u, context, step % 2 == 1)
            z, volume = u, volume + log_scale.sum(-1)
    return z, volume


class Flow(Drawn):
    """A normal pushed through the flow of a layer."""

    noise = "normal"

    def __init__(self, kind: str, size: int, context_units: int, layer: Any) -> None:
        self.kind, self.size, self.layer = kind, size, layer
        self.noise_size = size
        self.sizes = {"loc": size, "scale": size, "context": context_units}

    def constrain(self, raw: Array) -> Parameters:
        n = self.size
        return {
            "loc": raw[:, :n],
            "scale": smallest_scale(raw[:, n : 2 * n]),
            "context": raw[:, 2 * n :],
        }

    def _standard(self, x: Array, p: Parameters) -> tuple[Array, Array]:
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, p["loc"].shape))
        base, volume = pull(self.kind, self.layer.networks, x, p["context"])
        return (base - p["loc"]) / p["scale"], volume

    def log_prob(self, x: Array, p: Parameters) -> Array:
        standard, volume = self._standard(x, p)
        return (stats.norm.logpdf(standard) - np.log(p["scale"])).sum(-1) + volume

    def draw(self, noise: Array, p: Parameters) -> Array:
        base = p["loc"] + p["scale"] * noise
        return push(self.kind, self.layer.networks, base, p["context"])[0]

    def location(self, p: Parameters) -> Array:
        return push(self.kind, self.layer.networks, p["loc"], p["context"])[0]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        draws = self.draw(np.random.default_rng(0).normal(size=(20_000, 1, 2)), p)
        low, high = draws.min((0, 1)), draws.max((0, 1))
        reach = high - low
        low, high, points = low - 0.7 * reach, high + 0.7 * reach, 801
        lines = [np.linspace(*ends, points) for ends in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*lines), -1).reshape(-1, 2)
        return grid, np.full(len(grid), np.prod((high - low) / (points - 1)))

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(self._standard(x, p)[0])
