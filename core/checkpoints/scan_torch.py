"""Checking a file written by ``torch.save``: the zip form and the older form of bare pickles.

- The zip form holds one pickle, ``data.pkl``, raw tensors in ``data/``, and a few notes. Any other member is
  refused, a pickle hidden among the raw tensors too. An archive with ``code/`` or ``constants.pkl`` is
  TorchScript, one with Python files or ``.data/extern_modules`` a ``torch.package``: both carry programs.
- The older form is five pickles (a magic number, a version, the machine, the content, the storage keys) and
  then raw tensors. All five are read. Anything else that starts as a pickle was not written by
  ``torch.save``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .scan_archive import hidden_pickle, is_zip, member_names, read_archive
from .scan_pickle import PickleScan, scan_pickle, scan_whole

_NOTES = {
    "version",
    "byteorder",
    ".data/serialization_id",
    ".data/version",
    ".format_version",
    ".storage_alignment",
}
_RAW = re.compile(r"data/[A-Za-z0-9_.]+")
_LEGACY_PICKLES = 5
# torch.serialization.MAGIC_NUMBER as pickle writes it behind the protocol byte: LONG1, ten bytes.
_LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."


@dataclass(frozen=True)
class TorchFile:
    """What a file of torch's is and why it would be refused (nothing when it is plain data)."""

    kind: str
    problems: tuple[str, ...]


def scan_torch_file(data: bytes, what: str) -> TorchFile:
    """Check a ``.pt`` file; kinds: state, module, torchscript, package, tar, pickle, other.

    Raises:
        CheckpointError: when the file is an archive that is damaged or not of the shape torch writes.
    """
    if is_zip(data):
        return _scan_zip(data, what)
    if data[:1] == b"\x80" and data[2:].startswith(_LEGACY_MAGIC):
        return _scan_legacy(data)
    if data[257:262] == b"ustar":
        return TorchFile("tar", ("it is a tar file of a torch older than 0.1.10, which only loads unrestricted",))
    if data[:1] == b"\x80":
        return TorchFile("pickle", ("it is a pickle that torch.save did not write",))
    return TorchFile("other", ("it was not written by torch.save",))


def _scan_zip(data: bytes, what: str) -> TorchFile:
    names = member_names(data, what)
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return TorchFile("torchscript", ("it is a TorchScript archive, which carries a program",))
    if ".data/extern_modules" in names or any(name.endswith(".py") for name in names):
        return TorchFile("package", ("it is a torch.package, which carries Python code",))
    members = read_archive(data, what).members
    if "data.pkl" not in members:
        return TorchFile("other", ("it has no data.pkl, so torch.save did not write it",))
    scan = scan_whole(members["data.pkl"])
    problems = [f"data.pkl: {problem}" for problem in scan.problems]
    for name, content in members.items():
        if name == "data.pkl" or name in _NOTES:
            continue
        if not _RAW.fullmatch(name):
            problems.append(f"{name}: torch.save writes no such member")
        elif hidden := hidden_pickle(content):
            problems.append(f"{name}: {hidden}, where a raw tensor should be")
    return TorchFile(_kind(scan), tuple(problems))


def _scan_legacy(data: bytes) -> TorchFile:
    position, problems, scan = 0, [], None
    for number in range(_LEGACY_PICKLES):
        current = scan_pickle(data, position)
        problems += [f"pickle {number + 1} of {_LEGACY_PICKLES}: {problem}" for problem in current.problems]
        if number == _LEGACY_PICKLES - 2:
            scan = current
        position = current.end
    return TorchFile(_kind(scan), tuple(problems))


def _kind(scan: PickleScan | None) -> str:
    return "module" if scan and scan.is_module else "state"
