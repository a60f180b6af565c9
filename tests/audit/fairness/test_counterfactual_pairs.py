from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.stats import binomtest, fisher_exact
from torch import Tensor, nn

from countenance.audit.fairness.counterfactual_pairs.comparisons import Changed, difference, p_more, p_one_way
from countenance.audit.fairness.counterfactual_pairs.params import CounterfactualPairsParams
from countenance.audit.fairness.counterfactual_pairs.table import read_pairs
from countenance.core.api import run
from countenance.core.errors import ManifestError, PlanError
from countenance.core.statistics.rules import StatisticsRules

SIDE, PEOPLE = 8, 24


class MouthNet(nn.Module):
    """Calls a face happy by its lower half less its upper half; ``fault`` asks more of a dark face."""

    def __init__(self, fault: float = 0.0) -> None:
        super().__init__()
        self.fault = nn.Parameter(torch.tensor(fault))

    def forward(self, x: Tensor) -> Tensor:
        upper, lower = x[:, :, : SIDE // 2].mean((1, 2, 3)), x[:, :, SIDE // 2 :].mean((1, 2, 3))
        smile = lower - upper
        dark = torch.sigmoid(20 * (0.45 - x.mean((1, 2, 3))))
        score = 20 * (smile - 0.1 - self.fault * dark)
        return torch.stack([-score, score], 1)


def face(rng, brightness: float, smile: float) -> np.ndarray:
    pixels = np.full((SIDE, SIDE, 3), brightness)
    pixels[: SIDE // 2] -= smile / 2
    pixels[SIDE // 2 :] += smile / 2
    return np.clip((pixels + rng.normal(0, 0.01, pixels.shape)) * 255, 0, 255).astype(np.uint8)


def write_pairs(folder, seed: int = 0, people: int = PEOPLE) -> pd.DataFrame:
    """Pairs of tone (light, then dark) and of noise: each person smiles a little more or less than the net asks."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    rows = []
    for person in range(people):
        smile = rng.uniform(0.0, 0.4)
        for changed, levels in (("tone", (0.7, 0.3)), ("noise", (0.7, 0.7))):
            row = {"pair_id": f"{person}-{changed}", "changed": changed, "kept": "smile", "subject": f"p{person}"}
            for side, level in zip("ab", levels, strict=True):
                path = f"{person}-{changed}-{side}.png"
                Image.fromarray(face(rng, level, smile)).save(folder / path)
                row[f"path_{side}"] = path
            row["group"] = "x" if person % 2 else "y"
            rows.append(row)
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "pairs.csv", index=False)
    return frame


def audit(folder, net: nn.Module, **params):
    faces = pd.DataFrame({"path": [f"{person}-noise-a.png" for person in range(4)], "group": list("xyxy")})
    return run(
        model=net,
        faces=faces,
        folder=folder,
        classes=["neutral", "happy"],
        input={"size": SIDE, "mean": [0.0], "std": [1.0]},
        data={"attributes": {"group": {"assigned_by": "annotator"}}},
        probes=[{"probe": "counterfactual_pairs", "pairs": "pairs.csv", "control": "noise", **params}],
    ).probes[0]


def estimates(found):
    return {item.key.partition("/")[2]: item.estimate for item in found.measurements}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pairs") / "p"
    write_pairs(made)
    return made


def test_a_planted_fault_flips_one_way_and_the_twin_does_not(folder):
    found = audit(folder, MouthNet(fault=0.2))
    assert found.status == "ok", found.reason
    told = {item.id.partition(".")[2]: item for item in found.findings}
    assert told["flips.tone"].severity == "medium"
    assert "happy is answered 0 times more" in told["one_way.tone"].claim
    measured = estimates(found)
    assert measured["flip_rate.over_control[changed=tone]"].low > 0
    assert measured["selection_change[changed=tone,label=happy]"].high < 0
    assert measured["drift[changed=tone]"].value > measured["drift[changed=noise]"].value
    twin = audit(folder, MouthNet())
    assert [item.severity for item in twin.findings] == ["note"]
    assert estimates(twin)["flip_rate[changed=tone]"].n == PEOPLE


def test_faults_are_found_and_twins_left_alone_over_seeds(tmp_path):
    hits, alarms = 0, 0
    for seed in range(20):
        write_pairs(tmp_path / str(seed), seed, people=16)
        for fault in (0.25, 0.0):
            found = audit(tmp_path / str(seed), MouthNet(fault), attributes={})
            severe = any(item.severity != "note" for item in found.findings)
            hits += severe and fault > 0
            alarms += severe and fault == 0
    assert hits >= 17
    assert alarms <= 1


def test_numbers_are_those_counted_by_hand(folder, tmp_path):
    found = audit(folder, MouthNet(fault=0.2))
    frame = pd.read_csv(folder / "pairs.csv", dtype=str)
    net = MouthNet(fault=0.2)

    def answers(paths):
        pixels = np.stack([np.asarray(Image.open(folder / path)) for path in paths]) / 255
        return net(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).softmax(1).detach().numpy()

    tone = frame[frame["changed"] == "tone"]
    first, second = answers(tone["path_a"]), answers(tone["path_b"])
    flipped = first.argmax(1) != second.argmax(1)
    measured = estimates(found)
    assert measured["flip_rate[changed=tone]"].value == pytest.approx(flipped.mean())
    change = (second - first)[:, 1]
    assert measured["score_change[changed=tone,label=happy]"].value == pytest.approx(change.mean(), abs=1e-5)
    assert measured["absolute_score_change[changed=tone,label=happy]"].value == pytest.approx(
        np.abs(change).mean(), abs=1e-5
    )
    assert measured["drift[changed=tone]"].value == pytest.approx(np.abs(change).mean(), abs=1e-5)
    step = (second.argmax(1) == 1).astype(int) - (first.argmax(1) == 1)
    assert measured["selection_change[changed=tone,label=happy]"].value == pytest.approx(step.mean())
    up, down = (step > 0).sum(), (step < 0).sum()
    assert measured["selection_change.p[changed=tone,label=happy]"].value == pytest.approx(
        binomtest(up, up + down).pvalue
    )
    by_group = measured["flip_rate[changed=tone,group=x]"]
    assert by_group.subjects == PEOPLE // 2


def test_gaps_between_groups_are_asked_of_changes_alone(folder):
    measured = estimates(audit(folder, MouthNet(fault=0.2)))
    assert any(key.startswith("flip_rate.gap[attribute=group,changed=tone]") for key in measured)
    assert not any(key.startswith("flip_rate.gap[attribute=group,changed=noise]") for key in measured)


def test_without_a_control_nothing_is_claimed(folder):
    found = audit(folder, MouthNet(fault=0.2), control=None)
    told = {item.id.partition(".")[2]: item for item in found.findings}
    assert told["flips.tone"].severity == "note"
    assert "Without a control" in told["flips.tone"].claim
    assert estimates(found)["flip_rate.over_control[changed=tone]"].reason.startswith("no pairs are marked")
    assert any("No control was named" in note for note in found.notes)


def test_an_unreadable_picture_sets_its_pairs_aside(tmp_path):
    frame = write_pairs(tmp_path / "p")
    (tmp_path / "p" / "3-tone-b.png").write_bytes(b"not a picture")
    found = audit(tmp_path / "p", MouthNet())
    measured = estimates(found)
    assert measured["pairs_set_aside"].value == 1
    assert measured["flip_rate[changed=tone]"].n == PEOPLE - 1
    assert measured["flip_rate[changed=noise]"].n == PEOPLE
    assert any("1 of 48 pairs were set aside" in note for note in found.notes)
    assert len(frame) == 48


def test_boxes_are_cropped(tmp_path):
    frame = write_pairs(tmp_path / "p")
    for side in "ab":
        for path in frame[f"path_{side}"]:
            picture = Image.open(tmp_path / "p" / path)
            wide = Image.new("RGB", (SIDE + 6, SIDE + 4), "red")
            wide.paste(picture, (3, 2))
            wide.save(tmp_path / "p" / path)
        for edge, value in zip(("x0", "y0", "x1", "y1"), (3, 2, 3 + SIDE, 2 + SIDE), strict=True):
            frame[f"box_{side}_{edge}"] = value
    whole = write_pairs(tmp_path / "q")
    frame.to_csv(tmp_path / "p" / "pairs.csv", index=False)
    cropped, plain = (estimates(audit(tmp_path / name, MouthNet(fault=0.2))) for name in "pq")
    assert cropped["drift[changed=tone]"].value == pytest.approx(plain["drift[changed=tone]"].value, abs=1e-6)
    assert len(whole) == len(frame)


def test_every_fault_of_a_table_is_told_at_once(tmp_path):
    frame = write_pairs(tmp_path / "p", people=3)
    frame.loc[0, "path_b"] = "./" + frame.loc[0, "path_a"]
    frame.loc[1, "pair_id"] = frame.loc[2, "pair_id"]
    frame.loc[3, "path_a"] = "nowhere.png"
    frame.loc[4, "changed"] = ""
    frame.to_csv(tmp_path / "p" / "pairs.csv", index=False)
    with pytest.raises(ManifestError) as told:
        read_pairs(tmp_path / "p" / "pairs.csv", control="nois")
    message = str(told.value)
    for part in (
        "5 problems",
        "row 1: the pair is of an image with itself",
        "2 rows: 2, 3: a pair_id stands more than once",
        "1 of 12 images are not there ('nowhere.png')",
        "row 5: 'changed' is empty",
        "did you mean 'noise'",
    ):
        assert part in message, message


def test_columns_are_answered_with_the_nearest(tmp_path):
    frame = write_pairs(tmp_path / "p", people=2).rename(columns={"changed": "chnaged"}).assign(box_axis=1)
    frame.to_csv(tmp_path / "p" / "pairs.csv", index=False)
    with pytest.raises(ManifestError) as told:
        read_pairs(tmp_path / "p" / "pairs.csv", columns=("grup",))
    message = str(told.value)
    assert "did you mean 'chnaged'" in message
    assert "did you mean 'group'" in message
    assert "'box_axis' is no part of a box" in message


def test_a_faulty_table_is_a_fault_of_the_plan(folder):
    with pytest.raises(PlanError, match="no such file"):
        audit(folder, MouthNet(), pairs="paris.csv")
    with pytest.raises(ValidationError):
        CounterfactualPairsParams()


def test_the_digest_follows_table_and_images(tmp_path):
    write_pairs(tmp_path / "p", people=2)
    params = CounterfactualPairsParams.model_validate({"pairs": "pairs.csv"}, context={"folder": tmp_path / "p"})
    before = params.digest_of_files()
    assert before == params.digest_of_files()
    Image.new("RGB", (8, 8)).save(tmp_path / "p" / "0-tone-a.png")
    assert params.digest_of_files() != before


def test_a_person_with_many_pairs_counts_once():
    rules = StatisticsRules()
    people = np.arange(20)
    flips = (people < 6).astype(float)
    once, many = (
        difference(
            Changed(np.repeat(flips, times), np.repeat(people, times)),
            Changed(np.zeros(20 * times), np.repeat(people, times)),
            "rate",
            rules,
        )
        for times in (1, 9)
    )
    assert once.value == many.value == pytest.approx(0.3)
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=0.25)
    assert p_more(Changed(flips, people), Changed(np.zeros(20), people)) == pytest.approx(0.5**6)
    assert p_more(Changed(flips, people), Changed(np.zeros(20), people + 100)) == 1.0
    steps = np.repeat(np.r_[np.ones(7), -np.ones(1), np.zeros(12)], 3)
    assert p_one_way(steps, np.repeat(people, 3)) == pytest.approx(binomtest(7, 8).pvalue)


def test_a_person_with_more_pairs_of_the_change_than_of_the_control_is_no_evidence():
    people = np.arange(60)
    many, few = np.repeat(people, 10), people
    low = 0
    for seed in range(100):  # as many flips under the change as under the control; a sign test finds one nearly always
        rng = np.random.default_rng(seed)
        rate = rng.beta(0.5, 4.5, len(people))
        change, control = (Changed((rng.random(len(of)) < rate[of]).astype(float), of) for of in (many, few))
        low += p_more(change, control) <= 0.05
    assert low <= 11  # 5 and 2.6 standard errors
    rng = np.random.default_rng(0)
    flipped = Changed((rng.random(len(many)) < 0.25).astype(float), many)
    assert p_more(flipped, Changed((rng.random(len(few)) < 0.05).astype(float), few)) < 0.01


def test_the_exact_part_is_fishers_test_for_one_person_and_mcnemars_for_many():
    flips = np.array([1.0] * 6 + [0.0] * 2)
    one = Changed(flips, np.zeros(8, int))
    other = Changed(np.array([1.0, 0, 0, 0, 0, 0]), np.zeros(6, int))
    assert p_more(one, other) == pytest.approx(fisher_exact([[6, 2], [1, 5]], "greater").pvalue)
    people = np.arange(30)
    first, second = np.zeros(30), np.zeros(30)
    first[:9], second[7:11] = 1, 1
    exact = binomtest(7, 9, alternative="greater").pvalue
    assert p_more(Changed(first, people), Changed(second, people)) == pytest.approx(exact, rel=0.3)
    assert p_more(Changed(first, people), Changed(second, people)) >= exact - 1e-12


def test_a_difference_covers_the_truth():
    rules, rng, inside = StatisticsRules(), np.random.default_rng(0), []
    for _ in range(300):
        people = np.repeat(np.arange(40), 3)
        own = rng.beta(2, 6, 40)[people]
        first = (rng.random(120) < np.clip(own + 0.1, 0, 1)).astype(float)
        other = (rng.random(120) < own).astype(float)
        found = difference(Changed(first, people), Changed(other, people), "rate", rules)
        inside.append(found.low <= 0.1 <= found.high)
    assert np.mean(inside) >= 0.93 - 2.6 * np.sqrt(0.05 * 0.95 / 300)


def test_too_few_people_are_not_compared():
    few = Changed(np.ones(30), np.repeat(np.arange(3), 10))
    assert "3 people have one of the two; 10 are needed" in difference(few, few, "rate", StatisticsRules()).reason
