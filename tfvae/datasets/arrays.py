"""What a data set is: training and test examples, and what their values mean."""

import dataclasses
import functools

import numpy as np

__all__ = ["Arrays"]


@dataclasses.dataclass(frozen=True)
class Arrays:
    """A data set cut into training and test examples, exactly as it was stored.

    Args:
        name: Name of the data set, or the stem of its file.
        x_train: Training data: images [N, height, width, channels], tables [N, D].
        x_test: Test data of the same shape.
        y_test: Labels [N] of the test data. Default: None.
    """

    name: str
    x_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray | None = None

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.x_train.shape[1:]

    @property
    def is_image(self) -> bool:
        """Whether an example is an image: height, width and channels."""
        return len(self.event_shape) == 3

    @functools.cached_property
    def kind(self) -> str:
        """What the values are: `"binary"`, `"counts"`, `"bytes"`, `"unit"`, `"real"`.

        Whole numbers are binary from 0 to 1, counts up to 127, and bytes from there
        to 255 if they make an image. Other values in [0, 1] are unit values.
        """
        parts = (self.x_train, self.x_test)
        lowest, highest = self._range
        if lowest < 0:
            return "real"
        if all(np.array_equal(part, np.round(part)) for part in parts):
            if highest <= 1:
                return "binary"
            if highest <= 127:
                return "counts"
            return "bytes" if highest <= 255 and self.is_image else "real"
        return "unit" if highest <= 1 else "real"

    @functools.cached_property
    def maximum(self) -> float:
        """The largest value that can occur: 1, 255, or the largest one stored."""
        fixed = {"binary": 1.0, "unit": 1.0, "bytes": 255.0}
        return fixed.get(self.kind, self._range[1])

    @functools.cached_property
    def _range(self) -> tuple[float, float]:
        parts = (self.x_train, self.x_test)
        return (
            float(min(part.min() for part in parts)),
            float(max(part.max() for part in parts)),
        )
