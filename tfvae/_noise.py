"""The seeds of a model's own draws."""

import random
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae._math import as_seed, fold_in

__all__ = ["Noise"]

_TRAINING, _EVALUATION, _CALLS = 2**31 - 1, 2**31 - 2, 2**31 - 3
"""Tags that keep the streams apart, and from what `as_seed` makes of a user's seed:
the numbers folded into that are indices of blocks, which never come near."""


class Noise:
    """Three streams of seeds, int32[2], which share no draw.

    Training takes a new seed at each step and calls take a new one each time: how many
    were taken is a state, to be saved with the model. Evaluation numbers its batches by
    the examples before them, so that it repeats itself.

    Args:
        seed: A non-negative int below 2**62, or None for one from Python's generator,
            which `keras.utils.set_random_seed` seeds.
    """

    def __init__(self, seed: int | None) -> None:
        base = random.randrange(2**31) if seed is None else seed
        self.state = keras.Variable(
            np.array([base, 0, 0], np.int64),
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="noise",
        )

    def for_training(self) -> tf.Tensor:
        """The seed of the next training step."""
        return self._advance(1, _TRAINING)

    def for_call(self) -> tf.Tensor:
        """The seed of the next call that was given none."""
        return self._advance(2, _CALLS)

    def for_evaluation(self, examples: Any) -> tf.Tensor:
        """The seed of a batch that comes after so many examples."""
        return self._seed(_EVALUATION, examples)

    def _advance(self, place: int, tag: int) -> tf.Tensor:
        seed = self._seed(tag, tf.convert_to_tensor(self.state)[place])
        self.state.assign_add(np.eye(3, dtype=np.int64)[place])
        return seed

    def _seed(self, tag: int, number: Any) -> tf.Tensor:
        base = tf.convert_to_tensor(self.state)[0]
        pair = as_seed(tf.stack([base % 2**31, base // 2**31]))
        seed = fold_in(fold_in(pair, tag), number)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return seed
        return fold_in(seed, replica.replica_id_in_sync_group)
