from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from countenance.core import probes as registry
from countenance.core.errors import PlanError
from countenance.core.faces import Faces
from countenance.core.predictions import Predictions, truth_of
from countenance.core.probes import Note, Output, ProbeContext, ProbeParams, find_probe, registered_probes
from countenance.core.progress import SilentReporter
from countenance.core.results import Estimate
from countenance.core.statistics.rules import StatisticsRules


def made(probe_id: str = "p", seed: int = 1) -> ProbeContext:
    frame = pd.DataFrame({"face_id": ["a"], "subject": ["a"], "label": ["x"]})
    predictions = Predictions("expression", ("x", "y"), np.array([[0.5, 0.5]]), np.array([0.0]))
    return ProbeContext(
        probe_id=probe_id,
        faces=Faces(frame=frame),
        predictions=predictions,
        target=None,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=1,
        progress=lambda unit, total: SilentReporter().progress("p", unit, total),
    )


def test_our_own_probes_say_what_they_show_and_hide() -> None:
    known = registered_probes()
    assert list(known) == sorted(known)
    assert {"performance", "group_metrics", "global_heatmaps", "adversarial"} <= set(known)
    for probe in known.values():
        for text in (probe.title, probe.shows, probe.hides, probe.summary):
            assert text, probe.name
        assert probe.version >= 1
        assert probe.tasks


def test_an_unknown_probe_is_told_with_the_nearest() -> None:
    assert find_probe("performance").pillar == "performance"
    with pytest.raises(PlanError, match=r"no probe 'performence'; did you mean 'performance'\?"):
        find_probe("performence")


