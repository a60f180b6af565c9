from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from countenance.core.errors import AuditError
from countenance.core.files import replace_atomically, sha256_of_bytes, sha256_of_file, write_atomically


def test_text_and_bytes_are_written_and_folders_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b.txt", "é")
    write_atomically(tmp_path / "a" / "c.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é".encode()
    assert (tmp_path / "a" / "c.bin").read_bytes() == b"\x00\xff"


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_atomically(file, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(AuditError, match="No space left") as raised:
        replace_atomically(file, half)
    assert raised.value.exit_code == 3
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_the_old_content_too(tmp_path: Path, error: type[BaseException]) -> None:
    file = tmp_path / "results.json"
    write_atomically(file, "old")

    def stop(temporary: Path) -> None:
        temporary.write_text("ne")
        raise error

    with pytest.raises(error):
        replace_atomically(file, stop)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_at_the_last_step_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "results.json"
    write_atomically(file, "old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AuditError, match=r"cannot write .*results.json: No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_a_file_is_an_error_of_the_audit(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(AuditError, match="cannot write"):
        write_atomically(tmp_path / "a" / "b", "x")


@pytest.mark.skipif(os.name == "nt", reason="permissions of this kind are POSIX")
def test_a_result_is_as_readable_as_other_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    wanted = hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert sha256_of_file(tmp_path / "a") == sha256_of_bytes(b"abc" * 100_000) == wanted
