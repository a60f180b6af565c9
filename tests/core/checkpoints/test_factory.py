"""Factories: files and modules, what goes wrong in them, and the hash of their source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

from countenance.core.checkpoints.factory import FactoryReference, build
from countenance.core.errors import CheckpointError

NETS = """
from torch import nn
from parts import SIZE

class Net(nn.Linear):
    def __init__(self, size=SIZE):
        if size < 1:
            raise ValueError("size is too small")
        super().__init__(size, 1)

def make():
    return Net()

number = 3

def text():
    return "a net"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "parts.py").write_text("SIZE = 2\n")
    return tmp_path


def test_a_file_is_found_in_the_plans_folder(folder: Path) -> None:
    built = build(FactoryReference.parse("nets.py:Net"), folder)
    assert isinstance(built.net, nn.Linear)
    assert built.net.in_features == 2
    assert isinstance(build(FactoryReference.parse("nets.py:make"), folder).net, nn.Linear)


def test_arguments_reach_the_constructor(folder: Path) -> None:
    net = build(FactoryReference.parse("nets.py:Net", {"size": 5}), folder).net
    assert isinstance(net, nn.Linear)
    assert net.in_features == 5


def test_a_module_is_imported() -> None:
    built = build(FactoryReference.parse("torch.nn:Identity"), Path())
    assert isinstance(built.net, nn.Identity)
    assert len(built.sha256) == 64


def test_two_folders_may_have_files_of_the_same_names(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "nets.py").write_text(NETS)
    (other / "parts.py").write_text("SIZE = 9\n")
    path, modules = list(sys.path), set(sys.modules)
    first, second, third = (build(FactoryReference.parse("nets.py:Net"), place) for place in (folder, other, folder))
    assert [net.net.in_features for net in (first, second, third)] == [2, 9, 2]
    assert first.sha256 == third.sha256 != second.sha256
    assert sys.path == path
    assert "parts" not in sys.modules
    assert all(name.startswith("countenance_factory_") for name in set(sys.modules) - modules)


@pytest.mark.parametrize("name", ["nets.py", "parts.py"])
def test_the_hash_follows_the_source_of_every_file(name: str, folder: Path) -> None:
    before = build(FactoryReference.parse("nets.py:Net"), folder).sha256
    with (folder / name).open("a") as file:
        file.write("\n# changed\n")
    assert build(FactoryReference.parse("nets.py:Net"), folder).sha256 != before


@pytest.mark.parametrize(
    "text", ["nets.py", "nets.py:", ":Net", "nets.py:a b", "a b:Net", "a-b.c:Net", "", "nets.py:Net()"]
)
def test_what_is_no_reference_says_the_two_forms(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"FILE\.py:NAME or PACKAGE\.MODULE:NAME"):
        FactoryReference.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nots.py:Net", r"there is no file .*nots\.py; did you mean 'nets\.py'\?"),
        ("nets.py:Nett", "has no 'Nett'; did you mean 'Net'"),
        ("nets.py:number", "a class or a function to call, got a int"),
        ("nets.py:text", r"expected a torch\.nn\.Module from text, got a str"),
        ("no.such.module:Net", "importing no.such.module failed: ModuleNotFoundError"),
    ],
)
def test_what_goes_wrong_is_named(text: str, words: str, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        build(FactoryReference.parse(text), folder)


def test_a_constructor_that_fails_gives_its_message(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Net\(size=0\) failed: ValueError: size is too small"):
        build(FactoryReference.parse("nets.py:Net", {"size": 0}), folder)


def test_a_file_that_does_not_import_gives_its_message(folder: Path) -> None:
    (folder / "broken.py").write_text("def f(:\n")
    with pytest.raises(CheckpointError, match=r"importing broken\.py failed: SyntaxError"):
        build(FactoryReference.parse("broken.py:Net"), folder)
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(CheckpointError, match=r"importing leaves\.py failed: SystemExit"):
        build(FactoryReference.parse("leaves.py:Net"), folder)
