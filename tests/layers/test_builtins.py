"""What layers compute in LiteRT, from its builtin operations alone."""

import numpy as np
import pytest
import tensorflow as tf
from support.cases import categorical, discretized, low_rank, robust
from support.layer_cases import names, standard

from tfvae._builtins import builtins_only

# One form of each class.
CASES = list(
    {
        case.cls: case
        for module in (robust, categorical, discretized, low_rank)
        for case in module.CASES
    }.values()
)
NATS = ("log_q", "log_p")


def converted(layer, function, features, noise):
    """The outputs of LiteRT's interpreter, by name."""
    from ai_edge_litert.interpreter import Interpreter

    module = tf.Module()
    module.layer = layer
    module.function = tf.function(
        function,
        input_signature=[
            tf.TensorSpec(features.shape, tf.float32, "features"),
            tf.TensorSpec(noise.shape, tf.float32, "noise"),
        ],
        autograph=False,
    )
    with builtins_only():
        concrete = module.function.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    runner = Interpreter(model_content=content).get_signature_runner()
    return runner(features=features, noise=noise)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_builtins_give_the_same_numbers(case) -> None:
    event = (4, 3, 2) if case.image else (5,)
    layer = case.layer(event, projection=None)
    rng = np.random.default_rng(0)
    width = sum(case.oracle(event).sizes.values())
    features = rng.normal(size=(3, width)).astype(np.float32)
    noise = standard(layer, (2, 3), rng).astype(np.float32)
    layer.build(features.shape)

    def numbers(features, noise):
        q = layer(features)
        x, log_q = layer.transform(q, noise)
        outputs = {"x": x, "log_q": log_q, "log_p": q.log_prob(x)}
        outputs["location"] = layer.location(q)
        stddev = layer.stddev(q)
        return outputs if stddev is None else outputs | {"stddev": stddev}

    expected = numbers(tf.constant(features), tf.constant(noise))
    actual = converted(layer, numbers, features, noise)
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        rtol = 1e-4 if name in NATS else 1e-5
        np.testing.assert_allclose(actual[name], value, rtol=rtol, atol=1e-5)
