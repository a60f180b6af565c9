"""What the command line says of attributes as they should not be."""

from __future__ import annotations

from typing import Any

import pytest

REPORTED = {"assigned_by": "self-reported"}


def run(study: Any, command: Any, spec: dict[str, Any], column: list[Any] | None = None) -> Any:
    if column is not None:
        study.table["extra"] = column
        study.write_manifest()
    study.plan["data"]["attributes"] = {"extra": {**REPORTED, **spec}}
    study.plan["probes"] = ["performance", "group_metrics"]
    study.write_plan()
    return command("run", "audit.yaml", "--out", "run", "--overwrite")


@pytest.mark.parametrize(
    ("column", "spec", "told"),
    [
        (["same"] * 24, {}, "one value only"),
        ([f"name {row}" for row in range(24)], {"of": "image"}, "as an id has"),
        (
            [18 + row % 14 for row in range(24)],
            {"of": "image"},
            "each is a group of its own: give it bins, e.g. bins: [",
        ),
        (["a"] * 12 + [""] * 12, {}, "missing of 12 of 24 faces (50.0%)"),
        (["a", "b"] * 12, {}, "12 people stand in more than one group of extra"),
    ],
)
def test_what_is_odd_runs_and_is_told(study: Any, command: Any, column: Any, spec: Any, told: str) -> None:
    done = run(study, command, spec, column)
    assert done.code == 0
    assert told in " ".join(done.out.split())
    card = (study.folder / "run" / "MODEL_CARD.md").read_text(encoding="utf-8")
    report = (study.folder / "run" / "report.html").read_text(encoding="utf-8")
    for text in (card, report):
        assert "bright_000" not in text
        assert "p000" not in text


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"bins": [[0, 30], [20, 45]]}, "the bins 0 to 30 and 20 to 45 overlap"),
        ({"bins": [45, 30, 0]}, "in rising order: [0, 30, 45]"),
        ({"derive": "ita"}, "derive: ita needs assigned_by: derived"),
        ({"assigned_by": "derived", "derive": "yaw"}, "asks to derive yaw, which needs landmarks of every face"),
    ],
)
def test_what_cannot_be_meant_is_refused(study: Any, command: Any, spec: Any, told: str) -> None:
    done = run(study, command, spec)
    assert done.code == 2
    assert told in " ".join((done.out + done.err).split())


def test_a_limit_in_vain_is_told_before_the_predictions(study: Any, command: Any) -> None:
    study.plan["gates"] = [{"measure": "group_metrics/accuracy.gap", "where": {"attribute": "gender"}, "at_most": 0.01}]
    study.plan["probes"] = ["group_metrics"]
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run", "--no-report")
    shown = " ".join(done.out.split())
    assert "before the run: The gate group_metrics/accuracy.gap at most 0.01: accuracy by gender" in shown
    assert shown.index("before the run") < shown.index("measurements,")
    assert shown.count("The gate group_metrics/accuracy.gap at most 0.01") == 1
