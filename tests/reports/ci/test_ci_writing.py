from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from countenance.core.errors import UsageError
from countenance.core.results import AuditResults, GateOutcome
from countenance.reports.ci import CiFiles, PlanPlaces, write_ci_files

Audit = Callable[..., AuditResults]
Gate = Callable[..., GateOutcome]
PLACES = PlanPlaces("audit.yaml")


def test_all_files_are_written_into_folders_that_are_made(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    files = CiFiles(tmp_path / "a/junit.xml", tmp_path / "b/c.sarif", None, tmp_path / "quality.json")
    written = write_ci_files(audit(gate("fail")), files, PLACES)
    assert written == [files.junit, files.sarif, files.code_quality]
    assert all(path.stat().st_size > 100 for path in written)
    assert write_ci_files(audit(), CiFiles(), PLACES) == []


def test_the_baseline_may_be_the_file_that_is_written(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    file = tmp_path / "c.sarif"
    write_ci_files(audit(gate("fail")), CiFiles(sarif=file), PLACES)
    write_ci_files(audit(gate("fail")), CiFiles(sarif=file, sarif_baseline=file), PLACES)
    assert '"baselineState": "unchanged"' in file.read_text()


def test_what_cannot_be_written_is_told_before_and_loses_nothing(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    for path, said in ((tmp_path / "file" / "junit.xml", "is no folder"), (tmp_path / "folder", "there is a folder")):
        for files in (CiFiles(junit=path), CiFiles(sarif=path), CiFiles(code_quality=path)):
            with pytest.raises(UsageError, match=said):
                files.check()
            with pytest.raises(UsageError, match=said):
                write_ci_files(audit(), files, PLACES)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="no permission"):
        CiFiles(junit=tmp_path / "junit.xml").check()


def test_a_full_disk_leaves_the_earlier_file(
    audit: Audit, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "junit.xml"
    file.write_text("earlier")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left on device; the run folder is whole"):
        write_ci_files(audit(gate("fail")), CiFiles(junit=file), PLACES)
    monkeypatch.undo()
    assert file.read_text() == "earlier"
    assert [item.name for item in tmp_path.iterdir()] == ["junit.xml"]


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a file of its own"):
        CiFiles(tmp_path / "x", tmp_path / "y/../x").check()
    with pytest.raises(UsageError, match="say where with --sarif"):
        CiFiles(sarif_baseline=tmp_path / "x").check()
    with pytest.raises(UsageError, match="no such file"):
        CiFiles(sarif=tmp_path / "new.sarif", sarif_baseline=tmp_path / "x").check()
