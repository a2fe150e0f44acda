"""What a round is for models of Keras 3, which all have the same `fit`."""

from collections.abc import Callable
from typing import Any

import keras
import worker

__all__ = ["variants"]

Round = Callable[[], Any]


def variants(
    compiled: Callable[[worker.Task], keras.Model],
) -> dict[str, Callable[[worker.Task], Round]]:
    """Returns the variants of tasks for a function that makes a compiled model."""

    def train(task: worker.Task) -> Round:
        """Epochs, and the loss of the last one."""
        x, vae = task.load(), compiled(task)

        def take() -> float:
            run = vae.fit(x, batch_size=task.batch_size, epochs=task.epochs, verbose=0)
            return run.history["loss"][-1]

        return take

    def first_step(task: worker.Task) -> Round:
        """A new model and one step of it."""
        x = task.load()

        def take() -> float:
            vae = compiled(task)
            run = vae.fit(
                x, batch_size=task.batch_size, steps_per_epoch=1, epochs=1, verbose=0
            )
            return run.history["loss"][-1]

        return take

    def memory(task: worker.Task) -> Round:
        """Epochs, and the memory after each of them."""
        x, vae = task.load(), compiled(task)

        def take() -> dict[str, Any]:
            seen: list[float] = []
            watch = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda *_: seen.append(worker.memory())
            )
            run = vae.fit(
                x,
                batch_size=task.batch_size,
                epochs=task.epochs,
                verbose=0,
                callbacks=[watch],
            )
            return {
                "value": run.history["loss"][-1],
                "after epochs": seen,
                "array": x.nbytes / 2**20,
                "weights": sum(w.numpy().nbytes for w in vae.trainable_weights) / 2**20,
            }

        return take

    return {"train": train, "first_step": first_step, "memory": memory}
