"""The peers' virtual environments, which are made once, with pip and by name."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["DEFAULT", "HERE", "python"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEFAULT = ROOT / ".venv-bench"
"""Where they go, which git ignores."""

TORCH = "2.13.0"
"""The release of which a build without CUDA is at hand here."""

PACKAGES = {
    "torch": ((f"torch=={TORCH}",), ("pythae",)),
    "jax": (("jax", "optax"),),
    # One installation, so that every peer on TensorFlow runs the same one.
    "tensorflow": (("-e", str(ROOT)),),
}
"""What pip is given, call by call."""

PEERS = {
    "torch": "torch",
    "pythae": "torch",
    "jax": "jax",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "tfp_layers": "tensorflow",
    "tfvae": "tensorflow",
}
"""The environment of each `peer_*.py`."""


def python(peer: str, folder: Path) -> str:
    """Returns the interpreter of a peer, whose environment is made if it is not there.

    Args:
        peer: One of `PEERS`.
        folder: Where environments are kept.
    """
    name = PEERS[peer]
    # No resolving of links: a virtual environment is told by the path.
    environment = folder.absolute() / name
    interpreter, done = environment / "bin" / "python", environment / "complete"
    if not done.exists():
        print(f"Making the environment {name} ...", file=sys.stderr, flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        venv.create(environment, with_pip=True)
        for packages in PACKAGES[name]:
            command = [str(interpreter), "-m", "pip", "install", "--quiet", *packages]
            subprocess.run(command, check=True)
        done.touch()
    return str(interpreter)
