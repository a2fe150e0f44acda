"""Inverse autoregressive flows as posteriors."""

import keras

from tfvae.layers.flow import FlowLayer

__all__ = ["InverseAutoregressiveFlow"]


@keras.saving.register_keras_serializable("tfvae")
class InverseAutoregressiveFlow(FlowLayer):
    """A normal pushed through inverse autoregressive steps.

        z_t,i = (z_(t-1),i - shift_i) exp(-log_scale_i),
        shift_i, log_scale_i = MADE_t(z_(t-1),<i, context)

    The order of the elements is reversed from one step to the next. Each log scale is
    bounded, 3 tanh(raw / 3), so that the step and its inverse are finite whatever the
    weights are; the gates of the paper, which may close, would not be. The density at
    a value that was not drawn here is found element by element, with D passes of each
    network.

    Args:
        event_shape: The number of dimensions D, an int or a sequence of one.
        **kwargs: Arguments of `FlowLayer` (`num_flows`, `hidden_units`,
            `activation`, `context_units`, `seed`) and of `DistributionLayer`.

    Raises:
        ValueError: If an argument is outside what is said there.

    Example:
    >>> layer = tfvae.layers.InverseAutoregressiveFlow(2, hidden_units=(8,))
    >>> q = layer(keras.ops.ones((8, 3)))
    >>> z, log_q = layer.sample_and_log_prob(q, (5,), seed=0)
    >>> z.shape, log_q.shape
    (TensorShape([5, 8, 2]), TensorShape([5, 8]))

    Reference: Kingma et al., "Improving variational inference with inverse
    autoregressive flow", 2016, https://arxiv.org/abs/1606.04934.
    """

    kind = "inverse_autoregressive"
    density_inverts = True
