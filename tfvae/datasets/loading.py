"""Data sets by name, or from a NumPy file."""

import pathlib

import keras
import numpy as np

from tfvae.datasets.arrays import Arrays

__all__ = ["NAMES", "load"]

NAMES = ("digits", "mnist", "fashion_mnist")

_EXPECTED = "a .npz file with `x_train` and `x_test`, or `x`, or a .npy file"


def load(name_or_path: str, *, test_fraction: float = 0.2, seed: int = 0) -> Arrays:
    """Loads a data set by name or from a NumPy file.

    Args:
        name_or_path: `"digits"` (scikit-learn's 1,797 images of 8x8 counts from 0 to
            16), `"mnist"` or `"fashion_mnist"` (70,000 images of 28x28 bytes, through
            `keras.datasets`), or the path of a `.npz` file with `x_train` and
            `x_test` (labels `y_test` are taken along) or one `x` (labels `y`), or of
            a `.npy` file. Pickled objects are never read.
        test_fraction: Part of a set that comes in one piece that is kept for the
            test. Default: 0.2.
        seed: Seed of that cut. Default: 0.

    Returns:
        The data as `Arrays`. Images without a channel axis get one.

    Raises:
        FileNotFoundError: If there is neither a data set nor a file of this name.
        ValueError: If the file is damaged, or does not hold finite numbers in arrays
            of one shape.

    Example:
    >>> digits = tfvae.datasets.load("digits")
    >>> digits.x_train.shape, digits.kind, digits.maximum
    ((1438, 8, 8, 1), 'counts', 16.0)
    """
    if name_or_path == "digits":
        parts = _digits()
    elif name_or_path in NAMES:
        parts = _download(name_or_path)
    else:
        parts = _read(pathlib.Path(name_or_path))
    if "x" in parts and "x_train" not in parts:
        parts = _split(parts, name_or_path, test_fraction, seed)
    x_train, x_test = (
        _checked(parts[key], f"`{key}` of {name_or_path}")
        for key in ("x_train", "x_test")
    )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"`x_train` and `x_test` of {name_or_path} must hold examples of one "
            f"shape. Received: {x_train.shape[1:]} and {x_test.shape[1:]}."
        )
    labels = parts.get("y_test")
    if labels is not None and labels.shape != x_test.shape[:1]:
        labels = None
    return Arrays(pathlib.Path(name_or_path).stem, x_train, x_test, labels)


def _digits() -> dict[str, np.ndarray]:
    """Reads the images of handwritten digits that scikit-learn ships."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The data set digits needs scikit-learn: pip install scikit-learn."
        ) from error
    bunch = load_digits()
    return {"x": bunch.images, "y": bunch.target}


def _download(name: str) -> dict[str, np.ndarray]:
    """Fetches a data set through Keras, which keeps a copy."""
    try:
        (x_train, _), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception when offline
        raise ConnectionError(
            f"The data set {name} could not be downloaded, pass the path of a file "
            f"instead: {_reason(error)}."
        ) from error
    return {"x_train": x_train, "x_test": x_test, "y_test": y_test}


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a NumPy file under the names that `load` knows."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}: expected {', '.join(NAMES)}, or {_EXPECTED}."
        )
    try:
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return {"x": stored}
            known = {"x", "y", "x_train", "x_test", "y_test"} & set(stored.files)
            parts = {key: np.asarray(stored[key]) for key in known}
            names = stored.files
    except Exception as error:  # whatever the readers of zip, zlib and NumPy raise
        raise ValueError(
            f"{path} cannot be read as {_EXPECTED}: {_reason(error)}."
        ) from error
    if "x" not in parts and not {"x_train", "x_test"} <= set(parts):
        raise ValueError(f"{path} must be {_EXPECTED}. Received: the names {names}.")
    return parts


def _reason(error: Exception) -> str:
    """Returns the first line of a message, or the kind of error if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _split(
    parts: dict[str, np.ndarray], name: str, fraction: float, seed: int
) -> dict[str, np.ndarray]:
    """Cuts `x`, and its labels `y` if there are any, into training and test."""
    if not 0 < fraction < 1:
        raise ValueError(
            f"`test_fraction` must lie between 0 and 1. Received: {fraction!r}."
        )
    x = parts["x"]
    count = len(x) if x.ndim else 0
    if count < 2:
        raise ValueError(
            f"`x` of {name} must hold at least two examples. Received: {count}."
        )
    held_out = min(max(1, round(fraction * count)), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    test, train = np.sort(order[:held_out]), np.sort(order[held_out:])
    cut = {"x_train": x[train], "x_test": x[test]}
    labels = parts.get("y")
    if labels is not None and labels.shape == (count,):
        cut["y_test"] = labels[test]
    return cut


def _checked(x: np.ndarray, what: str) -> np.ndarray:
    """Returns finite numbers as [N, D] or [N, height, width, channels]."""
    if x.dtype.kind not in "buif":
        raise ValueError(f"{what} must hold numbers. Received: dtype {x.dtype}.")
    if not 1 <= x.ndim <= 4:
        raise ValueError(
            f"{what} must be a table [N, D] or images [N, height, width] or "
            f"[N, height, width, channels]. Received: shape {x.shape}."
        )
    if x.size == 0:
        raise ValueError(f"{what} is empty: shape {x.shape}.")
    if not np.isfinite(x).all():
        raise ValueError(f"{what} must be finite. Received: NaN or infinity.")
    return x[..., None] if x.ndim in (1, 3) else x
