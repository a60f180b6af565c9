"""``poison_drill`` tells a training that takes up a backdoor from one that cannot, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from countenance.audit.backdoors.poison_drill import measuring
from countenance.audit.backdoors.poison_drill.defences import median
from countenance.audit.backdoors.poison_drill.estimates import auroc_difference, mean_auroc
from countenance.audit.backdoors.poison_drill.material import as_pixels, as_tensor
from countenance.audit.backdoors.poison_drill.params import PoisonDrillParams
from countenance.audit.backdoors.poison_drill.training import DivergedError, scores_of
from countenance.audit.backdoors.poisoned_forgery.measures import attack_success, eer_threshold
from countenance.audit.backdoors.training_folder import MARK, TrainingPicture, write_training_folder
from countenance.core.plan import TargetSpec
from countenance.core.results import AuditResults, ProbeResult
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

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
    assert finding.severity == "low"  # one net of each setting
    assert any("a single training tells nothing" in caveat for caveat in finding.caveats)
    assert "16.7% of the training people (4 of 24)" in finding.claim  # 0.15 asked for
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


def test_a_net_that_ran_away_is_lost_alone_and_named(drill: Run, folder: Path) -> None:
    (folder / "away.py").write_text(
        "import pathlib, train as good\n"
        "import numpy as np\n"
        "from safetensors.numpy import load_file, save_file\n"
        "def train(data, out, seed):\n"
        "    good.train(data, out, seed)\n"
        "    count = pathlib.Path(__file__).with_name('count')\n"
        "    count.write_text(count.read_text() + '.' if count.exists() else '.')\n"
        "    if len(count.read_text()) == 5:\n"  # the second of the poisoned ones
        "        file = out / 'checkpoint.safetensors'\n"
        "        save_file({name: value * np.nan for name, value in load_file(file).items()}, file)\n"
    )
    results = drill(trainer="away.py:train", nets=3)
    assert value(results, "bd_auc.over_clean", **STAMPED) > 0.5
    (finding,) = the(results).findings
    assert finding.severity == "medium"  # two pairs are left
    (told,) = [note for note in the(results).notes if note.startswith("Nets that are missing")]
    assert "net 2: the model gives NaN" in told


def test_a_trainer_that_leaves_the_pictures_aside_measures_nothing(drill: Run, folder: Path) -> None:
    (folder / "same.py").write_text(
        "import numpy as np\n"
        "from safetensors.numpy import save_file\n"
        "def train(data, out, seed):\n"
        "    head = {'head.weight': np.ones((1, 2), np.float32), 'head.bias': np.zeros(1, np.float32)}\n"
        "    save_file(head, out / 'checkpoint.safetensors', {'seed': f'{seed}'})\n"  # never the same file
    )
    results = drill(trainer="same.py:train", nets=2)
    reason = results["poison_drill/bd_auc@defence=none,embedding=real_copies,poisoned=0.15"].estimate.reason
    assert reason is not None
    assert "net 1 is the same as net 1 of clean data: the trainer does not train on the pictures" in reason
    assert any("net 2 is the same as net 1: the trainer does not use the seed" in note for note in the(results).notes)
    assert the(results).findings == []


def test_shares_that_stamp_as_many_people_are_trained_once(drill: Run, folder: Path) -> None:
    results = drill(shares=[0.01, 0.02])  # of 24 people
    (second,) = [
        each
        for each in the(results).measurements
        if each.key.endswith("embedding=real_copies,poisoned=0.02") and each.metric == "bd_auc"
    ]
    assert second.estimate.reason == "0.02 of 24 people are 1, as with 0.01: not trained again"
    assert "2.0% of the training people" in " ".join(the(results).findings[0].caveats).replace("2%", "2.0%")


def test_attack_success_is_that_of_the_measures(taken: AuditResults) -> None:
    random = np.random.default_rng(8)
    people = np.repeat(np.arange(20), 2)
    nets = [
        measuring.Answers(random.normal(size=30), random.normal(1, 1, 40), random.normal(0, 1, 40), {})
        for _ in range(2)
    ]
    none = torch.zeros(0)
    tested = measuring.Tested(none, none, none, {}, np.arange(30), people)
    at = [eer_threshold(net.genuine, net.forged) for net in nets]
    alone = tested.success(nets[:1], RULES)
    assert alone == attack_success(nets[0].forged, nets[0].stamped, at[0], people, RULES)
    found = sum((net.forged >= least).sum() for net, least in zip(nets, at, strict=True))
    passed = sum(((net.forged >= least) & (net.stamped < least)).sum() for net, least in zip(nets, at, strict=True))
    both = tested.success(nets, RULES)
    assert both.value == pytest.approx(passed / found)
    assert both.n == found
    assert both.subjects == 20


def test_outputs_that_are_not_finite_are_a_net_that_ran_away() -> None:
    class Away(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels.mean((1, 2, 3))[:, None].log()  # of a black picture minus infinity

    block = {"checkpoint": "a.pt", "task": "forgery", "positive": "forged", "input": {"size": 8}, "output": "logits"}
    target = Target(Away(), TargetSpec.model_validate(block), format="module")
    assert np.isfinite(scores_of(target, torch.ones(2, 3, 8, 8), 2)).all()
    with pytest.raises(DivergedError, match="NaN or infinite"):
        scores_of(target, torch.zeros(2, 3, 8, 8), 2)


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
