"""Imports only go down: the rooms of tfvae, the floor of each, and who may import what.

The imports are read from the source, those inside functions too; what stands under
`if TYPE_CHECKING:` is left out, for it never runs.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tfvae"

# A room is a module or folder directly under tfvae/. FACADE is tfvae/__init__.py.
FACADE = "tfvae"
FLOORS = {
    "_builtins": 0,
    "_checks": 0,
    "_chunks": 0,
    "_math": 0,
    "_xla": 0,
    "distributions": 1,
    "flows": 1,
    "networks": 1,
    "schedules": 1,
    "layers": 2,
    "priors": 2,
    "objectives": 3,
    "_data": 4,
    "_inputs": 4,
    "_noise": 4,
    "_parts": 4,
    "_passes": 4,
    "_model": 4,
    "evidence": 4,
    "export": 4,
    "training": 4,
    "vae": 5,
    "callbacks": 6,
    "datasets": 6,
    "diagnostics": 6,
    "plots": 6,
    "recipes": 7,
    FACADE: 7,
    "cli": 8,
    "__main__": 8,
}
EXTRAS = {"ai_edge_litert", "matplotlib", "rich", "scipy", "sklearn", "typer"}

FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return FACADE if first == "__init__.py" else first.removesuffix(".py")


ROOMS = sorted({_room(path) for path in FILES})


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(node: ast.AST, inside_function: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield every import that can run, and whether only a function call runs it."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, inside_function
    elif _is_type_checking(node):
        for child in node.orelse:
            yield from _imports(child, inside_function)
    else:
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, inside_function or function)


def _imported_modules(path: Path) -> Iterator[tuple[str, bool, int]]:
    """Yield the absolute name of what is imported, whether in a function, its line."""
    package = ["tfvae", *path.relative_to(PACKAGE).parent.parts]
    for node, inside_function in _imports(ast.parse(path.read_text("utf-8")), False):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = [*base, *([node.module] if node.module else [])]
            names = [".".join([*prefix, alias.name]) for alias in node.names]
        for name in names:
            yield name, inside_function, node.lineno


def _imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    for name, _, line in _imported_modules(path):
        top, *rest = name.split(".")
        if top == "tfvae":
            # `from tfvae import VAE` names no room: it goes through the facade.
            yield rest[0] if rest and rest[0] in ROOMS else FACADE, line


def test_every_room_has_a_floor() -> None:
    assert set(ROOMS) <= set(FLOORS), "give the new room a floor in this file"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_import_goes_up(path: Path) -> None:
    room = _room(path)
    upward = [
        f"line {line}: {room} (floor {FLOORS[room]}) imports {other} ({FLOORS[other]})"
        for other, line in _imported_rooms(path)
        if FLOORS[other] > FLOORS[room]
    ]
    assert not upward


def test_no_two_rooms_import_each_other() -> None:
    edges = {
        (_room(path), other)
        for path in FILES
        for other, _ in _imported_rooms(path)
        if other != _room(path)
    }
    # Floors rule out every longer cycle that is not within one floor.
    reached = set(edges)
    while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
        reached |= more
    assert not {room for room, other in reached if room == other}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_extras_are_imported_where_they_are_used(path: Path) -> None:
    if _room(path) == "cli":
        return
    at_import = [
        f"line {line}: {name}"
        for name, inside_function, line in _imported_modules(path)
        if name.split(".")[0] in EXTRAS and not inside_function
    ]
    assert not at_import, "import an optional dependency inside the function using it"


# Prints what an import of tfvae changes, beyond what its dependencies change.
PROBE = """
import json, logging, os, sys, warnings
import keras, numpy, tensorflow as tf, tensorflow_probability
from absl import logging as absl_logging

def state():
    return {
        "environment": dict(os.environ),
        "keras": [keras.config.floatx(), keras.config.epsilon(),
                  keras.config.image_data_format(), keras.config.dtype_policy().name],
        "log handlers": [repr(h) for h in logging.getLogger().handlers],
        "log levels": [logging.getLogger(n).level for n in (None, "absl")],
        "absl verbosity": absl_logging.get_verbosity(),
        "warning filters": [repr(f) for f in warnings.filters],
        "eager": tf.config.functions_run_eagerly(),
        "jit": tf.config.optimizer.get_jit(),
        "numpy random": repr(numpy.random.get_state()),
        "numpy printing": repr(numpy.get_printoptions()),
        "numpy errors": numpy.geterr(),
        "hooks": [repr(sys.excepthook), repr(sys.displayhook)],
    }

before, modules = state(), set(sys.modules)
import tfvae
after = state()
print(json.dumps({
    "changed": {k: [before[k], after[k]] for k in before if before[k] != after[k]},
    "modules": sorted({name.split(".")[0] for name in set(sys.modules) - modules}),
}))
"""


def test_import_defines_names_and_does_nothing_else() -> None:
    probe = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert probe.returncode == 0, probe.stderr
    report = json.loads(probe.stdout)
    assert report["changed"] == {}
    assert not set(report["modules"]) & EXTRAS
