from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from countenance.core import run_folder as module
from countenance.core.errors import AuditError, UsageError
from countenance.core.files import sha256_of_file
from countenance.core.run_folder import BEFORE_MEASURING, MARK, OURS, RunFolder, clear
from countenance.core.run_notice import NOTICE_FILE


def scores(probe: str, *values: float) -> pd.DataFrame:
    frame = pd.DataFrame({"face_id": [f"f{n}" for n in range(len(values))], "probe_id": probe, "score": "s"})
    return frame.assign(condition="", value=list(values), weight=1.0)


def test_a_new_or_empty_folder_is_taken(tmp_path: Path) -> None:
    assert RunFolder.open(tmp_path / "a" / "b").path.is_dir()
    assert RunFolder.open(tmp_path / "a" / "b").earlier() is None


def test_a_folder_with_a_run_needs_a_word_from_the_user(tmp_path: Path) -> None:
    RunFolder.open(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(UsageError, match="exists: say --resume to go on with it, --overwrite to start again") as raised:
        RunFolder.open(tmp_path)
    assert raised.value.exit_code == 2
    assert RunFolder.open(tmp_path, resume=True).path == tmp_path
    again = RunFolder.open(tmp_path, overwrite=True)
    assert (tmp_path / "results.json").is_file(), "the old run stays until the new one can begin"
    again.begin({"plan.yaml": b"x"}, going_on=False)
    assert {item.name for item in tmp_path.iterdir()} == {MARK, NOTICE_FILE, "plan.yaml"}


def test_a_run_folder_says_what_it_holds_and_keeps_what_was_written_there(tmp_path: Path) -> None:
    RunFolder.open(tmp_path).begin({}, going_on=False)
    told = (tmp_path / NOTICE_FILE).read_text(encoding="utf-8")
    for name in OURS:
        if not name.startswith(("card.", "NOTICE", "results.json.")):
            assert name in told
    (tmp_path / NOTICE_FILE).write_text(told + "Until 2027-01-31, A. Person\n", encoding="utf-8")
    RunFolder.open(tmp_path, resume=True).begin({}, going_on=True)
    assert "A. Person" in (tmp_path / NOTICE_FILE).read_text(encoding="utf-8")


def test_going_on_leaves_an_edited_card_alone_and_takes_the_plan_as_used(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path)
    folder.begin({"plan.yaml": b"old", "card.yaml": b"old"}, going_on=False)
    (tmp_path / "card.yaml").write_text("edited")
    RunFolder.open(tmp_path, resume=True).begin({"plan.yaml": b"new", "card.yaml": b"new"}, going_on=True)
    assert (tmp_path / "plan.yaml").read_text() == "new"
    assert (tmp_path / "card.yaml").read_text() == "edited"


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_of_something_else_is_never_touched(tmp_path: Path, options: dict[str, bool]) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "plan.yaml").write_text("x")
    with pytest.raises(UsageError):
        RunFolder.open(tmp_path, **options)
    assert {item.name for item in tmp_path.iterdir()} == {"thesis.tex", "plan.yaml"}


def test_a_folder_of_another_program_with_a_log_is_never_touched(tmp_path: Path) -> None:
    for name in ("log.txt", "results.json", "artifacts/weights.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(UsageError, match="no run made it"):
            RunFolder.open(tmp_path, **options)
    assert (tmp_path / "artifacts" / "weights.pt").is_file()


def test_a_run_that_broke_off_before_measuring_may_be_repeated(tmp_path: Path) -> None:
    """A mistake in the manifest leaves a log; repeating the command must not complain about that."""
    for name in BEFORE_MEASURING:
        (tmp_path / name).write_text("x")
    RunFolder.open(tmp_path)
    (tmp_path / MARK).unlink()
    with pytest.raises(UsageError):  # somebody's own plan.yaml
        RunFolder.open(tmp_path)


def test_going_on_and_starting_again_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="either resume or overwrite"):
        RunFolder.open(tmp_path, resume=True, overwrite=True)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="there is a file"):
        RunFolder.open(tmp_path / "run")
    with pytest.raises(UsageError, match="cannot use the run folder"):
        RunFolder.open(tmp_path / "run" / "inside")


def test_clearing_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    for name in (*OURS, "notes.txt", "tables/a.csv", "artifacts/b.npz", ".parts/c.parquet", "mine/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    clear(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["mine", "notes.txt"]


def test_tables_arrays_and_documents_are_hashed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    made = [
        folder.write_table("p", "t", pd.DataFrame({"a": [1]}), "A table"),
        folder.write_arrays("p", "a", {"x": np.arange(3), "file": np.zeros(1)}, "Arrays"),
        folder.write_json("p", "j", {"é": [1, None]}, "A document"),
    ]
    assert [item.path for item in made] == ["tables/p.t.csv", "artifacts/p.a.npz", "artifacts/p.j.json"]
    assert [item.kind for item in made] == ["table", "artifact", "artifact"]
    for item in made:
        assert sha256_of_file(tmp_path / item.path) == item.sha256
    with np.load(tmp_path / "artifacts" / "p.a.npz") as arrays:
        assert arrays.files == ["x", "file"]
        np.testing.assert_array_equal(arrays["x"], [0, 1, 2])


def test_equal_arrays_give_equal_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    arrays = {"b": np.arange(9.0), "a": np.eye(3)}
    first = folder.write_arrays("p", "a", arrays, "")
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    assert folder.write_arrays("p", "a", arrays, "") == first


def test_what_json_or_npz_would_spoil_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json("p", "j", {"x": float("nan")}, "")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        folder.write_arrays("p", "a", {"x": np.array([{}])}, "")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_audit_that_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    folder = RunFolder(tmp_path)
    monkeypatch.setattr(Path, "replace", full)
    for write in (
        lambda: folder.write_table("p", "t", pd.DataFrame({"a": [1]}), ""),
        lambda: folder.write_predictions(pd.DataFrame({"a": [1]})),
        lambda: folder.write_scores("p", [scores("p", 1)]),
        lambda: folder.join_scores(["p"]),
    ):
        with pytest.raises(AuditError, match="No space left"):
            write()
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


# Scores --------------------------------------------------------------------------------------------------------------


def joined(folder: Path) -> list[tuple[str, float]]:
    table = pd.read_parquet(folder / "scores.parquet")
    return list(zip(table["probe_id"], table["value"], strict=True))


def test_parts_are_joined_in_the_order_of_the_probes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_scores("b", [scores("b", 1, 2), scores("b", 3)])
    folder.write_scores("a", [scores("a", 4)])
    folder.write_scores("none", [])
    folder.join_scores(["a", "none", "b"])
    assert joined(tmp_path) == [("a", 4), ("b", 1), ("b", 2), ("b", 3)]
    assert not (tmp_path / module.PARTS).exists()


def test_going_on_with_a_complete_run_keeps_the_scores_of_the_probes_that_do_not_run_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_scores("a", [scores("a", 1)])
    folder.write_scores("c", [scores("c", 3)])
    folder.join_scores(["a", "b", "c"])
    folder.write_scores("b", [scores("b", 2)])
    folder.join_scores(["a", "b", "c"])
    assert joined(tmp_path) == [("a", 1), ("b", 2), ("c", 3)]


def test_a_probe_that_no_longer_scores_leaves_no_old_part(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_scores("a", [scores("a", 1)])
    folder.write_scores("a", [])
    folder.join_scores(["a"])
    assert joined(tmp_path) == []


# Reading -------------------------------------------------------------------------------------------------------------
