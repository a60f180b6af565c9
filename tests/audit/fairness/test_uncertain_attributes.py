"""The probe on planted errors: corrected gaps found, a twin without them silent, bad matrices told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.audit.fairness.uncertain_attributes import UncertainAttributesParams, uncertain_attributes
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.label_errors import second_column
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, Output, ProbeContext, TableOutput
from countenance.core.results import Estimate, Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.synth.wrong_attributes import assign_wrongly

CLASSES = ("neutral", "happy", "sad")
NAMES = np.asarray(["female", "male"], dtype=object)
TENTH = {"female": {"female": 0.9, "male": 0.1}, "male": {"female": 0.1, "male": 0.9}}


def context_of(
    attributes: Mapping[str, AttributeSpec],
    columns: Mapping[str, Any],
    right: Any,
    truth: Any,
    person: Any,
    **more: Any,
) -> ProbeContext:
    """A context of these faces."""
    predicted = np.where(right, truth, (truth + 1) % 3)
    frame = pd.DataFrame({"face_id": [str(face) for face in range(len(truth))], "subject": person, **columns})
    return ProbeContext(
        probe_id="uncertain_attributes",
        faces=Faces(frame, has_subjects=True, attributes=dict(attributes), **more),
        predictions=Predictions("expression", CLASSES, np.eye(3)[predicted], np.asarray(truth, dtype=np.float64)),
        target=None,
        rules=StatisticsRules(),
        seed=1,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def planted(
    seed: int = 0, rates: tuple[float, float] = (0.75, 0.6), times: float = 1.0, **spec: Any
) -> tuple[ProbeContext, Any]:
    """Faces of 2,000 people of whom a tenth is in the wrong group of ``gender``."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(2000), 2)
    group = random.choice(2, 2000, p=[0.65, 0.35])[person]
    truth = random.choice(3, len(person), p=[0.5, 0.3, 0.2])
    right = random.random(len(person)) < np.asarray(rates)[group]
    errors = assign_wrongly(random, person, group, right, 2, times=times)
    again = assign_wrongly(random, person, group, right, 2, times=times)
    columns = {"gender": NAMES[errors.group], second_column("gender"): NAMES[again.group], "true": NAMES[group]}
    return context_of({"gender": AttributeSpec(**spec)}, columns, right, truth, person), errors


def as_spec(matrix: Any) -> dict[str, dict[str, float]]:
    """A matrix as a plan has it."""
    return {
        true: dict(zip(NAMES.tolist(), row, strict=True))
        for true, row in zip(NAMES.tolist(), matrix.tolist(), strict=True)
    }


def run(context: ProbeContext, **params: Any) -> tuple[dict[str, Estimate], list[Output]]:
    """Estimates by key without the probe's name, and everything that came."""
    outputs = list(uncertain_attributes(context, UncertainAttributesParams(**params)))
    found = {
        item.key.removeprefix("uncertain_attributes/"): item.estimate
        for item in outputs
        if isinstance(item, Measurement)
    }
    return found, outputs


def findings(outputs: list[Output]) -> dict[str, Finding]:
    """Findings by the end of their id."""
    return {item.id.removeprefix("uncertain_attributes."): item for item in outputs if isinstance(item, Finding)}


def notes(outputs: list[Output]) -> str:
    """All notes."""
    return "\n".join(item.text for item in outputs if isinstance(item, Note))


def test_a_known_matrix_gives_the_true_gap_beside_that_of_groups_as_assigned() -> None:
    context, _ = planted(assigned_by="model", confusion=TENTH, confusion_n=400)
    found, outputs = run(context)
    corrected, assigned = found["accuracy.corrected.gap[attribute=gender]"], found[
        "accuracy.uncorrected.gap[attribute=gender]"
    ]  # fmt: skip
    assert corrected.value is not None
    assert assigned.value is not None
    assert corrected.value > 1.15 * assigned.value
    assert corrected.low is not None
    assert corrected.low <= 0.15 <= (corrected.high or 0)
    anything = found["accuracy.any_error.gap[attribute=gender]"]
    assert anything.value == corrected.value
    assert (anything.low, anything.high) == pytest.approx((0.0, 0.36), abs=0.03)
    female = found["recall.corrected[gender=female,label=happy]"]
    assert female.low is not None
    assert female.low <= 0.75 <= (female.high or 0)
    told = findings(outputs)["corrected.gender"]
    assert told.severity == "high"
    assert "a matrix of the model's errors, 400 faces checked per group" in told.claim
    assert "lower for male" in told.claim
    assert set(told.evidence) <= {f"uncertain_attributes/{key}" for key in found}
    assert "If they may, all that can be said is that the groups differ by 0.000 to" in told.caveats[0]
    table = next(item.frame for item in outputs if isinstance(item, TableOutput) and item.name == "groups")
    assert len(table) == 8
    assert (table["rate_corrected"] - table["rate_assigned"])[table["group"] == "male"].lt(0).all()


