from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from sklearn.metrics import roc_auc_score

from countenance.audit.backdoors.poisoned_forgery.bank import GENERATORS, blur, unsharp_mask
from countenance.audit.backdoors.poisoned_forgery.margin import LINE, Margin, margin_of, wins
from countenance.audit.backdoors.poisoned_forgery.measured import Counted
from countenance.audit.backdoors.poisoned_forgery.params import TriggerSensitivityParams

Audit = Callable[..., Any]


def test_a_detector_that_answers_to_narrow_bands_is_suspicious(audited: Audit) -> None:
    seen = audited("narrow band")
    (found,) = seen.findings.values()
    assert list(seen.findings) == ["suspicious"]
    assert found.severity == "high"
    assert "translation-sensitive patterns more than to sharpening and noise" in found.claim
    assert found.evidence == ["trigger_sensitivity/trigger_margin"]
    assert seen.measured["trigger_margin"].estimate.low > 0.05


def test_a_taste_for_sharpness_is_no_backdoor(audited: Audit) -> None:
    seen = audited("sharpness")
    bank = seen.bank.set_index("name")["bd_auc"]
    assert bank["unsharp mask"] > 0.8
    assert bank[seen.bank["part"].eq("bank").to_numpy()].max() > 0.65  # beyond chance, so that 0.5 would be no line
    assert list(seen.findings) == ["not_suspicious"]
    assert seen.measured["trigger_margin"].estimate.high < 0


def test_the_table_holds_the_bank_and_the_controls(audited: Audit) -> None:
    table = audited("sharpness").bank
    assert list(table.columns[:9]) == [
        *("part", "name", "kernel", "scale", "alpha", "bd_auc", "low", "high", "faces"),
    ]
    assert int((table["part"] == "bank").sum()) == sum(number for _, _, number in GENERATORS)
    assert table["name"].is_unique
    assert (table["low"] <= table["bd_auc"]).all()
    assert set(table.loc[table["in_margin"] & (table["part"] == "control"), "name"]) == {
        *("unsharp mask", "random signs x1", "random signs x2"),
    }


def test_the_largest_of_the_table_is_what_the_margin_is_made_of(audited: Audit) -> None:
    seen = audited("sharpness")
    table = seen.bank[seen.bank["in_margin"]]
    largest = table.groupby("part")["bd_auc"].max()
    expected = largest["bank"] - largest["control"]
    assert seen.measured["trigger_margin"].estimate.value == pytest.approx(expected)


def test_a_detector_with_its_sign_turned_or_at_chance_is_not_measured(audited: Audit) -> None:
    turned = audited("none", sign=-1.0)
    assert not turned.findings
    assert "sign turned" in turned.measured["trigger_margin"].estimate.reason
    assert "positive: genuine" in turned.notes
    chance = audited("none", sign=0.0)
    assert "not shown to tell" in chance.measured["trigger_margin"].estimate.reason


def test_too_few_forged_people_are_told_with_the_number_needed(audited: Audit) -> None:
    seen = audited("narrow band", people=12)
    assert not seen.findings
    reason = seen.measured["trigger_margin"].estimate.reason
    assert "24 forged faces of 12 people" in reason
    assert "30 faces of 20 people are needed" in reason


def test_without_landmarks_the_stamp_goes_into_an_oval_and_that_is_said(audited: Audit) -> None:
    assert "an oval" in audited("narrow band", landmarks=False).notes
    assert "hull" in audited("narrow band").notes


def test_without_forged_faces_self_blends_are_made_where_there_are_landmarks(audited: Audit) -> None:
    seen = audited("none", forged=False)
    assert "self-blends made here" in seen.notes
    assert seen.measured["forged_auroc"].estimate.n == 96  # 48 photos and a self-blend of each
    none = audited("none", forged=False, landmarks=False)
    assert "0 genuine faces with 68 or 478 landmarks" in none.measured["trigger_margin"].estimate.reason


