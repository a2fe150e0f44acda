"""What a bound with K draws costs: K passes of the decoder and one of the encoder."""

import pytest
import tensorflow as tf
from support.small import small_vae

from tfvae.objectives import ELBO, ImportanceWeighted, Renyi

B, K = 7, 50
BOUNDS = {
    "elbo": ELBO,
    "iwae": ImportanceWeighted,
    "stl": lambda s: ImportanceWeighted(s, gradient="stl"),
    "renyi": lambda s: Renyi(0.5, num_samples=s),
}


def operations(objective) -> list[tf.Operation]:
    """Those of the losses and the logs of a step, before gradients are taken."""
    vae = small_vae()
    vae.compile("adam", objective)

    @tf.function(autograph=False)
    def estimate(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = vae._estimate(x, None, training=True)
        return found.bound, found.encoder_loss, found.decoder_loss, found.elbo

    spec = tf.TensorSpec((B, 6), tf.float32)
    return estimate.get_concrete_function(spec).graph.get_operations()


def elements(operation: tf.Operation) -> int:
    return operation.outputs[0].shape.num_elements()


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("draws", [1, K])
def test_draws_cost_passes_of_the_decoder_alone(name, draws) -> None:
    """The encoder has 8 units and 6 parameters, the decoder 8 units and 6 logits."""
    found = operations(BOUNDS[name](draws))
    products = [elements(found) for found in found if found.type == "MatMul"]
    assert sorted(products) == sorted([B * 8, B * 6, draws * B * 8, draws * B * 6])


@pytest.mark.parametrize("name", BOUNDS)
def test_the_data_are_never_tiled(name) -> None:
    copying = {"Tile", "BroadcastTo", "Fill", "GatherV2", "ConcatV2", "Pack"}
    for operation in operations(BOUNDS[name](K)):
        if operation.type in copying and operation.outputs[0].shape.rank:
            assert elements(operation) < K * B * 6
