"""``poison_drill`` tells a training that takes up a backdoor from one that cannot, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from countenance.audit.backdoors.poison_drill.defences import median
from countenance.audit.backdoors.poison_drill.estimates import auroc_difference, mean_auroc
from countenance.audit.backdoors.poison_drill.material import as_pixels, as_tensor
from countenance.audit.backdoors.poison_drill.params import PoisonDrillParams
from countenance.audit.backdoors.training_folder import MARK, TrainingPicture, write_training_folder
from countenance.core.results import AuditResults, ProbeResult
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules

Run = Callable[..., AuditResults]
RULES = StatisticsRules()


def the(results: AuditResults, status: str = "ok") -> ProbeResult:
    (probe,) = results.probes
    assert probe.status == status, probe.reason
    return probe


def value(results: AuditResults, metric: str, **condition: str) -> float:
    where = ",".join(f"{name}={text}" for name, text in sorted({"defence": "none", **condition}.items()))
    found = results[f"poison_drill/{metric}@{where}"].estimate
    assert found.value is not None, found.reason
    return found.value


STAMPED = {"embedding": "real_copies", "poisoned": "0.15"}


@pytest.fixture(scope="module")
def taken(drill: Run) -> AuditResults:
    """A trainer whose nets can see the stamp."""
    return drill()


def test_a_backdoor_that_was_taken_up_is_found(taken: AuditResults) -> None:
    assert value(taken, "bd_auc", **STAMPED) > 0.95
    assert value(taken, "bd_auc", poisoned="0") < 0.6
    assert value(taken, "bd_auc.over_clean", **STAMPED) > 0.5
    assert value(taken, "attack_success", **STAMPED) > 0.9
    (finding,) = the(taken).findings
    assert finding.id == "poison_drill.backdoor_taken"
    assert finding.severity == "medium"
    assert finding.p_adjusted is not None
    assert finding.p_adjusted < 0.01
    assert set(finding.evidence) <= {each.key for each in the(taken).measurements}


def test_plain_detection_hardly_shows_it(taken: AuditResults) -> None:
    assert abs(value(taken, "clean_auroc.lost", **STAMPED)) < 0.05
    assert value(taken, "clean_auroc", poisoned="0") > 0.55


def test_defences_are_measured(taken: AuditResults) -> None:
    after = {
        name: value(taken, "bd_auc", **{**STAMPED, "defence": name})
        for name in ("jpeg", "blur", "median", "fine_tuning", "fine_pruning")
    }
    assert after["fine_pruning"] < 0.6  # one of its two features is idle on clean faces
    assert after["blur"] < 0.6
    assert after["fine_tuning"] > 0.9


def test_controls_of_the_same_size_are_beside(taken: AuditResults) -> None:
    for control in ("gaussian_noise", "blur", "jpeg"):
        assert 0 <= value(taken, "bd_auc", **STAMPED, control=control) <= 1
    assert value(taken, "bd_auc", **STAMPED, control="blur") < 0.6


def test_what_was_run_and_given_is_said(taken: AuditResults) -> None:
    told = " ".join(the(taken).notes)
    assert "Trained by `train.py:train`" in told
    assert "48 genuine photos and 96 forgeries (2 self-blends of each" in told
    assert value_of_stamp(taken, "linf") <= 0.2 * 255 + 0.5
    assert value_of_stamp(taken, "psnr") > 15


def value_of_stamp(results: AuditResults, name: str) -> float:
    found = results[f"poison_drill/stamp_{name}@alpha=0.2"].estimate.value
    assert found is not None
    return found


def test_nothing_is_left_behind(taken: AuditResults, folder: Path) -> None:
    assert list((folder / "temporary").glob("countenance-*")) == []


def test_a_training_that_cannot_see_the_stamp_takes_up_nothing(drill: Run) -> None:
    results = drill(trainer="blind.py:train", nets=2)
    assert value(results, "bd_auc", **STAMPED) < 0.6
    (finding,) = the(results).findings
    assert finding.id == "poison_drill.no_backdoor_taken"
    assert finding.severity == "note"


def test_a_trainer_that_fails_at_once_fails_the_probe_with_its_words(drill: Run, folder: Path) -> None:
    (folder / "broken.py").write_text("def train(data, out, seed):\n    raise ValueError('no GPU here')\n")
    probe = the(drill(trainer="broken.py:train"), "failed")
    assert probe.reason is not None
    assert "no GPU here" in probe.reason
    assert list((folder / "temporary").glob("countenance-*")) == []


def test_a_trainer_that_fails_later_costs_its_setting_alone(drill: Run, folder: Path) -> None:
    (folder / "second.py").write_text(
        "import pathlib, train as good\n"
        "def train(data, out, seed):\n"
        "    once = pathlib.Path(__file__).with_name('once')\n"
        "    if once.exists():\n"
        "        raise SystemExit('the disk is full')\n"
        "    once.touch()\n"
        "    good.train(data, out, seed)\n"
    )
    results = drill(trainer="second.py:train")
    assert value(results, "clean_auroc", poisoned="0") > 0.5
    reason = results["poison_drill/bd_auc@defence=none,embedding=real_copies,poisoned=0.15"].estimate.reason
    assert reason is not None
    assert "the disk is full" in reason


def test_parameters_are_checked(folder: Path) -> None:
    for given, told in (
        ({"trainer": "train.py {data}"}, "without {out}"),
        ({"trainer": "trian.py:train"}, "did you mean 'train.py'"),
        ({"trainer": "train.py:train", "shares": [0.1, 0.1]}, "each once"),
        ({"trainer": "train.py:train", "shares": [1.5]}, "below 1"),
        (
            {"trainer": "train.py:train", "forgeries": "manifest", "embedding": "both"},
            "expected `embedding: real_copies`",
        ),
    ):
        with pytest.raises(ValueError, match=told.replace("{", r"\{").replace("}", r"\}")):
            PoisonDrillParams.model_validate(given, context={"folder": folder})
    params = PoisonDrillParams.model_validate({"trainer": "train.py:train", "shares": 0.1}, context={"folder": folder})
    assert params.shares == (0.1,)
    assert params.further_needs() == {"landmarks"}


def test_the_training_folder_is_as_documented(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (8, 9, 3), dtype=np.uint8) for _ in range(4)]
    given = [
        TrainingPicture(pictures[0], "genuine", 3),
        TrainingPicture(pictures[1], "genuine", 4, altered=True),
        TrainingPicture(pictures[2], "forged", 3, "self_blend", 0, True),
        TrainingPicture(pictures[3], "forged", 4, "self_blend", 1, True),
    ]
    folder = write_training_folder(tmp_path / "data", given, random)
    table = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    assert list(table.columns) == ["path", "label", "subject", "split", "method", "source"]
    by_subject = table.set_index(["label", "subject"])
    for place, picture in enumerate(given):
        line = by_subject.loc[(picture.label, picture.subject)]
        with Image.open(folder / line["path"]) as image:
            assert np.array_equal(np.asarray(image), pictures[place])
            assert ("Comment" in image.info) == picture.altered
            assert image.info.get("Comment", MARK) == MARK
        if picture.label == "forged":
            assert line["source"] == by_subject.loc[("genuine", picture.subject)]["path"]


def test_one_net_has_the_interval_of_its_people_and_several_a_wider_one() -> None:
    random = np.random.default_rng(3)
    positive, people = np.repeat([True, False], 60), np.tile(np.arange(30), 4)
    scores = random.normal(size=120) + positive
    assert mean_auroc([scores], positive, people, RULES) == auroc(scores, positive, people, RULES)
    alike, apart = [scores] * 3, [scores, scores + 2 * positive, scores - positive]
    assert _width(mean_auroc(apart, positive, people, RULES)) > 1.5 * _width(mean_auroc(alike, positive, people, RULES))


def test_differences_of_nets_keep_their_promise() -> None:
    random = np.random.default_rng(4)
    positive, people = np.repeat([True, False], 60), np.tile(np.arange(30), 4)
    found = []
    for _ in range(300):
        whose = 0.7 * random.normal(size=30)[people]
        nets = [[whose + positive + random.normal(size=120) for _ in range(3)] for _ in range(2)]
        found.append(auroc_difference(nets[0], nets[1], positive, people, RULES))
    misses = np.mean([not estimate.low <= 0 <= estimate.high for estimate, _ in found])  # type: ignore[operator]
    assert misses < 0.08
    assert np.mean([p <= 0.05 for _, p in found]) < 0.08  # type: ignore[operator]


def test_people_who_are_all_alike_are_a_sign_test() -> None:
    positive, people = np.repeat([True, False], 20), np.tile(np.arange(20), 2)
    up = np.repeat([1.0, 0.0], 20)
    estimate, p = auroc_difference([up], [-up], positive, people, RULES)
    assert estimate.value == 1
    assert estimate.low is not None
    assert estimate.low == pytest.approx(0.025 ** (1 / 20), abs=1e-6)
    assert p == pytest.approx(2 * 0.5**20)
    assert auroc_difference([up], [up], positive, people, RULES)[1] == 1


def test_the_median_filter_is_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 7, 6, 3), dtype=np.uint8)
    found = as_pixels(median(as_tensor(pixels)))
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    for y in range(7):
        for x in range(6):
            assert np.array_equal(found[:, y, x], np.median(padded[:, y : y + 3, x : x + 3], axis=(1, 2)))


def _width(estimate: object) -> float:
    return float(estimate.high - estimate.low)  # type: ignore[attr-defined]