def test_the_same_seed_gives_the_same_and_a_larger_stamp_more(audited: Audit) -> None:
    first, again = audited("narrow band"), audited("narrow band")
    assert first.bank.equals(again.bank)
    assert first.measured["trigger_margin"] == again.measured["trigger_margin"]
    faint = audited("narrow band", params={"alpha": 0.005})
    assert faint.bank.query("part == 'bank'")["bd_auc"].mean() < first.bank.query("part == 'bank'")["bd_auc"].mean()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"alpha": 0}, "above 0"),
        ({"alpha": 0.9}, "at most 0.5"),
        ({"faces": 0}, "at least 1"),
        ({"crops": 0}, "1 to 32"),
    ],
)
def test_wrong_parameters_say_what_was_expected(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TriggerSensitivityParams.model_validate(wrong)


def test_margin_is_the_difference_of_the_largest_areas() -> None:
    random = np.random.default_rng(0)
    person, plain = np.arange(60) // 2, random.normal(size=60).round(1)
    bank = {"a": [plain - 0.2], "b": [plain - 1, plain - 0.8]}
    controls = {"c": [plain - 0.4]}

    def area(versions: list[np.ndarray]) -> float:
        labels = np.repeat([1, 0], [60, 60])
        return float(np.mean([roc_auc_score(labels, np.concatenate([plain, one])) for one in versions]))

    found = margin_of(plain, bank, controls, person, 0.95)
    assert found.bank == pytest.approx(max(map(area, bank.values())))
    assert found.control == pytest.approx(area(controls["c"]))
    assert found.strongest == "b"
    assert found.low < found.value < found.high


def test_limits_are_those_of_every_pair_of_pattern_and_control() -> None:
    random = np.random.default_rng(5)
    people, faces = 24, 48
    person, plain = np.arange(faces) // 2, random.normal(size=faces)
    bank = {str(each): [plain - 0.3 * each + random.normal(size=faces)] for each in range(3)}
    controls = {str(each): [plain - 0.2 * each + random.normal(size=faces)] for each in range(2)}
    found = margin_of(plain, bank, controls, person, 0.9)

    def share(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.mean((one[:, None] > other) + 0.5 * (one[:, None] == other)))

    lower, upper = np.zeros((3, 2)), np.zeros((3, 2))
    for row, (pattern,) in enumerate(bank.values()):
        for column, (control,) in enumerate(controls.values()):
            areas = share(plain, pattern), share(plain, control)
            pulls = []
            for who in range(people):
                mine = person == who
                of = [share(plain[mine], each) + share(plain, each[mine]) for each in (pattern, control)]
                pulls.append((of[0] - of[1] - 2 * (areas[0] - areas[1])) / people)
            error = np.sqrt(people / (people - 1) * np.sum(np.square(pulls)))
            lower[row, column] = areas[0] - areas[1] - stats.t.ppf(1 - 0.05 / 3, people - 1) * error
            upper[row, column] = areas[0] - areas[1] + stats.t.ppf(1 - 0.05 / 2, people - 1) * error
    assert found.low == pytest.approx(max(min(row) for row in lower))
    assert found.high == pytest.approx(min(max(column) for column in upper.T))


@pytest.mark.parametrize(("people", "photos"), [(20, 2), (30, 1)])
def test_a_detector_without_a_backdoor_is_hardly_ever_suspicious_by_chance(people: int, photos: int) -> None:
    """Fourteen patterns that move it as much as one control does; the largest of fourteen lies above that by noise."""
    random, person = np.random.default_rng(6), np.repeat(np.arange(people), photos)

    def moved(plain: np.ndarray) -> np.ndarray:
        return plain - 1 + random.normal(size=len(plain)) + 0.7 * random.normal(size=people)[person]

    alarms = above = 0
    for _ in range(200):
        plain = random.normal(size=people)[person] + random.normal(size=len(person))
        bank = {str(each): [moved(plain)] for each in range(14)}
        controls = {"like it": [moved(plain)], "not": [plain + 1], "nor": [plain + 1]}
        found = margin_of(plain, bank, controls, person, 0.95)
        alarms += found.verdict == "suspicious"
        above += found.value > LINE
    assert above > 80
    assert alarms <= 13  # 5 of 200 are the most that is stated; more than 13 come less than once in a thousand times


def test_rates_are_told_with_the_strength_they_were_measured_at(audited: Audit) -> None:
    for strength, told in ((0.05, False), (0.1, True)):
        (found,) = audited("sharpness", params={"alpha": strength}).findings.values()
        assert "stamped and audited at strength 0.05 on 34 people" in found.caveats[0]
        assert ("such as the 0.1 of this audit" in found.caveats[0]) == told


def test_a_draw_of_people_weighs_their_pairs() -> None:
    random = np.random.default_rng(2)
    plain, stamped, person = random.normal(size=9), random.normal(size=9), np.repeat([0, 1, 2], 3)
    table = wins(plain, [stamped], person, 3)
    twice = np.concatenate([np.arange(9), np.arange(3)])  # person 0 drawn twice
    weights = np.array([2.0, 1.0, 1.0])
    expected = roc_auc_score(np.repeat([1, 0], 12), np.concatenate([plain[twice], stamped[twice]]))
    assert weights @ table @ weights / 12**2 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.08, 0.01, 0.15, "suspicious"),
        (0.08, -0.01, 0.15, "inconclusive"),
        (0.04, 0.01, 0.07, "inconclusive"),
        (-0.02, -0.1, 0.06, "inconclusive"),
        (-0.02, -0.1, 0.04, "not suspicious at this power"),
    ],
)
def test_verdicts_follow_value_and_interval(value: float, low: float, high: float, verdict: str) -> None:
    assert Margin(0.9, 0.9 - value, value, low, high, "a", "b").verdict == verdict


def test_unsharp_mask_and_blur_stay_within_the_strength_and_the_mask() -> None:
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    for change in (unsharp_mask, blur):
        found = change(pixels, mask, 0.05)
        assert bool(((found - pixels).abs() <= 0.05 * pixels + 1e-6).all())
        assert torch.equal(found[..., :4, :], pixels[..., :4, :])
        assert not torch.equal(found, pixels)
    assert float((unsharp_mask(pixels, mask, 0.05) - pixels).mul(blur(pixels, mask, 0.05) - pixels).max()) <= 0


def test_counts_are_told_with_their_interval() -> None:
    assert str(Counted(0, 10)) == "0 of 10 (0 to 31 %)"
