"""Coupling flows as posteriors."""

import keras

from tfvae.layers.flow import FlowLayer

__all__ = ["CouplingFlow"]


@keras.saving.register_keras_serializable("tfvae")
class CouplingFlow(FlowLayer):
    """A normal pushed through affine coupling steps.

        z_t,changed = z_(t-1),changed exp(log_scale) + shift,
        shift, log_scale = f_t(z_(t-1),kept, context)

    One half of the elements is kept, the other one changed; they exchange roles from
    one step to the next. Each log scale is bounded, 3 tanh(raw / 3), so that the step
    and its inverse are finite whatever the weights are. Draws and densities take one
    pass of each network, at any value.

    Args:
        event_shape: The number of dimensions D, at least 2, an int or a sequence of
            one.
        **kwargs: Arguments of `FlowLayer` (`num_flows`, `hidden_units`,
            `activation`, `context_units`, `seed`) and of `DistributionLayer`.

    Raises:
        ValueError: If an argument is outside what is said there.

    Example:
    >>> layer = tfvae.layers.CouplingFlow(2, hidden_units=(8,))
    >>> q = layer(keras.ops.ones((8, 3)))
    >>> q.log_prob(np.zeros((5, 8, 2), "float32")).shape
    TensorShape([5, 8])

    Reference: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP",
    2017, https://arxiv.org/abs/1605.08803.
    """

    kind = "coupling"
