"""Real checkpoints in all four formats, and files that are not what they seem."""

from __future__ import annotations

import builtins
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from countenance.core.checkpoints import FactoryReference, load_checkpoint
from countenance.core.errors import CheckpointError, MissingExtraError

TINY = FactoryReference.parse("nets.py:TinyNet")
REAL = {
    "face_expression": ("FaceExpressionNet", 3, 112),
    "mini_xception": ("MiniXception", 1, 64),
    "forgery_deepfakes": ("ForgeryNet", 3, 256),
    "forgery_face2face": ("ForgeryNet", 3, 256),
}


@pytest.mark.parametrize("name", REAL)
def test_real_checkpoints_agree_in_all_four_formats(name: str, shared: Path) -> None:
    pytest.importorskip("onnxruntime")
    net, channels, size = REAL[name]
    pixels = torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(0))
    outputs = {}
    for ending in ("safetensors", "pt", "pt2", "onnx"):
        path = shared / "models" / f"{name}.{ending}"
        factory = FactoryReference.parse(f"nets.py:{net}") if ending in ("safetensors", "pt") else None
        loaded = load_checkpoint(path, factory, folder=path.parent)
        assert loaded.format == ending
        assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert loaded.batch_size is None
        assert not loaded.trusted
        with torch.no_grad():
            outputs[ending] = loaded.net(pixels)
            assert loaded.net(pixels[:1]).shape[0] == 1
    spread = outputs["pt"].std(0).max()
    assert spread > 0.01 if outputs["pt"].shape[1] > 1 else spread > 0
    for output in outputs.values():
        assert (output - outputs["pt"]).abs().max() <= 1e-4


def test_safetensors_load(tools: Any, net_folder: Path) -> None:
    net = tools.net().eval()
    path = net_folder / "model.safetensors"
    safetensors.torch.save_file(net.state_dict(), path)
    loaded = load_checkpoint(path, TINY, folder=net_folder)
    pixels = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(loaded.net(pixels), net(pixels))
    assert loaded.notes == ()


@pytest.mark.parametrize("first", [0x80, 0x89, 0x3C, 0x7B, 0x08, 0x50])
def test_the_length_of_the_header_may_begin_with_any_byte(tools: Any, net_folder: Path, first: int) -> None:
    """The length stands first in the file, and other formats are told by their first bytes."""
    path = net_folder / "model.safetensors"
    lengths = []
    for more in range(256):
        safetensors.torch.save_file(tools.net().state_dict(), path, metadata={"note": "x" * more})
        lengths.append(path.read_bytes()[0])
        if lengths[-1] == first & 0xF8:  # headers are padded to eight bytes
            break
    assert lengths[-1] == first & 0xF8
    assert load_checkpoint(path, TINY, folder=net_folder).format == "safetensors"


def test_tied_weights_need_to_be_stored_once(net_folder: Path) -> None:
    (net_folder / "tied.py").write_text(
        "from torch import nn\n"
        "class Tied(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)\n"
        "        self.b.weight = self.a.weight\n"
    )
    path = net_folder / "model.safetensors"
    state = {"a.weight": torch.eye(2), "a.bias": torch.zeros(2), "b.bias": torch.ones(2)}
    safetensors.torch.save_file(state, path)
    net: Any = load_checkpoint(path, FactoryReference.parse("tied.py:Tied"), folder=net_folder).net
    torch.testing.assert_close(net.b.weight, torch.eye(2))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.h5", b"\x89HDF\r\n", r"'\.h5' is not known; expected one of \.safetensors"),
        ("model", b"x", "expected one of"),
        ("model.pt", b"", r"empty \(0 bytes\)"),
        ("model.safetensors", b"", r"empty \(0 bytes\)"),
        ("model.pt", b"<html>not found</html>", "its content is text"),
        ("model.pt", b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        ("model.pt", bytes(range(1, 100)), r"not written by torch\.save"),
        ("model.safetensors", bytes(range(1, 100)), "cannot be read as safetensors"),
        ("model.pt2", bytes(range(1, 100)), "cannot be read as a zip archive"),
        ("model.onnx", bytes(range(1, 100)), "cannot be read as an ONNX model"),
        ("model.onnx", b"\x08", "ONNX"),
        ("model.onnx", b"\x08\x09", "no operators|ONNX"),
    ],
)
def test_files_that_are_no_checkpoint(name: str, content: bytes, words: str, net_folder: Path) -> None:
    path = net_folder / name
    path.write_bytes(content)
    factory = TINY if path.suffix in (".pt", ".safetensors") else None
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path, factory, folder=net_folder)


def test_missing_files_and_folders(net_folder: Path) -> None:
    (net_folder / "model.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*; did you mean 'model\.pt'"):
        load_checkpoint(net_folder / "modle.pt", TINY, folder=net_folder)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(net_folder / "nowhere" / "model.pt", TINY, folder=net_folder)
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint(net_folder, TINY, folder=net_folder)


def files(tools: Any, exported: bytes, folder: Path) -> dict[str, bytes]:
    state = tools.net().state_dict()
    torch.save(state, folder / "x.pt")
    return {
        "pt": (folder / "x.pt").read_bytes(),
        "pt2": exported,
        "safetensors": safetensors.torch.save(dict(state)),
    }


def test_a_file_with_the_wrong_ending_says_what_it_is(tools: Any, exported: bytes, net_folder: Path) -> None:
    pytest.importorskip("onnx")
    contents = files(tools, exported, net_folder) | {"onnx": onnx_bytes()}
    for content, data in contents.items():
        for ending in contents:
            if ending == content:
                continue
            path = net_folder / f"wrong.{ending}"
            path.write_bytes(data)
            with pytest.raises(CheckpointError, match=rf"content is a \.{content} file; rename it to \.{content}$"):
                load_checkpoint(path, TINY, folder=net_folder)


