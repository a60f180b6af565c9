"""Reading the zip archives torch writes, strictly, so that what was checked is what torch will read.

torch reads archives with its own C++ reader, this module with Python: an archive that two readers could read
differently would let a harmless member be checked and a hostile one be loaded. So only archives of the exact
shape torch writes are accepted:

- the first member starts at byte 0, members do not overlap, nothing follows the end record, no comment;
- every member is stored, not compressed or encrypted (so no zip bomb: nothing grows), and its checksum holds;
- the local header of a member says the same name, method and size as the central directory;
- all names lie under one root folder, are relative, plain ASCII, without ``..``, backslashes or empty parts,
  and no two are equal, not even when upper and lower case are taken as one (torch's reader looks names up
  that way).

:func:`rewrite` then makes a fresh archive from the checked members, and torch is given that one: whatever
else the original file holds between its members, torch never sees it.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass

from ..errors import CheckpointError
from .scan_pickle import looks_like_pickle, scan_pickle
from .text import printable

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_END_RECORD = b"PK\x05\x06"
_END_RECORD_SIZE = 22
_ENCRYPTED_OR_PATCHED = 0x1 | 0x20 | 0x40
_ZIP64_SIZE = 0xFFFFFFFF
_MOST_MEMBERS = 100_000
_NAME = re.compile(r"[ -.0-\[\]-~]+(/[ -.0-\[\]-~]+)*")


@dataclass(frozen=True)
class Archive:
    """The checked content of one archive: member names without the root folder, in the archive's order."""

    root: str
    members: dict[str, bytes]


def is_zip(data: bytes) -> bool:
    """Whether ``data`` starts as a zip archive does."""
    return data[:4] == b"PK\x03\x04"


def read_archive(data: bytes, what: str) -> Archive:
    """Read every member of the archive in ``data``; ``what`` names it in messages.

    Raises:
        CheckpointError: when the archive is damaged, or not of the shape torch writes.
    """
    entries, comment = _directory(data, what)
    if comment or data[-_END_RECORD_SIZE : -_END_RECORD_SIZE + 4] != _END_RECORD:
        raise _odd(what, "something follows its last record")
    if not entries or len(entries) > _MOST_MEMBERS:
        raise _odd(what, f"it has {len(entries)} members")
    _check_names(what, [entry.orig_filename for entry in entries])
    members: dict[str, bytes] = {}
    position = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < position or (position == 0 and entry.header_offset != 0):
            raise _odd(what, f"its member {printable(entry.filename)} does not start where it should")
        start = _content_start(data, entry, what)
        position = start + entry.file_size
        content = data[start:position]
        if zlib.crc32(content) != entry.CRC:
            raise CheckpointError(
                f"{what} is damaged: the checksum of its member {printable(entry.filename)} does not hold; "
                "copy or download it again"
            )
        members[entry.filename] = content
    root = entries[0].filename.partition("/")[0]
    return Archive(root, {entry.filename[len(root) + 1 :]: members[entry.filename] for entry in entries})


def member_names(data: bytes, what: str) -> set[str]:
    """List the members of an archive of any shape, without the root folder, only to tell what it is.

    Raises:
        CheckpointError: when it cannot be read as an archive at all.
    """
    return {entry.filename.partition("/")[2] for entry in _directory(data, what)[0]}


def rewrite(archive: Archive) -> bytes:
    """Write the checked members into a fresh archive of the plainest form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as fresh:
        for name, content in archive.members.items():
            fresh.writestr(zipfile.ZipInfo(f"{archive.root}/{name}"), content)
    return buffer.getvalue()


def hidden_pickle(content: bytes) -> str | None:
    """Return why ``content``, which should be plain data, is not: it is a pickle that imports, or an archive."""
    if is_zip(content):
        return "is a zip archive"
    if looks_like_pickle(content):
        scan = scan_pickle(content)
        if scan.imports and scan.end == len(content):
            return f"is a pickle that imports {printable(scan.imports[0])}"
    return None


def _directory(data: bytes, what: str) -> tuple[list[zipfile.ZipInfo], bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            comment = archive.comment
    except (
        zipfile.BadZipFile,
        struct.error,
        ValueError,
        NotImplementedError,
        EOFError,
        OverflowError,
    ) as error:
        raise CheckpointError(
            f"{what} cannot be read as a zip archive ({error}): it may be truncated; copy or download it again"
        ) from error
    return entries, comment


def _check_names(what: str, names: list[str]) -> None:
    seen: dict[str, str] = {}
    roots = {name.partition("/")[0] for name in names}
    for name in names:
        parts = name.split("/")
        if not _NAME.fullmatch(name) or len(parts) < 2 or any(set(part) <= {"."} for part in parts):
            raise _odd(what, f"its member name {printable(name)!r} is not a plain relative path")
        if name.lower() in seen:
            raise _odd(what, f"its members {seen[name.lower()]!r} and {name!r} have the same name for some readers")
        seen[name.lower()] = name
    if len(roots) > 1:
        raise _odd(what, f"its members lie in several folders ({', '.join(sorted(roots)[:3])})")


def _content_start(data: bytes, entry: zipfile.ZipInfo, what: str) -> int:
    """Check a member's local header against the central directory; return where its content starts."""
    name = printable(entry.orig_filename)
    header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise _odd(what, f"its member {name} has no header of its own")
    _, _, flags, method, _, _, _, packed, size, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name_start = entry.header_offset + _LOCAL_HEADER.size
    local_name = data[name_start : name_start + name_length]
    if local_name != entry.orig_filename.encode():
        raise _odd(what, f"its member {name} is called {printable(local_name.decode('latin-1'))} in its own header")
    if (flags | entry.flag_bits) & _ENCRYPTED_OR_PATCHED:
        raise _odd(what, f"its member {name} is encrypted or patched")
    if method != zipfile.ZIP_STORED or entry.compress_type != zipfile.ZIP_STORED:
        raise _odd(what, f"its member {name} is compressed")
    # With a data descriptor (flag 8) torch's writer leaves the local sizes at zero; zip64 keeps them elsewhere.
    said = {packed, size} - {_ZIP64_SIZE} - ({0} if flags & 0x8 else set())
    if said - {entry.file_size} or entry.compress_size != entry.file_size:
        raise _odd(what, f"its member {name} has another size in its own header")
    start = name_start + name_length + extra_length
    if start + entry.file_size > len(data):
        raise _odd(what, f"its member {name} reaches beyond the end of the file")
    return int(start)


def _odd(what: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{what} was refused: {why}. torch does not write such archives, and two readers may read them differently. "
        "Save the checkpoint again with torch, without repacking it"
    )
