"""How the command line ends: one sentence on standard error, never a traceback."""

from __future__ import annotations

import os
import sys
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
        # TensorFlow reads this once, when it is imported by one of the commands.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except typer.TyperException as error:
            _say(error.format_message())
            code = error.exit_code
        except typer.Abort:
            _say("Stopped.")
            code = 130
        except (ValueError, OSError, ImportError) as error:
            _say(str(error))
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    sentence = " ".join(message.split()) or "Unknown error"
    if not sentence.endswith((".", "!", "?")):
        sentence += "."
    print(f"tfvae: {sentence}", file=sys.stderr)
