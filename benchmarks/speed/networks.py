"""The two networks in numbers: what every peer starts from, and its products."""

import numpy as np

__all__ = ["LATENT", "PIXELS", "dense_products", "dense_sizes", "dense_weights"]

PIXELS = 784
LATENT = {"dense": 50, "conv": 2}


def dense_sizes(width: int) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer; the third one gives the mean and the scale."""
    latent = LATENT["dense"]
    encoder = [(PIXELS, width), (width, width), (width, 2 * latent)]
    return [*encoder, (latent, width), (width, width), (width, PIXELS)]


def dense_weights(width: int) -> list[np.ndarray]:
    """Kernel, bias, kernel, ... of all layers: Glorot uniform, the same everywhere."""
    generator = np.random.default_rng(0)
    weights = []
    for inputs, outputs in dense_sizes(width):
        limit = np.sqrt(6 / (inputs + outputs))
        weights.append(generator.uniform(-limit, limit, (inputs, outputs)))
        weights.append(np.zeros(outputs))
    return [weight.astype(np.float32) for weight in weights]


def dense_products(
    batch_size: int, width: int, samples: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of matrices whose products are those of one step, forward and backward.

    The transposed ones are views, as in backpropagation.
    """
    generator = np.random.default_rng(0)
    pairs = []
    for number, (inputs, outputs) in enumerate(dense_sizes(width)):
        rows = batch_size * (samples if number > 2 else 1)
        x, kernel, gradient = (
            generator.normal(size=shape).astype(np.float32)
            for shape in ((rows, inputs), (inputs, outputs), (rows, outputs))
        )
        pairs += [(x, kernel), (x.T, gradient)]
        if number:  # the data need no gradient
            pairs.append((gradient, kernel.T))
    return pairs
