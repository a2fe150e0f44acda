"""How the command line ends: one sentence on standard error, never a traceback."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["OneSentence"]


class OneSentence(TyperGroup):
    """A group of commands whose errors are one sentence each.

    A wrong command line ends with the exit code 2. Data, files and models that
    cannot be used raise a ValueError, an OSError or an ImportError, which ends with
    the exit code 1. Any other exception is a bug and keeps its traceback.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs a command line and exits."""
        kwargs["standalone_mode"] = False
        try:
            with _without_tensorflow_messages():
                code = super().main(*args, **kwargs)
        except typer.TyperException as error:
            _say(error.format_message())
            code = error.exit_code
        except typer.Abort:
            code = 130
        except (ValueError, OSError, ImportError) as error:
            _say(str(error))
            code = 1
        if code == 130:
            _say("Stopped.")
        sys.exit(code if isinstance(code, int) else 0)


@contextlib.contextmanager
def _without_tensorflow_messages() -> Iterator[None]:
    """Closes the file descriptor that TensorFlow's C++ code writes its messages to.

    Setting TF_CPP_MIN_LOG_LEVEL in the environment leaves them to that.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _say(message: str) -> None:
    sentence = " ".join(message.split()) or "Unknown error"
    if not sentence.endswith((".", "!", "?")):
        sentence += "."
    print(f"tfvae: {sentence}", file=sys.stderr)