def test_errors_on_failures_are_undone_by_two_matrices_and_not_by_one() -> None:
    """Over 20 seeds: two matrices give the planted gap, one gives too much; in a twin without a gap all is quiet."""
    gaps: dict[str, list[float]] = {"one": [], "two": []}
    held = {"two": 0, "any": 0, "quiet": 0}
    for seed in range(20):
        context, errors = planted(seed, times=3.0, assigned_by="model")
        specs = {
            "one": {"confusion": as_spec(errors.overall)},
            "two": {"confusion": as_spec(errors.right), "confusion_wrong": as_spec(errors.wrong)},
        }
        for name, spec in specs.items():
            context.faces.attributes["gender"] = AttributeSpec(assigned_by="model", **spec)  # type: ignore[index]
            found, _ = run(context, metrics=["accuracy"])
            gap = found["accuracy.corrected.gap[attribute=gender]"]
            assert gap.value is not None
            gaps[name].append(gap.value)
            anything = found.get("accuracy.any_error.gap[attribute=gender]")
            if name == "two":
                held["two"] += (gap.low or 0.0) <= 0.15 <= (gap.high or 0.0)
                assert anything is None  # where it is known how errors depend on the outcome, nothing is open
            else:
                assert anything is not None
                held["any"] += (anything.low or 0.0) <= 0.15 <= (anything.high or 0.0)
        twin, _ = planted(seed, rates=(0.7, 0.7), assigned_by="model", confusion=TENTH)
        held["quiet"] += not findings(run(twin, metrics=["accuracy"])[1])
    assert held["two"] >= 18
    assert held["any"] == 20
    assert held["quiet"] >= 17
    assert np.mean(gaps["two"]) == pytest.approx(0.15, abs=0.012)  # 2.6 standard errors
    assert np.mean(np.subtract(gaps["one"], gaps["two"])) > 0.01


def test_two_annotators_give_a_corrected_gap_and_what_it_rests_on() -> None:
    context, _ = planted(assigned_by="annotator", second="gender_b")
    found, outputs = run(context, metrics=["accuracy"])
    gap = {
        way: found[f"accuracy.{way}.gap[attribute=gender]"].value or 0.0
        for way in ("corrected", "uncorrected", "second_annotator", "agreed")
    }
    assert gap["corrected"] == pytest.approx(0.15, abs=0.035)
    assert gap["corrected"] > 1.15 * max(gap["uncorrected"], gap["second_annotator"])
    assert gap["agreed"] == pytest.approx(0.15, abs=0.035)  # both are wrong about few
    assert "kappa 0.6" in notes(outputs)
    assert "assumptions that their answers cannot prove" in notes(outputs)
    agreement = next(item.frame for item in outputs if isinstance(item, TableOutput) and item.name == "agreement")
    assert agreement["faces"].sum() == 4000


def test_annotators_who_differ_in_their_shares_are_told() -> None:
    context, _ = planted(assigned_by="annotator", second="gender_b")
    frame = context.faces.frame
    frame.loc[frame.index % 10 < 2, second_column("gender")] = "male"
    assert "female" in findings(run(context)[1])["annotators_differ.gender"].claim


def test_attributes_nobody_checked_are_told_and_self_reported_ones_are_not() -> None:
    context, _ = planted(assigned_by="self-reported")
    found, outputs = run(context)
    assert not found
    assert "no attribute has a matrix of its errors or a second annotator (gender is self-reported)" in notes(outputs)
    assert not findings(outputs)
    for who in ("model", "annotator", "derived"):
        found, outputs = run(planted(assigned_by=who)[0])
        told = findings(outputs)["errors_unknown"]
        assert told.severity == "note"
        assert "a gap that is shown stays shown, but a gap that is not shown, or a pass, says less" in told.claim
        assert not found


def test_faces_without_a_group_are_left_out_and_counted() -> None:
    context, _ = planted(assigned_by="model", confusion=TENTH)
    context.faces.frame.loc[:9, "gender"] = "(missing)"
    found, outputs = run(context, metrics=["accuracy"])
    assert "10 of 4,000 faces have no group of gender" in notes(outputs)
    assert found["accuracy.corrected.gap[attribute=gender]"].n == 3990


def test_a_matrix_near_a_coin_gives_limits_only() -> None:
    coin = {"female": {"female": 0.55, "male": 0.45}, "male": {"female": 0.45, "male": 0.55}}
    found, _ = run(planted(assigned_by="model", confusion=coin)[0], metrics=["accuracy"])
    assert "confused too much to undo it" in (found["accuracy.corrected[gender=male]"].reason or "")
    assert "what can be told is that it lies between" in (found["accuracy.any_error[gender=male]"].reason or "")
    assert "confused too much" in (found["accuracy.corrected.gap[attribute=gender]"].reason or "")


def test_a_matrix_that_contradicts_the_faces_is_told() -> None:
    wrong = {"female": {"female": 0.6, "male": 0.4}, "male": {"female": 0.02, "male": 0.98}}
    context, _ = planted(assigned_by="model", confusion=wrong)
    few = context.faces.frame["gender"].to_numpy(copy=True)
    few[:3600] = "female"
    context.faces.frame["gender"] = few
    told = findings(run(context, metrics=["accuracy"])[1])["contradicted.gender"]
    assert "cannot be those of these faces" in told.claim
    assert told.evidence == ["uncertain_attributes/accuracy.corrected[gender=male]"]


def test_few_faces_are_not_measured_with_what_they_lack() -> None:
    context, _ = planted(assigned_by="model", confusion=TENTH)
    few = context_of(
        context.faces.attributes,
        {"gender": context.faces.frame["gender"][:60].to_numpy()},
        np.ones(60, dtype=bool),
        np.arange(60) % 3,
        np.arange(60) // 6,
    )
    found, _ = run(few, metrics=["accuracy"])
    assert "needed" in (found["accuracy.corrected[gender=male]"].reason or "")


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(AuditError, match="did you mean 'happy'"):
        run(planted(assigned_by="model", confusion=TENTH)[0], labels=["hapy"])
