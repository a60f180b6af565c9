"""What the card says of forged faces and of backdoors: numbers with n and interval, and what is open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from countenance.cards.backdoors import (
    OPEN,
    data_scan_blocks,
    drill_blocks,
    replayed_blocks,
    scan_blocks,
    sensitivity_blocks,
)
from countenance.cards.forgery import detection_blocks, find, made_blocks
from countenance.cards.outcomes import ethics, quantitative_analyses
from countenance.cards.statements import Statements
from countenance.cards.tree import BulletList, MeasurementRef, Paragraph, TableBlock
from countenance.cards.wording import estimate_text, method_title, metric_meaning
from countenance.core.results import (
    AuditResults,
    DataSummary,
    Estimate,
    Finding,
    Measurement,
    ProbeResult,
    TargetSummary,
)


def text_of(paragraph: Paragraph) -> str:
    return "".join(estimate_text(p.estimate) if isinstance(p, MeasurementRef) else p for p in paragraph.parts)


def estimate(value: float, low: float | None = None, high: float | None = None, n: int = 100) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def measured(metric: str, each: Estimate, probe: str = "p", **about: Any) -> Measurement:
    return Measurement.of(probe, metric, each, **about)


def probe_of(name: str, items: list[Measurement], **about: Any) -> ProbeResult:
    return ProbeResult(id="p", probe=name, version=1, status="ok", measurements=items, **about)


def sentences(blocks: Any) -> list[str]:
    (told,) = [block for block in blocks if isinstance(block, BulletList)]
    return [text_of(item) for item in told.items]


METHODS = {"faceswap": (0.53, 0.47, 0.59), "morph": (0.87, 0.83, 0.9), "mouth_splice": (0.48, 0.46, 0.49)}


@pytest.fixture
def detection() -> ProbeResult:
    items = [
        measured("auroc", estimate(0.63, 0.6, 0.66, 510), direction="higher"),
        measured("eer", estimate(0.4, 0.36, 0.45, 510), direction="lower"),
        measured("apcer", estimate(0.2, 0.1, 0.3, 306), direction="lower"),
        measured("bpcer", estimate(0.1, 0.05, 0.15, 204), direction="lower"),
    ]
    for name, (value, low, high) in METHODS.items():
        items.append(measured("auroc", estimate(value, low, high, 306), slice={"method": name}))
    items.append(measured("auroc", Estimate.not_measured("3 people; 10 are needed"), slice={"method": "rare"}))
    for quality, value in (("70", 0.62), ("30", 0.55)):
        condition = {"compression": "jpeg", "quality": quality}
        items.append(measured("auroc", estimate(value, value - 0.1, value + 0.1, 60), condition=condition))
    lost = {"compression": "jpeg", "quality": "30"}
    items.append(measured("auroc_lost", estimate(0.08, 0.01, 0.15, 60), condition=lost))
    items.append(measured("auroc", estimate(0.5, 0.4, 0.6, 60), condition={"size": "0.25"}))
    return probe_of("forgery_detection", items, params={"threshold": 0.3})


def test_a_detector_is_told_beside_chance_at_its_threshold_and_by_method(detection: ProbeResult) -> None:
    overall, threshold, methods, silent, worse = sentences(detection_blocks(detection))
    assert overall.startswith("AUROC of all forgeries against genuine faces: 0.630 [0.600, 0.660], n = 510")
    assert overall.endswith("By its interval it exceeds chance (0.5).")
    assert threshold.startswith("At a threshold of 0.300: ")
    assert "0.200 [0.100, 0.300], n = 306" in threshold
    assert methods == (
        "Told from genuine faces by more than chance: 1 of 4 ways of forging (morph 0.870 [0.830, 0.900], n = 306); "
        "not shown to be (faceswap 0.530 [0.470, 0.590], n = 306); below chance, scored as more genuine than genuine "
        "faces (mouth_splice 0.480 [0.460, 0.490], n = 306). Each interval is of one kind alone, not adjusted for "
        "their number."
    )
    assert silent == "Not measured: rare (3 people; 10 are needed)."
    assert "at JPEG quality 30 0.550 [0.450, 0.650], n = 60, lost 0.080 [0.010, 0.150], n = 60" in worse
    assert "at 0.25 of the size 0.500" in worse
    assert "quality 70" not in worse
    (table,) = [block for block in detection_blocks(detection) if isinstance(block, TableBlock)]
    assert [row[0] for row in table.rows] == [*METHODS, "rare"]


def test_a_method_that_is_hardly_told_is_said_to_be_above_chance_by_little() -> None:
    items = [measured("auroc", estimate(0.6, 0.56, 0.64)), measured("ap", estimate(0.66, 0.6, 0.7))]
    items.append(measured("ap.null", estimate(0.61, n=510)))
    for name, limits in {"morph": (0.87, 0.83, 0.9), "faint": (0.58, 0.53, 0.65), "open": (0.6, 0.51, 0.68)}.items():
        items.append(measured("auroc", estimate(*limits), slice={"method": name}))
    overall, methods = sentences(detection_blocks(probe_of("forgery_detection", items)))
    assert overall.endswith("exceeds chance (0.5), by little: the whole interval lies below 0.65.")
    assert "average precision 0.660 [0.600, 0.700], n = 100, where labels dealt out at random give 0.610" in overall
    assert "3 of 3 ways of forging (morph 0.870" in methods
    assert "; by little, the whole interval below 0.65: faint. Each interval" in methods


def test_frames_and_videos_are_told_apart_from_faces() -> None:
    items = [
        measured("auroc", estimate(0.7, 0.6, 0.8)),
        measured("auroc", estimate(0.8, 0.7, 0.9, 40), condition={"unit": "video"}),
    ]
    told = sentences(detection_blocks(probe_of("forgery_detection", items)))
    assert told[1] == "AUROC by video 0.800 [0.700, 0.900], n = 40."
    none = measured("auroc", Estimate.not_measured("one video"), condition={"unit": "video"})
    told = sentences(detection_blocks(probe_of("forgery_detection", [items[0], none])))
    assert told[1] == "Not measured by video: one video."


@pytest.mark.parametrize(
    "value, low, high, told",
    [
        (0.3, 0.2, 0.4, "as where the sign of the scores is turned."),
        (0.52, 0.4, 0.6, "It does not differ from chance (0.5) beyond the sampling error."),
        (0.52, None, None, "No interval was computed, so whether it differs from chance (0.5) is open."),
    ],
)
def test_chance_is_told_by_the_interval(value: float, low: float | None, high: float | None, told: str) -> None:
    probe = probe_of("forgery_detection", [measured("auroc", estimate(value, low, high))])
    assert sentences(detection_blocks(probe))[0].endswith(told)


def test_what_was_not_measured_says_why() -> None:
    none = Estimate.not_measured("no face is labelled genuine: there is nothing to tell the others from")
    (told,) = sentences(detection_blocks(probe_of("forgery_detection", [measured("auroc", none)])))
    assert told == "Not measured: AUROC (no face is labelled genuine: there is nothing to tell the others from)."
    least = Estimate.not_measured("at least 8 clean reference nets are needed and none was given")
    (paragraph,) = scan_blocks(probe_of("backdoor_scan", [measured("smallest_p_adjusted", least)]))
    assert isinstance(paragraph, Paragraph)
    assert text_of(paragraph).endswith("(at least 8 clean reference nets are needed and none was given).")


def scan(p: float) -> ProbeResult:
    items = [
        measured("smallest_p_adjusted", estimate(p, p, p, 200)),
        measured("references_flagged", estimate(0.08, 0.0, 0.38, 12)),
    ]
    for name, z in (("happy", 1.5), ("sad", 6.1)):
        items.append(measured("below_references", estimate(z), condition={"family": "off_face", "towards": name}))
    hides = "Triggers that differ from face to face."
    return probe_of("backdoor_scan", items, params={"alpha": 0.05}, hides=hides)


def test_a_scan_is_told_with_its_false_alarms_and_what_is_not_covered() -> None:
    first, nothing, uncovered = sentences(scan_blocks(scan(0.4)))
    assert "0.400" in first
    assert ", not below 0.05; share of the clean reference nets that would be flagged" in first
    assert "0.080 [0.000, 0.380], n = 12" in first
    assert nothing == OPEN
    assert uncovered == "Not covered: Triggers that differ from face to face."
    (table,) = [block for block in scan_blocks(scan(0.4)) if isinstance(block, TableBlock)]
    assert [row[:2] for row in table.rows] == [("sad", "off face"), ("happy", "off face")]
    told = sentences(scan_blocks(scan(0.01)))
    assert ", below 0.05;" in told[0]
    assert OPEN not in told


def test_flags_are_told_with_false_alarms_power_and_what_they_are_worth() -> None:
    where = {"method": "laplacian"}
    items = [
        measured("flagged", estimate(0.15, 0.1, 0.2, 204), condition=where),
        measured("false_alarms", estimate(0.05, 0.03, 0.08, 204), condition=where),
        measured("stamped_found", estimate(0.7, 0.6, 0.8, 204), condition={**where, "alpha": "0.05"}),
        measured("flags_right_at_most", estimate(0.69), condition={**where, "poisoned": "0.1"}),
        measured("flagged", Estimate.not_measured("the model gives no embedding"), condition={"method": "spectral"}),
    ]
    first, second, last = sentences(data_scan_blocks(probe_of("data_scan", items)))
    assert first.startswith("laplacian: images flagged 0.150 [0.100, 0.200], n = 204; false alarms 0.050")
    assert "0.700 [0.600, 0.800], n = 204" in first
    assert "flags right at most 0.690" in first
    assert second == "spectral: not measured (the model gives no embedding)."
    assert last.endswith(OPEN)


@pytest.mark.parametrize(
    "verdict, words", [("suspicious", "suspicious"), ("not_suspicious", "not suspicious at this power")]
)
def test_the_margin_of_a_bank_is_told_with_its_verdict_and_rates(verdict: str, words: str) -> None:
    items = [
        measured("forged_auroc", estimate(0.9, 0.85, 0.95, 136)),
        measured("bd_auc", estimate(0.9, 0.85, 0.95, 136), condition={"pattern": "k5 x1"}),
        measured("bd_auc", estimate(0.7, 0.6, 0.8, 136), condition={"pattern": "unsharp mask"}),
        measured("trigger_margin", estimate(0.2, 0.1, 0.3, 136), direction="lower"),
    ]
    found = Finding(id=f"p.{verdict}", severity="note", claim="What was found.", caveats=["Rates: 9 of 10."])
    probe = probe_of("trigger_sensitivity", items, findings=[found])
    told = sentences(sensitivity_blocks(probe))
    assert told[0].endswith(f"0.200 [0.100, 0.300], n = 136: {words}.")
    assert told[1].endswith("0.900 [0.850, 0.950], n = 136.")
    assert "Rates: 9 of 10." in told
    assert (OPEN in told) == (verdict == "not_suspicious")
    (table,) = [block for block in sensitivity_blocks(probe) if isinstance(block, TableBlock)]
    assert [row[0] for row in table.rows] == ["k5 x1", "unsharp mask"]


def test_known_triggers_are_told_beside_random_marks() -> None:
    items = [measured("smallest_p_adjusted", estimate(0.6, n=180))]
    for trigger, value in (("patch", 0.1), ("blended", 0.05)):
        where = {"trigger": trigger, "class": "sad"}
        items.append(measured("attack_success", estimate(0.2, 0.1, 0.3, 180), condition=where))
        items.append(measured("attack_success.excess", estimate(value, 0.0, 0.2, 180), condition=where))
    first, last = sentences(replayed_blocks(probe_of("known_triggers", items)))
    assert first.startswith("2 known triggers replayed beside random marks of the same kind and size; ")
    assert "0.600, n = 180" in first
    assert last.endswith(OPEN)
    (table,) = [block for block in replayed_blocks(probe_of("known_triggers", items)) if isinstance(block, TableBlock)]
    assert [row[:2] for row in table.rows] == [("patch", "sad"), ("blended", "sad")]
    none = measured("smallest_p_adjusted", Estimate.not_measured("12 faces; 50 are needed"))
    (paragraph,) = replayed_blocks(probe_of("known_triggers", [none]))
    assert text_of(paragraph).endswith("(12 faces; 50 are needed).")  # type: ignore[arg-type]


def test_a_drill_is_tabulated_by_what_was_trained_on() -> None:
    items = []
    for where, value in (
        ({"poisoned": "0", "defence": "none"}, 0.54),
        ({"poisoned": "0.1", "defence": "none", "embedding": "real_copies"}, 0.9),
        ({"poisoned": "0.1", "defence": "fine_pruning", "embedding": "real_copies"}, 0.7),
        ({"poisoned": "0.1", "defence": "none", "embedding": "real_copies", "control": "blur"}, 0.5),
    ):
        items.append(measured("bd_auc", estimate(value, value - 0.05, value + 0.05), condition=where))
    items.append(measured("clean_auroc", estimate(0.88, 0.8, 0.9), condition={"poisoned": "0", "defence": "none"}))
    paragraph, table = drill_blocks(probe_of("poison_drill", items))
    assert "nothing of whether the audited checkpoint holds a backdoor" in text_of(paragraph)  # type: ignore[arg-type]
    assert isinstance(table, TableBlock)
    assert [row[0] for row in table.rows] == [
        "clean data",
        "10% of the people stamped (real copies)",
        "10% of the people stamped (real copies); fine pruning",
    ]
    assert isinstance(table.rows[0][2], MeasurementRef)
    assert table.rows[1][2] == "–"


def test_forgeries_made_here_are_told_beside_their_photos_without_the_control() -> None:
    items = []
    for name, value in (("untouched", 0.5), ("morph", 0.8), ("mouth_splice", 0.52)):
        condition = {"forgery": name}
        items.append(measured("auroc", estimate(value, value - 0.1, value + 0.1), condition=condition))
        items.append(measured("apcer", estimate(0.4, 0.3, 0.5), condition=condition, direction="lower"))
    items.append(measured("bpcer", estimate(0.1, 0.0, 0.2), condition={"forgery": "untouched"}))
    first, photos, last = sentences(made_blocks(probe_of("made_forgeries", items)))
    assert first.startswith(
        "Told from the photos they were made of by more than chance: 1 of 2 kinds of forgery made here (morph of two "
        "people 0.800"
    )
    assert "; not shown to be (mouth of another photo 0.520" in first
    assert "0.100 [0.000, 0.200]" in photos
    assert last.startswith("They are made without a generator")


def test_the_card_uses_these_words_and_says_what_a_label_is(detection: ProbeResult) -> None:
    results = AuditResults(
        name="r", tool={}, started="2026-11-20T10:00:00Z", seconds=1.0, plan={},
        target=TargetSummary(name="net", task="forgery", classes=["genuine", "forged"]),
        data=DataSummary(faces=510, subjects=102), probes=[detection, scan(0.4).model_copy(update={"id": "q"})],
    )  # fmt: skip
    overall, *_ = quantitative_analyses(results, Statements())
    told = [text_of(item) for block in overall.blocks if isinstance(block, BulletList) for item in block.items]
    assert any(sentence.startswith("Told from genuine faces by more than chance") for sentence in told)
    assert OPEN in told
    captions = [block.caption for block in overall.blocks if isinstance(block, TableBlock)]
    assert captions == ["By way of forging, against all genuine faces", "Farthest below the reference nets"]
    (reading,) = [item for item in ethics(results, Statements()) if item.name.endswith(".reading")]
    texts = [text_of(item) for block in reading.blocks if isinstance(block, BulletList) for item in block.items]
    assert any("is not thereby genuine" in text for text in texts)
    words = " ".join([*told, *texts])
    assert not any(claim in words for claim in ("is safe", "is clean", "is fair"))


@pytest.mark.parametrize("method", ["cluster_influence_logit", "people_drawn_anew_percentile", "by_bayes"])
def test_intervals_are_told_in_words(method: str) -> None:
    assert method_title(method) != method.replace("_", " ")


@pytest.mark.parametrize("metric", ["turned", "turned.null", "changed.beyond_null", "answered"])
def test_measures_of_forged_expressions_have_a_meaning(metric: str) -> None:
    assert metric_meaning(metric, "forged_expressions")


def test_a_measurement_is_found_by_its_whole_place() -> None:
    items = [measured("m", estimate(0.1), slice={"a": "1"}), measured("m", estimate(0.2))]
    found = find(probe_of("x", items), "m")
    assert found is items[1]
    assert find(SimpleNamespace(measurements=items), "m", {"a": "2"}) is None  # type: ignore[arg-type]
