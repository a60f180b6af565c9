"""The wheel holds what the tree holds, and the package works where there is no repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDERS = ("core", "explain", "synth", "audit", "cards", "reports", "cli")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files belong to the package")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(root)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def tracked(root: Path) -> set[str]:
    command = ["git", "ls-files", "--", "__init__.py", "py.typed", *FOLDERS]
    return set(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\n")) - {""}


def test_the_wheel_holds_the_tracked_files_and_no_others(root: Path, wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.removeprefix("countenance/") for name in names if name.startswith("countenance/")}
    assert inside == tracked(root)


def test_the_wheel_installs_nothing_beside_the_package(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"countenance"}


def test_the_wheel_carries_licence_command_and_entry_points(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    entries = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "countenance = countenance.cli:main" in entries
    assert "[countenance.probes]" in entries


def test_the_folders_cannot_be_imported_by_their_bare_names(root: Path) -> None:
    """A stray ``import audit`` from the root must fail and not make a second copy of a module."""
    script = "import audit.performance"
    failed = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "ImportError" in failed.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, countenance; assert not {'torch', 'pandas', 'numpy', 'plotly'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", script], check=True)
