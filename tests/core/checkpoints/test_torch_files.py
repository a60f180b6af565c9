"""``.pt`` files: hostile ones run nothing, odd archives are refused, plain ones load."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from countenance.core.checkpoints import FactoryReference, load_checkpoint
from countenance.core.checkpoints.scan_archive import read_archive, rewrite
from countenance.core.errors import CheckpointError

TINY = FactoryReference.parse("nets.py:TinyNet")


class Touch:
    """Unpickles by touching a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return eval, (f"__import__('pathlib').Path({str(self.marker)!r}).touch()",)


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def hostile_module(tools: Any, marker: Path) -> bytes:
    """A whole pickled net with a payload among its attributes."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    net.extra = Touch(marker)
    return saved(net)


HOSTILE: dict[str, Callable[[Any, Path], bytes]] = {
    "whole net": hostile_module,
    "payload in a state dict": lambda tools, marker: saved({"weight": torch.ones(2), "bias": Touch(marker)}),
    "payload under a wrapper": lambda tools, marker: saved(
        {"state_dict": {"w": torch.ones(2)}, "epoch": Touch(marker)}
    ),
    "older form": lambda tools, marker: saved({"w": Touch(marker)}, _use_new_zipfile_serialization=False),
    "older form, first pickle": lambda tools, marker: (
        pickle.dumps(Touch(marker), 2) + saved({}, _use_new_zipfile_serialization=False)
    ),
    "older form, storage keys": lambda tools, marker: hostile_keys(marker),
    "protocol 4": lambda tools, marker: saved({"w": Touch(marker)}, pickle_protocol=4),
    "bare pickle": lambda tools, marker: pickle.dumps({"w": Touch(marker)}),
}


def hostile_keys(marker: Path) -> bytes:
    """The last of the five pickles of the older form has the payload."""
    clean = saved({"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    stream = io.BytesIO(clean)
    for _ in range(3):
        pickle.load(stream)
    head = stream.tell()
    body = pickle.dumps({"plain": 1}, 2)
    return clean[:head] + body + pickle.dumps([Touch(marker)], 2)


LOAD_ALL = """
import sys, torch, pathlib, warnings
warnings.simplefilter("ignore")
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.pt")):
    try:
        torch.load(file, weights_only=False)
    except BaseException as error:
        print(file.stem, type(error).__name__, str(error)[-200:])
"""


@pytest.fixture(scope="module")
def hostile(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "nets.py").write_text(tools.source)
    for name, make in HOSTILE.items():
        (folder / f"{name}.pt").write_bytes(make(tools, folder / f"{name}_ran"))
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_runs_nothing(name: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def loaded(*_: Any, **__: Any) -> None:
        given.append("torch was given the file")
        raise ValueError(given[0])

    monkeypatch.setattr(torch, "load", loaded)
    with pytest.raises(CheckpointError, match="refused before loading") as caught:
        load_checkpoint(hostile / f"{name}.pt", TINY, folder=hostile)
    assert given == []
    assert not (hostile / f"{name}_ran").exists()
    assert "--trust-checkpoint on the command line" in str(caught.value)


def test_plain_torch_runs_the_hostile_files(hostile: Path) -> None:
    """The positive control, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", LOAD_ALL, str(hostile)], capture_output=True, text=True, check=True)
    ran = {name for name in HOSTILE if (hostile / f"{name}_ran").exists()}
    for marker in hostile.glob("*_ran"):
        marker.unlink()
    assert ran == set(HOSTILE), done.stdout


def test_a_whole_net_is_told_what_to_do(tools: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(saved(torch.nn.Sequential(torch.nn.Linear(2, 2))))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, None, folder=tmp_path)
    assert "torch.save(net.state_dict(), 'model.pt')" in str(caught.value)
    assert "factory: nets.py:YourNet" in str(caught.value)
    loaded = load_checkpoint(path, None, trust=True, folder=tmp_path)
    assert loaded.trusted
    assert not loaded.net.training  # type: ignore[attr-defined]
    assert loaded.net(torch.ones(1, 2)).shape == (1, 2)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # making one is deprecated, and so is reading it
def test_torchscript_is_refused_unless_trusted(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2).eval(), torch.ones(1, 2)), path)
    with pytest.raises(CheckpointError, match=r"(?s)TorchScript.*torch\.export\.save"):
        load_checkpoint(path, None, folder=tmp_path)
    assert load_checkpoint(path, None, trust=True, folder=tmp_path).net(torch.ones(1, 2)).shape == (1, 2)


