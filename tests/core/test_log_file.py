from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from countenance.core.errors import AuditError
from countenance.core.log_file import LogFile


def test_lines_are_written_with_their_time_and_level(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "log.txt")
    handler.emit(logging.LogRecord("countenance", logging.WARNING, "", 0, "é %d", (3,), None))
    handler.close()
    line = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert line.endswith(" WARNING é 3\n")
    assert line[:2] == "20"
    assert not handler.incomplete


def test_a_full_disk_prints_no_traceback_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    handler = LogFile(Path("/dev/full"))
    handler.emit(logging.LogRecord("countenance", logging.INFO, "", 0, "x" * 100_000, (), None))
    handler.close()
    assert handler.incomplete
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_opened_is_an_audit_that_broke_off(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"cannot write .*log\.txt"):
        LogFile(tmp_path / "none" / "log.txt")


def test_a_run_leaves_the_log_as_it_found_it(study: Any) -> None:
    logger = logging.getLogger("countenance")
    before = logger.handlers[:], logger.level
    study.run("run")
    assert (logger.handlers, logger.level) == before
    study.plan["data"]["subject"] = "nobody"
    with pytest.raises(Exception, match="nobody"):
        study.run("again")
    assert (logger.handlers, logger.level) == before
    assert "stopped: ManifestError" in (study.folder / "again" / "log.txt").read_text()
