"""``countenance card``: formats, a card elsewhere, the check with its exit codes, outputs that cannot be written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from countenance.core.files import write_atomically
from countenance.core.results import AuditResults, DataSummary, Estimate, Measurement, ProbeResult, TargetSummary
from countenance.core.results_file import write_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = [Measurement.of("performance", "accuracy", Estimate(value=0.8, low=0.7, high=0.9, level=0.95, n=50))]
    probe = ProbeResult(id="performance", probe="performance", version=1, status="ok", seconds=1.0, measurements=found)
    results = AuditResults(
        name="a study",
        tool={"countenance": "0.1.0"},
        started="2026-11-20T10:00:00Z",
        seconds=1.0,
        target=TargetSummary(name="net", task="expression", classes=["happy", "sad"]),
        data=DataSummary(name="d", faces=50, subjects=50, sha256="0" * 64),
        plan={"probes": [{"id": "performance"}]},
        probes=[probe],
    )
    run = tmp_path / "run"
    run.mkdir()
    write_results(results, run)
    return run


def test_formats_and_check(folder: Path, command: Any) -> None:
    assert command("card", str(folder)).code == 0
    assert not (folder / "card.html").exists()
    assert command("card", str(folder), "--format", "all").code == 0
    done = command("card", str(folder), "--check")
    assert done.code == 0
    assert done.out.count("agrees with its evidence") == 3
    assert command("card", str(folder), "--check", "--format", "html").code == 0


def test_a_check_that_fails_names_what_differs_and_writes_nothing(folder: Path, command: Any) -> None:
    readme = folder.parent / "README.md"
    assert command("card", str(folder), str(readme)).code == 0
    assert command("card", str(folder), "--check", str(readme)).code == 0
    edited = readme.read_text(encoding="utf-8").replace("0.800", "0.950")
    write_atomically(readme, edited)
    done = command("card", str(folder), str(readme), "--check")
    assert done.code == 1
    assert "performance/accuracy: the card says 0.950" in done.out
    assert readme.read_text(encoding="utf-8") == edited
    assert command("card", str(folder), str(readme)).code == 0  # a card of ours is written again
    assert command("card", str(folder), str(readme), "--check").code == 0


def test_a_file_of_somebody_else_is_left_alone(folder: Path, command: Any) -> None:
    readme = folder.parent / "README.md"
    readme.write_text("# Ours\n")
    done = command("card", str(folder), str(readme))
    assert done.code == 2
    assert "no card of countenance" in done.err
    assert readme.read_text() == "# Ours\n"
    assert command("card", str(folder), str(readme), "--check").code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "htm"], "did you mean 'html'?"),
        (["x.md", "--format", "json"], "of the format md"),
        (["--check"], "no such file: countenance card RUN writes it"),
        (["a-file/card.html"], "choose a place that can be written"),
    ],
)
def test_what_cannot_be_is_told_without_a_traceback(
    folder: Path, command: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("a-file").write_text("")
    done = command("card", "run", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_run_folder_that_cannot_be_written_is_a_fault_of_the_command(folder: Path, command: Any) -> None:
    (folder / "MODEL_CARD.md").mkdir()
    (folder / "report.html").mkdir()
    for name in ("card", "report"):
        done = command(name, str(folder))
        assert done.code == 2, name
        assert "cannot write" in done.err


def test_results_edited_by_hand_are_told(folder: Path, command: Any) -> None:
    file = folder / "results.json"
    file.write_text(file.read_text().replace("0.9", "0.91"))
    done = command("card", str(folder))
    assert done.code == 0
    assert "results.json was changed after the audit wrote it" in done.out
    assert command("card", str(folder), "--check").code == 1


def test_a_check_loads_no_torch(folder: Path) -> None:
    code = (
        "import sys; from countenance.cli.documents import card; from pathlib import Path; "
        f"run = Path({str(folder)!r}); card(run); code = card(run, check=True); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    assert shutil.which(sys.executable)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