def test_a_torch_package_is_refused(tmp_path: Path, tools: Any) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(
        tools.pack({".data/extern_modules": b"os", "model/model.pkl": b"\x80\x02}.", "data.pkl": b"\x80\x02}."})
    )
    with pytest.raises(CheckpointError, match=r"torch\.package"):
        load_checkpoint(path, None, folder=tmp_path)


def test_the_old_tar_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"storages".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"))
    with pytest.raises(CheckpointError, match="tar"):
        load_checkpoint(path, None, folder=tmp_path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [None, "state_dict", "model_state_dict", "model"])
def test_state_dicts_load_bare_or_wrapped(wrap: str | None, legacy: bool, tools: Any, net_folder: Path) -> None:
    net = tools.net().eval()
    value = net.state_dict() if wrap is None else {wrap: net.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}}
    path = net_folder / "model.pth"
    path.write_bytes(saved(value, _use_new_zipfile_serialization=not legacy))
    loaded = load_checkpoint(path, TINY, folder=net_folder)
    pixels = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(loaded.net(pixels), net(pixels))
    assert loaded.format == "pt"
    assert not loaded.net.training  # type: ignore[attr-defined]
    assert loaded.factory_sha256 is not None
    assert loaded.notes == (
        ()
        if wrap is None
        else (f"the state dict was taken from the entry {wrap!r}; ignored beside it: epoch, optimizer",)
    )


def test_prefixes_of_wrapped_nets_are_dropped_and_noted(tools: Any, net_folder: Path) -> None:
    state = tools.net().state_dict()
    path = net_folder / "model.pt"
    path.write_bytes(saved({f"module.{key}": value for key, value in state.items()}))
    assert "'module.'" in load_checkpoint(path, TINY, folder=net_folder).notes[0]
    path.write_bytes(saved({f"module._orig_mod.{key}": value for key, value in state.items()}))
    assert len(load_checkpoint(path, TINY, folder=net_folder).notes) == 2


def test_a_state_dict_that_does_not_fit_names_its_keys(tools: Any, net_folder: Path) -> None:
    state = OrderedDict(tools.net(classes=5).state_dict())
    state["head.weight"] = torch.ones(2, 2)
    del state["conv.bias"]
    path = net_folder / "model.pt"
    path.write_bytes(saved(state))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, TINY, folder=net_folder)
    text = str(caught.value)
    assert "1 missing from the checkpoint: conv.bias (4,)" in text
    assert "1 unexpected in the checkpoint: head.weight (2, 2)" in text
    assert "fc.weight is (5, 4) in the checkpoint and (3, 4) in the net" in text
    assert "fc.bias is (5,) in the checkpoint and (3,) in the net" in text


def test_a_shared_prefix_is_hinted_at(tools: Any, net_folder: Path) -> None:
    path = net_folder / "model.pt"
    path.write_bytes(saved({f"backbone.{key}": value for key, value in tools.net().state_dict().items()}))
    with pytest.raises(CheckpointError, match=r"checkpoint's keys have 'backbone\.' in front"):
        load_checkpoint(path, TINY, folder=net_folder)


def test_half_precision_and_missing_counters_are_noted(tools: Any, net_folder: Path) -> None:
    state = {key: value.half() for key, value in tools.net().state_dict().items() if "num_batches" not in key}
    path = net_folder / "model.pt"
    path.write_bytes(saved(state))
    notes = " ".join(load_checkpoint(path, TINY, folder=net_folder).notes)
    assert "batch counters" in notes
    assert "torch.float16" in notes


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([torch.ones(2)], "holds a list"),
        ({}, "holds no tensors"),
        ({"a": 1, "b": torch.ones(2)}, "'a' (int)"),
        ({"state_dict": {}}, "holds no tensors"),
        (torch.ones(3), "holds a Tensor"),
    ],
)
def test_what_is_no_state_dict_is_named(value: Any, words: str, net_folder: Path) -> None:
    path = net_folder / "model.pt"
    path.write_bytes(saved(value))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, TINY, folder=net_folder)
    assert words in str(caught.value)


def test_a_state_dict_needs_a_factory(tools: Any, net_folder: Path) -> None:
    path = net_folder / "model.pt"
    path.write_bytes(saved(tools.net().state_dict()))
    with pytest.raises(CheckpointError, match=r"factory: FILE\.py:NAME"):
        load_checkpoint(path, None, folder=net_folder)


# Archives that two readers could read differently.

CLEAN = {"data.pkl": pickle.dumps({}, 2), "version": b"3\n"}


def central_name(data: bytes, old: bytes, new: bytes) -> bytes:
    """Change a name in the central directory only."""
    start = data.index(b"PK\x01\x02")
    return data[:start] + data[start:].replace(old, new)


