"""Build hook: the folders at the root of this repository install as one package, ``countenance``.

An editable install gets a folder of links (``.editable/countenance``), so new files are seen without
installing again; a wheel gets a copy of the files that git tracks, so nothing ignored can leak into it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("__init__.py", "py.typed")
FOLDERS = ("core", "explain", "synth", "audit", "cards", "reports", "cli")


class InstallRootAsPackage(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable":
            link_package(root, root / ".editable" / "countenance")
        else:
            for file in package_files(root):
                build_data["force_include"][str(file)] = f"countenance/{file.relative_to(root).as_posix()}"


def link_package(root: Path, package: Path) -> None:
    """Make ``package`` a folder of relative links to the package's parts in ``root``."""
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for name in (*FILES, *FOLDERS):
        target = os.path.relpath(root / name, package)
        (package / name).symlink_to(target, target_is_directory=name in FOLDERS)


def package_files(root: Path) -> list[Path]:
    """List what belongs into the package: what git tracks, or in an unpacked sdist all but caches."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--", *FILES, *FOLDERS]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        return [root / name for name in listed.split("\0") if name]
    walked = (file for folder in FOLDERS for file in (root / folder).rglob("*"))
    kept = [file for file in walked if file.is_file() and "__pycache__" not in file.parts]
    return [root / name for name in FILES] + sorted(kept)
