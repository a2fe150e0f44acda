"""How many steps a call takes, and whether XLA compiles them."""

import dataclasses
import math
from collections.abc import Iterable

import keras
import tensorflow as tf

from tfvae._xla import prefers_xla

__all__ = [
    "Choice",
    "pays",
    "steps_at_once",
    "watches_batches",
]

STEPS = 50
"""Steps in a call: what a call costs by itself is then a hundredth of it."""

_USUAL_BATCH = 256
"""The batch size that is assumed where none is known."""

_STEPS_THAT_PAY = 500
_PRODUCTS_THAT_PAY = 2_000_000_000
"""What makes up for the second or two that XLA compiles: steps, or examples times
weights."""

_HOOKS = tuple(
    f"on_{kind}batch_{end}"
    for kind in ("", "train_", "test_")
    for end in ("begin", "end")
)


@dataclasses.dataclass(frozen=True)
class Choice:
    """Whether XLA compiles the steps of a model.

    Left to itself ("auto") it does where the layers allow it, the work makes up for
    the time that compiling takes, and the step is one that it makes faster.

    Attributes:
        jit_compile: True, False or "auto".
        supported: Whether every layer can be compiled.
        pays: Whether there is enough to do.
    """

    jit_compile: bool | str
    supported: bool
    pays: bool

    @property
    def is_free(self) -> bool:
        """Whether it is not the user who has chosen."""
        return self.jit_compile == "auto"

    @property
    def may_compile(self) -> bool:
        """Whether there are steps that XLA would compile."""
        return self.supported and self.pays if self.is_free else bool(self.jit_compile)

    def of(self, graph: tf.Graph) -> tuple[bool, str]:
        """Returns whether XLA compiles a step, and that in words."""
        if not self.is_free:
            compiled, reason = bool(self.jit_compile), "as `jit_compile` says"
        elif not self.supported:
            compiled, reason = False, "for a layer does not support XLA"
        elif not self.pays:
            compiled, reason = False, "for XLA takes longer to compile than to gain"
        else:
            compiled = prefers_xla(graph)
            reason = "which is faster for these networks on this device"
        name = "one XLA program" if compiled else "a plain graph"
        return compiled, f"{name}, {reason}"


def steps_at_once(batches: int | None) -> int:
    """Returns the number of steps that a call should take.

    Args:
        batches: The number of batches of an epoch, None if it is unknown.
    """
    if batches is None or batches <= STEPS:
        return batches or STEPS
    # Calls of one size, as far as that goes.
    return math.ceil(batches / math.ceil(batches / STEPS))


def pays(steps: int | None, examples: int | None, weights: int) -> bool:
    """Returns whether so much work makes up for the time that compiling takes.

    Args:
        steps: The number of steps, None if it is unknown, and then likely large.
        examples: The number of examples in all steps, None if it is unknown.
        weights: The number of weights of the model.
    """
    if steps is None or steps >= _STEPS_THAT_PAY:
        return True
    return (examples or steps * _USUAL_BATCH) * weights >= _PRODUCTS_THAT_PAY


def watches_batches(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Returns whether a callback must be called for every single batch.

    A callback of Keras that says "epoch" of its frequency does not, nor does one that
    stops the training at a NaN, which the mean loss keeps.
    """
    return any(_watches(callback) for callback in callbacks)


def _watches(callback: keras.callbacks.Callback) -> bool:
    content = [keras.callbacks.Callback, *_CONTENT]
    if getattr(callback, "save_freq", None) == "epoch":
        content += _SAVING
    if getattr(callback, "update_freq", None) == "epoch":
        content.append(keras.callbacks.TensorBoard)
    # A subclass may have hooks of its own.
    return any(
        hook in vars(callback)
        or getattr(type(callback), hook) not in [getattr(c, hook) for c in content]
        for hook in _HOOKS
    )


_CONTENT = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)
_SAVING = (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)