def flags(data: bytes, value: int) -> bytes:
    """Set the flags of the first member in both places."""
    start = data.index(b"PK\x01\x02")
    data = data[:6] + struct.pack("<H", value) + data[8:]
    return data[: start + 8] + struct.pack("<H", value) + data[start + 10 :]


def raw_zip(names: list[str], method: int = zipfile.ZIP_STORED, content: bytes = b"x" * 64) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def duplicated() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):  # zipfile warns whoever writes such a file
        return raw_zip(["a/data.pkl", "a/data.pkl"])


def overlapping() -> bytes:
    data = raw_zip(["a/data.pkl", "a/version.."])
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    return data[: second + 42] + struct.pack("<L", 0) + data[second + 46 :]


ARCHIVES: dict[str, tuple[Callable[[Any], bytes], str]] = {
    "duplicate names": (lambda tools: duplicated(), "same name"),
    "names equal but for case": (lambda tools: raw_zip(["a/data.pkl", "a/DATA.pkl"]), "same name"),
    "path upwards": (lambda tools: raw_zip(["a/../data.pkl"]), "plain relative path"),
    "absolute path": (lambda tools: raw_zip(["/data.pkl"]), "plain relative path"),
    "backslash": (lambda tools: raw_zip(["a/b\\data.pkl"]), "plain relative path"),
    "no folder": (lambda tools: raw_zip(["data.pkl"]), "plain relative path"),
    "folder entry": (lambda tools: raw_zip(["a/"]), "plain relative path"),
    "two roots": (lambda tools: raw_zip(["a/data.pkl", "b/data.pkl"]), "several folders"),
    "not ascii": (lambda tools: raw_zip(["a/dätä.pkl"]), "plain relative path"),
    "compressed": (lambda tools: raw_zip(["a/data.pkl"], zipfile.ZIP_DEFLATED), "compressed"),
    "zip bomb": (lambda tools: raw_zip(["a/data.pkl"], zipfile.ZIP_DEFLATED, bytes(20_000_000)), "compressed"),
    "encrypted": (lambda tools: flags(tools.pack(CLEAN), 1), "encrypted"),
    "other name in its own header": (
        lambda tools: central_name(tools.pack(CLEAN), b"data.pkl", b"code.pkl"),
        "in its own header",
    ),
    "something in front": (lambda tools: b"PK\x03\x04junk" + tools.pack(CLEAN), "does not start|has no header"),
    "something behind": (lambda tools: tools.pack(CLEAN) + b"junk", "follows its last record|cannot be read"),
    "overlapping members": (lambda tools: overlapping(), "does not start|in its own header"),
    "truncated": (lambda tools: tools.pack(CLEAN)[:-30], "truncated"),
    "truncated at the start": (lambda tools: tools.pack(CLEAN)[:40], "truncated"),
    "changed content": (lambda tools: tools.pack(CLEAN).replace(b"3\n", b"4\n"), "checksum"),
    "a strange member": (lambda tools: tools.pack({**CLEAN, "notes.txt": b"x"}), "torch.save writes no such member"),
    "a pickle among the tensors": (
        lambda tools: tools.pack({**CLEAN, "data/0": pickle.dumps(Touch(Path("x")), 2)}),
        "is a pickle that imports builtins.eval",
    ),
    "an archive among the tensors": (
        lambda tools: tools.pack({**CLEAN, "data/0": tools.pack(CLEAN)}),
        "is a zip archive",
    ),
    "bytes behind the pickle": (
        lambda tools: tools.pack({**CLEAN, "data.pkl": CLEAN["data.pkl"] + b"x"}),
        "follow its end",
    ),
    "no pickle": (lambda tools: tools.pack({"version": b"3\n", "other": b"1"}), r"no data\.pkl|content is a zip"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_odd_archives_are_refused(case: str, tools: Any, net_folder: Path) -> None:
    make, words = ARCHIVES[case]
    path = net_folder / "model.pt"
    path.write_bytes(make(tools))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path, TINY, folder=net_folder)


def test_every_truncation_gives_a_clear_error(tools: Any, net_folder: Path) -> None:
    """Cut a file anywhere: one error for the user, nothing else."""
    for legacy in (False, True):
        data = saved(tools.net().state_dict(), _use_new_zipfile_serialization=not legacy)
        for cut in range(1, len(data), max(len(data) // 40, 1)):
            path = net_folder / "model.pt"
            path.write_bytes(data[:cut])
            with pytest.raises(CheckpointError):
                load_checkpoint(path, TINY, folder=net_folder)


def test_a_rewritten_archive_holds_the_same_members(exported: bytes) -> None:
    archive = read_archive(exported, "model.pt2")
    again = read_archive(rewrite(archive), "model.pt2")
    assert again == archive
