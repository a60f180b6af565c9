"""Clean checkpoints made here, and the tools to make hostile ones of them."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

Members = dict[str, bytes]
NET_SOURCE = '''
import torch
from torch import nn


class TinyNet(nn.Module):
    """A convolution, a batch norm, a view over a size, a linear layer."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(y.reshape(x.shape[0], 4, -1).mean(-1)))
'''


class TinyNet(nn.Module):
    """The same net as NET_SOURCE, for tests that need it here."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(y.reshape(x.shape[0], 4, -1).mean(-1)))


def save_program(program: Any) -> bytes:
    """torch.export.save to bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch 2.13's own copy of a program touches a deprecated class of its own while saving.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        torch.export.save(program, buffer)
    return buffer.getvalue()


def export(net: nn.Module, example: Tensor, dynamic: Any = None, decompose: bool = False) -> bytes:
    """Export a net and save it to bytes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        program = torch.export.export(net, (example,), dynamic_shapes=dynamic)
        if decompose:
            program = program.run_decompositions()
    return save_program(program)


def members_of(data: bytes) -> Members:
    """The members of an archive, without the root folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def pack(members: Members, root: str = "archive") -> bytes:
    """Write an archive as torch does: stored, under one root."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}"), content)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def tools() -> Any:
    """The functions above, for test modules that cannot import this file."""

    class Tools:
        net = TinyNet
        source = NET_SOURCE
        export = staticmethod(export)
        save_program = staticmethod(save_program)
        members_of = staticmethod(members_of)
        pack = staticmethod(pack)

        @staticmethod
        def edit(data: bytes, change: Callable[[Members], None]) -> bytes:
            members = members_of(data)
            change(members)
            return pack(members)

        @staticmethod
        def edit_graph(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
            members = members_of(data)
            program = json.loads(members["models/model.json"])
            change(program)
            members["models/model.json"] = json.dumps(program).encode()
            return pack(members)

    return Tools


@pytest.fixture(scope="session")
def exported() -> bytes:
    """A clean exported TinyNet with a dynamic batch and a small buffer of constants."""
    return export(TinyNet().eval(), torch.rand(2, 3, 8, 8), ({0: torch.export.Dim("batch")},))


@pytest.fixture
def net_folder(tmp_path: Path) -> Path:
    """A folder with nets.py, as a plan's folder has it."""
    (tmp_path / "nets.py").write_text(NET_SOURCE)
    return tmp_path
