"""Modules that are executed a second time."""

import contextlib
import importlib
from collections.abc import Iterator


@contextlib.contextmanager
def imported_again(name: str) -> Iterator[None]:
    """Executes a module again; afterwards its names are those of before.

    Otherwise classes of later tests would not be those that other modules took.
    """
    module = importlib.import_module(name)
    before = dict(vars(module))
    try:
        importlib.reload(module)
        yield
    finally:
        vars(module).clear()
        vars(module).update(before)
