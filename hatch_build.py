"""Fetches LiteRT.js for the browser page while the package is built or installed."""

import filecmp
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["VendorHook"]

# Builds with threads need headers that static hosts do not send, and those for JSPI
# serve accelerators: the page takes neither. `compat` is for older browsers.
_CORE = "@litertjs/core"
_UTILS = "@litertjs/wasm-utils"
_FILES = (
    f"{_CORE}/package.json",
    f"{_CORE}/dist/index.js",
    f"{_CORE}/wasm/litert_wasm_internal.js",
    f"{_CORE}/wasm/litert_wasm_internal.wasm",
    f"{_CORE}/wasm/litert_wasm_compat_internal.js",
    f"{_CORE}/wasm/litert_wasm_compat_internal.wasm",
    f"{_UTILS}/package.json",
    f"{_UTILS}/dist/index.js",
)
_LOCK = "package-lock.json"
_LICENSES = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*")
_SECONDS = 600


def _is_complete(page: Path) -> bool:
    """Returns whether the files are there, and are those that the lock names."""
    vendor = page / "vendor"
    there = all((vendor / name).is_file() for name in (*_FILES, _LOCK))
    return there and filecmp.cmp(page / _LOCK, vendor / _LOCK, shallow=False)


def _fetch(page: Path, npm: str, room: Path) -> Path:
    """Installs what the lock names in `room` and returns a folder of our files."""
    for name in ("package.json", _LOCK):
        shutil.copyfile(page / name, room / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(
        command,
        cwd=room,
        check=True,
        timeout=_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    modules, made = room / "node_modules", room / "vendor"
    licenses = [
        path.relative_to(modules).as_posix()
        for package in (_CORE, _UTILS)
        for pattern in _LICENSES
        for path in (modules / package).glob(pattern)
    ]
    for name in (*_FILES, *licenses):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / name, made / name)
        (made / name).chmod(0o644)
    shutil.copyfile(page / _LOCK, made / _LOCK)
    return made


class VendorHook(BuildHookInterface):
    """Fills `tfvae/export/page/vendor/` through npm, where it is not yet filled."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetches the files before wheels, archives and editable installs are made."""
        page = Path(self.root, "tfvae", "export", "page")
        if _is_complete(page):
            return
        npm = shutil.which("npm")
        if npm is None:
            self._warn("npm was not found")
            return
        with tempfile.TemporaryDirectory(dir=page, prefix=".vendor-") as room:
            try:
                made = _fetch(page, npm, Path(room))
            except (OSError, subprocess.SubprocessError) as error:
                said = str(getattr(error, "output", None) or error).strip()
                self._warn(f"npm failed: {said.splitlines()[-1] if said else error!r}")
                return
            shutil.rmtree(page / "vendor", ignore_errors=True)
            os.replace(made, page / "vendor")

    def _warn(self, reason: str) -> None:
        self.app.display_warning(
            f"tfvae is installed without LiteRT.js, because {reason}: `tfvae explore` "
            "and the web export will not work. All else does. For them install "
            "Node.js with npm, then tfvae again."
        )