def test_a_name_belongs_to_one_function(add_probe: Any) -> None:
    def one(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        """First line.

        And more.
        """
        yield Note("")

    def other(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Note("")

    add_probe("mine", one)
    add_probe("mine", one)  # a module that is imported again
    assert find_probe("mine").summary == "First line."
    with pytest.raises(ValueError, match="the probe name 'mine' is taken"):
        add_probe("mine", other)
    assert find_probe("mine").function is one
    add_probe("other", other)
    assert find_probe("other").summary == ""


def test_a_function_of_another_module_does_not_replace_a_probe(add_probe: Any) -> None:
    known = find_probe("performance")

    def performance(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Note("")

    performance.__qualname__ = known.function.__qualname__
    with pytest.raises(ValueError, match=r"'performance' is taken by countenance\.audit"):
        add_probe("performance", performance)
    assert find_probe("performance") is known


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Adds plug-ins to those installed: ``plugins(name="source of the module")``."""
    registered_probes()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.syspath_prepend(tmp_path)
    installed = list(entry_points(group=registry.ENTRY_POINTS))

    def add(**sources: str) -> None:
        added = []
        for name, source in sources.items():
            (tmp_path / f"plugin_{name}.py").write_text(source)
            added.append(EntryPoint(name, f"plugin_{name}", registry.ENTRY_POINTS))
        monkeypatch.setattr(registry, "entry_points", lambda group: [*added, *installed])
        registry.broken_plugins.cache_clear()

    yield add
    registry.broken_plugins.cache_clear()


def test_a_broken_plugin_costs_its_own_probes_alone(plugins: Any, study: Any, log: list[str]) -> None:
    plugins(broken="import not_there_at_all", leaves="raise SystemExit(3)", fine="x = 1")
    assert "performance" in registered_probes()
    assert set(registry.broken_plugins()) == {"broken", "leaves"}
    assert len([line for line in log if "cannot be loaded" in line]) == 2
    with pytest.raises(PlanError, match=r"no probe 'theirs'.*plug-in 'broken' cannot be loaded \(ModuleNotFoundError"):
        find_probe("theirs")
    with pytest.raises(PlanError, match=r"line \d+ \(probes\.0\): there is no probe 'theirs'.*plug-in 'broken'"):
        study.load(study.changed(probes=["theirs"]))
    assert study.load().params.keys() == {"performance"}


def test_a_plugin_that_takes_a_name_of_ours_is_told(plugins: Any) -> None:
    known = find_probe("performance")
    source = (
        "from countenance.core.probes import ProbeParams, probe\n"
        "@probe('performance', version=1, title='x', pillar='integrity', params=ProbeParams, shows='x', hides='y')\n"
        "def performance(context, params):\n    yield\n"
    )
    plugins(thief=source)
    assert "is taken by countenance.audit" in registry.broken_plugins()["thief"]
    assert find_probe("performance") is known


def test_throw_away_probes_are_thrown_away() -> None:
    assert not {"mine", "other"} & set(registry._registered)


def test_parameters_are_closed_and_finite() -> None:
    class Params(ProbeParams):
        size: float = 1

    with pytest.raises(ValidationError):
        Params(sise=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="finite"):
        Params(size=float("inf"))


def test_draws_depend_on_seed_probe_and_names_alone() -> None:
    draws = {
        name: made(*where).random(*names).random()
        for name, where, names in [
            ("again", ("p", 1), ("a",)),
            ("seed", ("p", 2), ("a",)),
            ("probe", ("q", 1), ("a",)),
            ("name", ("p", 1), ("b",)),
            ("two", ("p", 1), ("a", 0)),
            ("split", ("p", 1), ("a0",)),
        ]
    }
    assert draws["again"] == made("p", 1).random("a").random()
    assert len(set(draws.values())) == len(draws)


def test_measurements_and_findings_carry_the_id_of_the_probe() -> None:
    context = made("pgd")
    item = context.measurement("accuracy", Estimate(value=1), slice={"a": "b"}, condition={"eps": "8/255"})
    assert item.key == "pgd/accuracy[a=b]@eps=8/255"
    finding = context.finding("weak", "low", "claim", evidence=[item.key], caveats=("one",))
    assert (finding.id, finding.evidence, finding.caveats) == ("pgd.weak", [item.key], ["one"])


def test_a_probe_that_forgot_to_say_that_it_needs_the_model_is_told() -> None:
    with pytest.raises(RuntimeError, match="without declaring that it needs it"):
        made().model


def test_the_silent_reporter_takes_everything() -> None:
    context = made()
    with context.progress("faces", 3) as advance:
        advance()
        advance(2)


@pytest.mark.parametrize(
    ("task", "classes", "columns", "wanted"),
    [
        ("expression", ("x", "y"), {"label": ["y", None]}, [1, -1]),
        ("action_units", ("AU1",), {"y_AU1": ["1", ""]}, [[1], [np.nan]]),
        ("action_units", ("AU1",), {}, [[np.nan], [np.nan]]),
    ],
)
def test_truth_is_read_from_the_columns_of_the_task(
    task: str, classes: tuple[str, ...], columns: dict[str, Any], wanted: list[Any]
) -> None:
    frame = pd.DataFrame({"face_id": ["a", "b"], **columns})
    np.testing.assert_array_equal(truth_of(Faces(frame=frame), task, classes), np.array(wanted, dtype=float))


def test_names_of_every_kind_go_through_a_whole_audit(study: Any, making: ModuleType) -> None:
    """Classes, attributes and groups whose names hold every character that has a meaning somewhere."""
    hostile = ["a=b,[c]@%2C", "<i>\"x\" & 'y'</i>*/\\", "é 日本\u2028😀"]
    study.table["label"] = study.table["label"].map({"dark": hostile[0], "bright": hostile[1]})
    study.table["x&y=[z]"] = study.table["gender"].map({"f": hostile[2], "m": "NA"})
    study.write_manifest()
    study.plan["target"]["classes"] = hostile[:2]
    study.plan["data"]["attributes"] = {"x&y=[z]": {"assigned_by": "annotator"}}
    study.plan["probes"] = ["performance", "group_metrics"]
    study.plan["gates"] = [
        {"measure": "group_metrics/recall", "where": {"x&y=[z]": hostile[2], "label": hostile[0]}, "at_least": 0.01}
    ]
    results = study.run("run")
    assert [probe.status for probe in results.probes] == ["ok", "ok"]
    assert results["performance/accuracy"].estimate.value == 1
    assert results.gates[0].verdict != "fail"
    assert len(results.gates[0].evidence) == 1
    from countenance.core.results_file import load_results

    assert load_results(study.folder / "run") == results
    assert (study.folder / "run" / "predictions.parquet").is_file()
    assert Path(study.folder / "run" / "tables" / "performance.confusion.csv").read_text(encoding="utf-8")