def test_truncated_files_of_every_format(tools: Any, exported: bytes, net_folder: Path) -> None:
    pytest.importorskip("onnx")
    for ending, data in (files(tools, exported, net_folder) | {"onnx": onnx_bytes()}).items():
        for part in (0.1, 0.5, 0.9, 0.99):
            path = net_folder / f"cut.{ending}"
            path.write_bytes(data[: int(len(data) * part)])
            with pytest.raises(CheckpointError):
                load_checkpoint(path, TINY if ending in ("pt", "safetensors") else None, folder=net_folder)


def test_a_whole_net_needs_no_factory(exported: bytes, net_folder: Path) -> None:
    path = net_folder / "model.pt2"
    path.write_bytes(exported)
    with pytest.raises(CheckpointError, match="leave the factory"):
        load_checkpoint(path, TINY, folder=net_folder)


# ONNX, made with the onnx package where it is installed.


def onnx_bytes(domain: str = "", kind: str = "Relu", external: str | None = None, batch: int | str = "n") -> bytes:
    import onnx
    from onnx import TensorProto, helper

    bias = helper.make_tensor("bias", TensorProto.FLOAT, [2], [1.0, 2.0])
    if external is not None:
        bias.ClearField("float_data")
        bias.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", "8")):
            bias.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node(kind, ["pixels"], ["middle"], domain=domain),
        helper.make_node("Add", ["middle", "bias"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 2])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 2])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [bias])
    imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    data: bytes = model.SerializeToString()
    assert onnx.load_from_string(data).graph.name == "g"
    return data


@pytest.fixture
def onnx_path(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return tmp_path / "model.onnx"


def test_an_onnx_net_is_called_like_any_other(onnx_path: Path) -> None:
    onnx_path.write_bytes(onnx_bytes())
    loaded = load_checkpoint(onnx_path, None, folder=onnx_path.parent)
    net: Any = loaded.net
    assert (net.input_name, net.input_shape, net.batch_size) == ("pixels", (None, 2), None)
    assert net.output_names == ("out",)
    torch.testing.assert_close(net(torch.tensor([[-1.0, 3.0]])), torch.tensor([[1.0, 5.0]]))
    with pytest.raises(CheckpointError, match=r"input of \(1, 3\); it expects \(None, 2\)"):
        net(torch.ones(1, 3))


def test_a_fixed_batch_of_an_onnx_net_is_noted(onnx_path: Path) -> None:
    onnx_path.write_bytes(onnx_bytes(batch=4))
    loaded = load_checkpoint(onnx_path, None, folder=onnx_path.parent)
    assert loaded.batch_size == 4
    assert "exactly 4 faces" in loaded.notes[0]


@pytest.mark.parametrize(
    ("domain", "kind"), [("my.company", "Steal"), ("com.microsoft", "PythonOp"), ("ai.onnx.contrib", "PyOp")]
)
def test_foreign_operators_are_refused_by_name(domain: str, kind: str, onnx_path: Path) -> None:
    onnx_path.write_bytes(onnx_bytes(domain, kind))
    with pytest.raises(CheckpointError, match=f"refused.*{domain}:{kind}"):
        load_checkpoint(onnx_path, None, folder=onnx_path.parent)


def test_external_data_beside_the_model_is_read_and_hashed(onnx_path: Path) -> None:
    import numpy as np

    onnx_path.write_bytes(onnx_bytes(external="weights.bin"))
    with pytest.raises(CheckpointError, match="no such file beside it"):
        load_checkpoint(onnx_path, None, folder=onnx_path.parent)
    weights = onnx_path.parent / "weights.bin"
    hashes = set()
    for value in (10.0, 20.0):
        weights.write_bytes(np.array([value, value], dtype="<f4").tobytes())
        loaded = load_checkpoint(onnx_path, None, folder=onnx_path.parent)
        torch.testing.assert_close(loaded.net(torch.ones(1, 2)), torch.full((1, 2), value + 1))
        hashes.add(loaded.sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/hostname", "a/../../secret.bin", "link.bin", "C:\\secret", "*/_ORT_MEM_ADDR_/*", ""],
)
def test_external_data_elsewhere_is_refused(location: str, tmp_path: Path, onnx_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    folder = tmp_path / "models"
    (folder / "a").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "model.onnx"
    path.write_bytes(onnx_bytes(external=location))
    with pytest.raises(CheckpointError, match="not in the folder of the model"):
        load_checkpoint(path, None, folder=folder)


def test_without_onnxruntime_the_install_line_is_given(onnx_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_path.write_bytes(onnx_bytes())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "countenance\[onnx\]"'):
        load_checkpoint(onnx_path, None, folder=onnx_path.parent)


def test_the_scanned_bytes_are_the_loaded_bytes(tools: Any, net_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened once, so that nobody can put another in its place between check and load."""
    path = net_folder / "model.pt"
    torch.save(tools.net().state_dict(), path)
    opened = []
    real = io_open = builtins.open

    def counting(file: Any, *args: Any, **kwargs: Any) -> Any:
        if str(file) == str(path):
            opened.append(file)
        return real(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", counting)
    monkeypatch.setattr("io.open", counting)
    assert io_open is not counting
    load_checkpoint(path, TINY, folder=net_folder)
    assert len(opened) == 1


def test_the_checks_are_imported_without_torch() -> None:
    code = "import sys, countenance.core.checkpoints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
