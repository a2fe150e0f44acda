"""A constraint on weights that stand for data."""

from typing import Any

import keras

from tfvae import _checks

__all__ = ["Interval"]


@keras.saving.register_keras_serializable("tfvae")
class Interval(keras.constraints.Constraint):
    """Keeps a weight between two numbers: after each update it is clipped to them.

    Args:
        low: The smallest value. Default: 0.
        high: The largest value, greater than `low`. Default: 1.

    Raises:
        ValueError: If these are not two finite numbers in this order.

    Example:
    >>> tfvae.priors.Interval(0.0, 1.0)(np.array([-1.0, 0.5, 2.0])).numpy()
    array([0. , 0.5, 1. ])
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self.low = _checks.finite_number("low", low)
        self.high = _checks.finite_number("high", high, above=self.low)

    def __call__(self, w: Any) -> Any:
        """Returns `w` clipped."""
        return keras.ops.clip(keras.ops.convert_to_tensor(w), self.low, self.high)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"low": self.low, "high": self.high}
