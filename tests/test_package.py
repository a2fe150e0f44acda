"""What is shipped: public names, their docstrings, versions, the wheel's contents."""

import ast
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import FunctionType, ModuleType

import keras
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tensorflow_probability import distributions as tfd

import tfvae

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tfvae"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

# A public module is tfvae itself or a room of it: a module or folder directly under it.
FILES = {
    "tfvae": PACKAGE / "__init__.py",
    **{
        f"tfvae.{path.stem}": path
        for path in sorted(PACKAGE.glob("*.py"))
        if not path.stem.startswith("_")
    },
    **{
        f"tfvae.{path.parent.name}": path
        for path in sorted(PACKAGE.glob("*/__init__.py"))
        if not path.parent.name.startswith("_")
    },
}


def _names_bound(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.ImportFrom(module=module, names=aliases, level=level):
            ours = level or (module or "").split(".")[0] == "tfvae"
            return {a.asname or a.name for a in aliases} if ours else set()
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def _public_classes(module: ModuleType) -> list[type]:
    members = (getattr(module, name) for name in module.__all__)
    return [member for member in members if inspect.isclass(member)]


@pytest.mark.parametrize(("name", "path"), FILES.items(), ids=FILES.keys())
def test_all_is_written_out_and_complete(name: str, path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    lists = [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and [ast.unparse(target) for target in statement.targets] == ["__all__"]
    ]
    assert len(lists) == 1, "one `__all__ = [...]` is expected"
    exported = ast.literal_eval(lists[0])
    assert len(exported) == len(set(exported))

    module = importlib.import_module(name)
    assert [item for item in exported if not hasattr(module, item)] == []

    bound = set().union(*map(_names_bound, tree.body))
    public = {item for item in bound if not item.startswith("_")}
    if path.name != "__init__.py":
        # A single-file room imports from the rooms below it for its own use.
        public = {
            item
            for item in public
            if getattr(getattr(module, item), "__module__", name) == name
            and not inspect.ismodule(getattr(module, item))
        }
    assert public - set(exported) == set()


@pytest.mark.parametrize("name", FILES)
def test_every_public_object_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    members = {public: getattr(module, public) for public in module.__all__}
    # A class must have its own docstring; a method may inherit its base's.
    undocumented = [
        public
        for public, member in members.items()
        if (inspect.isclass(member) and not vars(member).get("__doc__"))
        or (inspect.isfunction(member) and not member.__doc__)
    ]
    undocumented += [
        f"{cls.__name__}.{attribute}"
        for cls in _public_classes(module)
        for attribute, value in vars(cls).items()
        if not attribute.startswith("_")
        and isinstance(value, FunctionType | property | classmethod | staticmethod)
        and not inspect.getdoc(getattr(cls, attribute))
    ]
    assert undocumented == []


# Folders of one small file per family, where an export is easily forgotten.
FAMILIES = ["distributions", "layers", "objectives", "priors"]


@pytest.mark.parametrize("name", [f"tfvae.{family}" for family in FAMILIES])
def test_every_leaf_class_of_a_family_is_exported(name: str) -> None:
    room = importlib.import_module(name)
    defined = {
        member
        for path in FILES[name].parent.glob("[!_]*.py")
        for member in vars(importlib.import_module(f"{name}.{path.stem}")).values()
        if inspect.isclass(member)
        and member.__module__.startswith(f"{name}.")
        and not member.__name__.startswith("_")
    }
    family = tfd.Distribution if name == "tfvae.distributions" else keras.layers.Layer
    leaves = {
        cls
        for cls in defined
        if issubclass(cls, family)
        and not any(cls in other.__mro__[1:] for other in defined)
    }
    assert leaves - set(_public_classes(room)) == set()


def test_versions_agree() -> None:
    assert importlib.metadata.version("tfvae") == tfvae.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[?([^\]\s]+)", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == tfvae.__version__


def test_lowest_versions_are_the_bounds_that_are_declared() -> None:
    optional = PROJECT["optional-dependencies"]
    extras = {extra for extra in optional if extra not in ("all", "dev", "tutorials")}
    runtime = [*PROJECT["dependencies"], *(r for e in extras for r in optional[e])]
    bounds = {
        canonicalize_name(requirement.name): specifier.version
        for requirement in map(Requirement, [*runtime, *optional["dev"]])
        for specifier in requirement.specifier
        if specifier.operator == ">="
    }
    lines = (ROOT / "tests" / "lowest.txt").read_text("utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))

    # TensorFlow Probability asks for tf-keras, whose versions are TensorFlow's.
    assert lowest.pop("tf-keras") == lowest["tensorflow"]
    # Setuptools is there for distutils, which every version of it has had.
    names = {canonicalize_name(Requirement(line).name) for line in runtime}
    assert names - set(lowest) == {"setuptools"}
    for name, version in lowest.items():
        assert Version(version) == Version(bounds[name]), name


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    build = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (n for n in names if n.endswith("entry_points.txt"))
        assert "tfvae = tfvae.cli:app" in archive.read(entry_points).decode()
    assert "tfvae/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tfvae"}
    sources = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
