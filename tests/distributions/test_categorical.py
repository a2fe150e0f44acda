"""The categorical distribution: every number, and every number of classes."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from support.comparison import assert_exact
from tensorflow_probability import distributions as tfd

from tfvae import distributions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0, 1e5])
def test_against_scipy(dtype, spread) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, spread, (2000, 10)).astype(dtype)
    k = rng.integers(0, 10, 2000)
    expected = special.log_softmax(np.float64(logits), axis=-1)[np.arange(2000), k]
    p = distributions.Categorical(logits)
    for numbers in (k, k.astype(np.uint8), k.astype(np.int64), k.astype(dtype)):
        assert_exact(p.log_prob(numbers), expected, dtype)
    assert_exact(p.log_prob(k), tfd.Categorical(logits).log_prob(k), "float32")


def test_what_is_no_class() -> None:
    p = distributions.Categorical(np.zeros((2, 3), np.float32))
    for k in (-1, 3, -1.0, 0.5, 2.5, 3.0, np.inf):
        np.testing.assert_array_equal(p.log_prob(k), [-np.inf, -np.inf])
        np.testing.assert_array_equal(p.prob(k), [0, 0])


def convert(p) -> bytes:
    concrete = tf.function(lambda k: p.log_prob(k), autograph=False)
    concrete = concrete.get_concrete_function(tf.TensorSpec([5], tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], concrete)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def test_seven_classes_are_a_matter_of_builtin_operations() -> None:
    logits = np.zeros((5, 7), np.float32)
    plain = tfd.Categorical(
        logits, dtype=tf.float32, force_probs_to_zero_outside_support=True
    )
    with pytest.raises(Exception, match="Relu6"):
        convert(plain)
    assert convert(distributions.Categorical(logits, dtype=tf.float32))
