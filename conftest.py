"""What tests and doctests share: a quiet TensorFlow on the CPU, and names."""

import os

# TensorFlow reads both when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

# Before pytest imports the modules of the package one by one, which would make some of
# their classes twice.
import tfvae


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of how much of the grid of combinations is tested."""
    parser.addoption(
        "--full-grid",
        metavar="PART/PARTS",
        help="test every combination of layers and priors; 1/1 for all of them",
    )


@pytest.fixture(autouse=True, scope="session")
def _names(doctest_namespace: dict[str, Any]) -> None:
    """Give the examples in docstrings the names that the README imports."""
    doctest_namespace.update(keras=keras, np=np, tf=tf, tfp=tfp, tfvae=tfvae)
