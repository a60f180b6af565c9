"""What was done to the faces, in words; who loses most; robustness in the card."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from countenance.cards.conditions import CLEAN, perturbs, size_of, under, under_text
from countenance.cards.gate_words import gate_title
from countenance.cards.losses import losses_of, losses_tables, who_loses_most
from countenance.cards.metric_texts import METRICS
from countenance.cards.outcomes import quantitative_analyses
from countenance.cards.robustness import for_card, nothing_measured, robustness_blocks
from countenance.cards.robustness_texts import ROBUSTNESS_TEXTS
from countenance.cards.slices import by_grouping
from countenance.cards.statements import Statements
from countenance.cards.tree import BulletList, MeasurementRef, Paragraph, TableBlock
from countenance.cards.wording import estimate_text, place_title
from countenance.core.collector import Collector
from countenance.core.probes import Scores
from countenance.core.results import (
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    GateOutcome,
    GroupCount,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

PEOPLE = 400
NAMES = ("fog", "gaussian_noise", "jpeg", "frost", "snow")


@pytest.mark.parametrize(
    "condition, title",
    [
        ({"corruption": "fog", "severity": "3"}, "accuracy under corruption fog, severity 3"),
        ({"corruption": "gaussian_noise"}, "accuracy under corruption Gaussian noise"),
        ({"corruption": "all", "severity": "3"}, "accuracy under all corruptions, severity 3"),
        ({"corruption": "none", "severity": "0"}, "accuracy of faces as they are"),
        ({"attack": "pgd", "eps": "8/255"}, "accuracy under PGD, eps 8/255"),
        ({"attack": "noise", "eps": "8/255"}, "accuracy under noise of the same size, eps 8/255"),
        ({"attack": "random_eyeglasses"}, "accuracy under the frame of glasses at random"),
        ({"attack": "apgd_ce", "eps": "1", "norm": "l2"}, "accuracy under APGD-CE (norm l2), eps 1"),
        ({"occlusion": "sunglasses_elsewhere"}, "accuracy under occlusion sunglasses, moved elsewhere"),
        (
            {"occlusion": "guided", "share": "0.25"},
            "accuracy under occlusion patches, the most important first, share 0.25",
        ),
        ({"change": "all"}, "accuracy under all changes"),
        ({"forgery": "made_mouth_splice"}, "accuracy under forgery mouth of another photo (made here)"),
        ({"forgery": "mouth_splice"}, "accuracy under forgery mouth of another photo"),  # of the data, it may be
        ({"forgery": "own_morph"}, "accuracy under forgery control: morph with another person of the same expression"),
        ({"method": "lime"}, "accuracy by lime"),
        ({"threshold": "0.5"}, "accuracy at threshold = 0.5"),
    ],
)
def test_conditions_in_words(condition, title):
    assert place_title("accuracy", {}, condition) == title


def test_what_is_a_control():
    controls = [
        {"attack": "noise"},
        {"attack": "random_makeup"},
        {"occlusion": "mouth_elsewhere"},
        {"change": "identity"},
        {"forgery": "untouched"},
        {"forgery": "resaved"},
        {"forgery": "own_morph"},
    ]
    assert all(under(condition).control for condition in controls)
    others = [{"corruption": "noise"}, {"occlusion": "random"}, {"attack": "square"}, {"corruption": CLEAN}]
    assert not any(under(condition).control for condition in others)


def test_what_a_control_is_the_control_of():
    assert under({"occlusion": "mouth_elsewhere"}).control_of == "mouth"
    assert under({"forgery": "own_morph"}).control_of == "made_morph"
    assert under({"forgery": "resaved"}).control_of == ""


def test_a_condition_that_does_nothing_to_faces_is_none():
    assert under({"method": "lime"}) is None
    assert under({}) is None
    assert under_text({"eps": "8/255"}) == ""


@pytest.mark.parametrize("text, size", [("8/255", 8 / 255), ("3", 3.0), ("0.25", 0.25), ("large", None), ("1/0", None)])
def test_strengths_as_numbers(text, size):
    assert size_of(text) == size


def test_a_gate_over_conditions_is_told_in_words():
    fog = Measurement.of("c", "accuracy", Estimate(value=0.5), condition={"corruption": "fog", "severity": "3"})
    results = made([ProbeResult(id="c", probe="corruptions", version=1, status="ok", measurements=[fog])])

    def title(measure: str, **where: str) -> str:
        gate = {"measure": measure, "where": where, "at_least": 0.5}
        return gate_title(GateOutcome(gate=gate, verdict="pass", why=""), results)

    assert (
        title("c/accuracy", corruption="fog", severity="3") == "accuracy under corruption fog, severity 3: at least 0.5"
    )
    assert (
        title("c/accuracy", corruption="*", severity="3") == "accuracy under every corruption, severity 3: at least 0.5"
    )
    assert title("c/accuracy", corruption="fog", severity="*") == (
        "accuracy under corruption fog, every severity: at least 0.5"
    )
    assert title("c/lost.worst_vs_rest@corruption=all", attribute="gender") == (
        "answers lost under all corruptions, worst group against all others by gender: at least 0.5"
    )


def test_every_text_of_robustness_is_known_to_the_card():
    assert {"lost", "changed", "error_rise", "moved"} <= set(ROBUSTNESS_TEXTS)
    for name, (title, meaning) in ROBUSTNESS_TEXTS.items():
        assert METRICS[name].title == title
        assert meaning


def text_of(paragraph: Paragraph) -> str:
    """Write a paragraph as a reader sees it."""
    return "".join(
        estimate_text(part.estimate) if isinstance(part, MeasurementRef) else part for part in paragraph.parts
    )


def made(probes: list[ProbeResult]) -> AuditResults:
    groups = {name: GroupCount(faces=PEOPLE // 2, subjects=PEOPLE // 2) for name in ("a", "b")}
    attributes = {"side": AttributeSummary(assigned_by="annotator", of="subject", groups=groups)}
    return AuditResults(
        name="run", started="2026-11-20T10:00:00Z", seconds=1.0, tool={}, probes=probes, gates=[], plan={},
        target=TargetSummary(name="net", task="expression", classes=["x", "y"]),
        data=DataSummary(faces=PEOPLE, subjects=PEOPLE, attributes=attributes),
    )  # fmt: skip


@pytest.fixture(scope="module")
def corrupted() -> Callable[[float], AuditResults]:
    """Audits in which side b loses more of its right answers under fog, by a number of faces in a hundred."""

    def make(extra: float) -> AuditResults:
        rng = np.random.default_rng(4)
        side = np.tile(["a", "b"], PEOPLE // 2)
        slicer = Slicer(np.arange(PEOPLE), plan_groups({"side": side}, ["side"]), StatisticsRules(), 0, 199)

        collector = Collector("c", SimpleNamespace(reliability={}), slicer, None)  # type: ignore[arg-type]
        rows, right = np.arange(PEOPLE), np.ones(PEOPLE)

        def rate(metric: str, values: np.ndarray, **more: object) -> None:
            direction = "lower" if metric == "lost" else "higher"
            about = {"kind": "rate", "bounds": (0.0, 1.0), "direction": direction, **more}
            collector.take(Scores(metric, rows, values, **about))  # type: ignore[arg-type]

        rate("accuracy", right, condition={"corruption": "none", "severity": "0"})
        losses = []
        for place, name in enumerate(NAMES):
            more = extra * (side == "b") * (name == "fog")
            lost = (rng.random(PEOPLE) < 0.3 - 0.04 * place + more).astype(float)
            losses.append(lost)
            for severity in ("1", "2"):
                rate("accuracy", 1 - lost, condition={"corruption": name, "severity": severity}, by_group=False)
            rate("accuracy", 1 - lost, condition={"corruption": name})
            rate("lost", lost, condition={"corruption": name}, gaps=True, tolerance=0.1)
        mean = np.mean(losses, axis=0)
        rate("accuracy", 1 - mean, condition={"corruption": "all"}, kind="mean")
        rate("lost", mean, condition={"corruption": "all"}, gaps=True, tolerance=0.1, kind="mean")
        collector.finish()
        return made([
            ProbeResult(
                id="c", probe="corruptions", version=1, status="ok", pillar="robustness", params={"tolerance": 0.1},
                measurements=collector.measurements, title="Natural corruptions",
            )
        ])  # fmt: skip

    return make


def test_who_loses_most_stands_first_where_it_is_shown(corrupted):
    results = corrupted(0.5)
    (probe,) = results.probes
    losses = losses_of(probe, results)
    assert (losses[0].done.name, losses[0].question.between) == ("fog", "b")
    assert losses[0].question.verdict == "fail"
    assert losses[0].group is not None
    assert losses[0].group.key == "c/lost[side=b]@corruption=fog"
    assert losses[0].overall is not None
    assert losses[0].overall.key == "c/lost@corruption=fog"
    told = who_loses_most(probe, results)
    assert told is not None
    assert text_of(told).startswith("Answers lost under corruption fog: by side, b is behind all others by 0.")


def test_where_no_group_is_shown_to_lose_more_that_is_said(corrupted):
    results = corrupted(0.0)
    told = who_loses_most(results.probes[0], results)
    assert told is not None
    assert text_of(told).startswith(
        "In none of 6 comparisons was a group shown to lose more than all others by more than the"
    )
    assert "Under all corruptions, by side, " in text_of(told)


def test_the_table_of_losses_keeps_its_rest_apart(corrupted):
    results = corrupted(0.5)
    ((table, more),) = losses_tables(results.probes[0], results, 4)
    assert table.caption == "Who loses most, tolerance 0.1"
    assert table.columns == (
        "under", "loses most", "its answers lost", "all faces", "behind others by", "by chance", "verdict",
    )  # fmt: skip
    assert len(table.rows) == 4
    assert more is not None
    assert len(more.rows) == 2
    assert table.rows[0][0] == "fog, by side"
    assert str(table.rows[0][-1]).startswith("fail: at least ")
    ((_, nothing),) = losses_tables(results.probes[0], results, 40)
    assert nothing is None


def test_the_card_tells_faces_as_they_are_all_corruptions_and_what_costs_most(corrupted):
    results = corrupted(0.5)
    (probe,) = results.probes
    assert perturbs(probe)
    sentences, table, losses = robustness_blocks(probe, results)
    assert isinstance(sentences, BulletList)
    first = text_of(sentences.items[0])
    assert first.startswith("Accuracy: 1.000")
    assert " of faces as they are; 0." in first
    assert " under all corruptions; of 5 things that were done cost most: corruption fog, 0." in first
    assert isinstance(table, TableBlock)
    assert [row[0] for row in table.rows][:3] == ["faces as they are", "all corruptions", "corruption fog"]
    assert len(table.rows) == 12
    assert table.caption == "Over all faces (5 more conditions stand in results.json)"
    assert isinstance(losses, TableBlock)


def test_by_group_the_card_shows_faces_as_they_are_and_all_corruptions_alone(corrupted):
    results = corrupted(0.5)
    (probe,) = results.probes
    (grouped,) = [table for table in by_grouping(probe, ["side"]) if table.attributes]
    kept = for_card(grouped, probe, results)
    assert [(column.metric, dict(column.condition)) for column in kept.columns] == [
        ("accuracy", {"corruption": "none", "severity": "0"}),
        ("accuracy", {"corruption": "all"}),
        ("lost", {"corruption": "all"}),
    ]
    overall, unitary, _ = quantitative_analyses(results, Statements())
    assert overall.status == "measured"
    texts = [text_of(block) for block in unitary.blocks if isinstance(block, Paragraph)]
    assert any("under other conditions, stand in results.json" in text for text in texts)
    captions = [block.caption for block in unitary.blocks if isinstance(block, TableBlock)]
    assert not any("worst against all others" in caption for caption in captions)  # it stands over all faces


def test_without_labels_what_changed_is_told():
    changed = [
        Measurement.of("c", "changed", Estimate(value=value), condition={"corruption": name}, direction="lower")
        for name, value in (("fog", 0.4), ("snow", 0.1), ("all", 0.25))
    ]
    probe = ProbeResult(id="c", probe="corruptions", version=1, status="ok", measurements=changed)
    sentences, table = robustness_blocks(probe, made([probe]))
    assert isinstance(sentences, BulletList)
    assert text_of(sentences.items[0]) == (
        "Answers changed: 0.250 under all corruptions; of 2 things that were done cost most: corruption fog, 0.400; "
        "corruption snow, 0.100."
    )
    assert isinstance(table, TableBlock)
    assert all(isinstance(row[1], MeasurementRef) for row in table.rows)


def test_what_was_not_measured_at_all_is_told_once():
    nothing = Estimate.not_measured("the model is right on none of the 12 faces as they are", n=12)
    silent = [
        Measurement.of("c", metric, nothing, condition={"corruption": name, "severity": "1"}, direction="higher")
        for metric in ("accuracy", "lost")
        for name in NAMES
    ]
    probe = ProbeResult(id="c", probe="corruptions", version=1, status="ok", measurements=silent)
    (told,) = robustness_blocks(probe, made([probe]))
    assert isinstance(told, Paragraph)
    assert text_of(told) == (
        "Not measured under any of 5 conditions: the model is right on none of the 12 faces as they are."
    )
    measured = Measurement.of("c", "accuracy", Estimate(value=0.5), condition={"corruption": "all"})
    some = probe.model_copy(update={"measurements": [*silent, measured]})
    assert nothing_measured(some) is None
