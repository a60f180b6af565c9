from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from countenance.audit.robustness.open_set.confidence import SCORES, confidences, not_given
from countenance.audit.robustness.open_set.non_faces import NON_FACES, TITLES, make_non_faces
from countenance.audit.robustness.open_set.params import OpenSetParams
from countenance.audit.robustness.open_set.rates import (
    _replicates,
    false_positive_rate,
    fpr_estimate,
    threshold_of,
)
from countenance.audit.robustness.open_set.unknowns import read_unknowns
from countenance.core.errors import ManifestError
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules


def test_scores_are_those_of_the_papers() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 7))
    found = confidences(logits)
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(found["msp"]), softmax.max(1))
    np.testing.assert_allclose(found["max_logit"], logits.max(1))
    np.testing.assert_allclose(found["energy"], np.log(np.exp(logits).sum(1)))
    assert tuple(found) == SCORES


def test_a_sure_answer_keeps_its_rank() -> None:
    logits = np.array([[40.0, 0, 0], [39.0, 0, 0], [41.0, 0, 0]])
    assert len(set(confidences(logits)["msp"])) == 3
    assert np.argsort(confidences(logits)["msp"]).tolist() == [1, 0, 2]


def test_of_probabilities_only_the_largest_is_a_score() -> None:
    assert set(not_given("probabilities")) == {"max_logit", "energy"}
    assert not_given("logits") == {}
    logits = np.log(np.random.default_rng(0).dirichlet(np.ones(4), 20))
    np.testing.assert_allclose(confidences(logits)["energy"], 0, atol=1e-12)  # why


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rounded", [False, True])
def test_auroc_and_rate_are_those_of_scikit_learn(seed: int, rounded: bool) -> None:
    random = np.random.default_rng(seed)
    known, unknown = random.normal(1, 1, 83), random.normal(0, 1.5, 57)
    if rounded:  # ties
        known, unknown = np.round(known), np.round(unknown)
    truth = np.r_[np.ones(83), np.zeros(57)]
    both = np.r_[known, unknown]
    found = auroc(both, truth == 1, np.arange(140), StatisticsRules())
    assert found.value == pytest.approx(roc_auc_score(truth, both))
    assert found.value > 0.5
    false, true, limits = roc_curve(truth, both, drop_intermediate=False)
    first = int((true >= 0.95 - 1e-12).argmax())
    assert false_positive_rate(known, unknown) == pytest.approx(false[first])
    assert threshold_of(known) == limits[first]


@pytest.mark.parametrize("count", [1, 19, 20, 21, 100, 1000])
def test_no_more_than_a_twentieth_of_the_known_faces_are_rejected(count: int) -> None:
    known = np.random.default_rng(count).normal(size=count)
    threshold = threshold_of(known)
    assert (known >= threshold).mean() >= 0.95
    assert (known > threshold).mean() < 0.95


def test_replicates_set_the_threshold_anew() -> None:
    """Slowly, from the definition: people drawn, faces repeated, threshold and rate taken again."""
    random = np.random.default_rng(4)
    people = np.repeat(np.arange(15), 3)
    known, unknown = random.normal(1, 1, 45), random.normal(0, 1, 45)
    found = _replicates(known, unknown, people, people, np.random.default_rng(7), 0.95)
    again = np.random.default_rng(7).multinomial(15, np.full(15, 1 / 15), size=len(found))
    for times, rate in list(zip(again, found, strict=True))[:50]:
        each = np.repeat(np.arange(45), times[people])
        assert rate == pytest.approx(false_positive_rate(known[each], unknown[each]))


def test_interval_of_the_rate_knows_that_the_threshold_was_estimated() -> None:
    random = np.random.default_rng(0)
    known, unknown, rules = random.normal(1.5, 1, 60), random.normal(0, 1, 5000), StatisticsRules()
    found = fpr_estimate(known, unknown, np.arange(60), np.arange(60, 5060), rules, np.random.default_rng(1))
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(false_positive_rate(known, unknown))
    assert found.low < found.value < found.high
    assert found.high - found.low > 0.1  # of 5,000 unknowns alone it would be 0.03


def test_interval_of_a_rate_of_none_is_not_empty() -> None:
    known, unknown = np.random.default_rng(0).normal(50, 1, 80), np.random.default_rng(1).normal(0, 1, 40)
    found = fpr_estimate(known, unknown, np.arange(80), np.arange(80, 120), StatisticsRules(), np.random.default_rng(1))
    assert (found.value, found.low) == (0, 0)
    assert found.high is not None
    assert 0.05 < found.high < 0.12


def test_too_few_people_are_not_measured() -> None:
    known, unknown = np.arange(40.0), np.arange(8.0)
    found = fpr_estimate(known, unknown, np.arange(40), np.arange(40, 48), StatisticsRules(), np.random.default_rng(0))
    assert found.value is None
    assert "10 are needed" in (found.reason or "")


def faces(count: int = 4, side: int = 32) -> torch.Tensor:
    smooth = torch.nn.functional.interpolate(
        torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0)), (side, side), mode="bicubic"
    )
    return (0.5 + 0.15 * (smooth - 0.5)).clamp(0, 1)


@pytest.mark.parametrize("name", list(NON_FACES))
@pytest.mark.parametrize("side", [6, 30, 32])
def test_non_faces_hang_on_seed_and_row_alone(name: str, side: int) -> None:
    pixels, rows = faces(side=side), np.array([3, 8, 11, 2**40])
    made = make_non_faces(name, 5, rows, pixels)
    assert made.shape == pixels.shape
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    alone = torch.cat([make_non_faces(name, 5, rows[i : i + 1], pixels[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(made, alone, rtol=1e-5, atol=1e-6)
    again = make_non_faces(name, 6, rows, pixels)
    assert torch.equal(made, again) == (name in ("flat", "blurred"))
    assert name in TITLES


def test_what_is_kept_of_the_faces() -> None:
    pixels, rows = faces(), np.arange(4)
    made = {name: make_non_faces(name, 1, rows, pixels) for name in NON_FACES}
    mean = pixels.mean((2, 3))
    for name in ("flat", "blurred", "scrambled", "shuffled"):
        torch.testing.assert_close(made[name].mean((2, 3)), mean, rtol=0, atol=2e-3)
    assert float(made["flat"].std((2, 3)).max()) < 1e-6
    torch.testing.assert_close(
        torch.fft.fft2(made["scrambled"]).abs(), torch.fft.fft2(pixels).abs(), rtol=1e-3, atol=1e-2
    )
    assert float((made["scrambled"] - pixels).abs().mean()) > 0.01
    torch.testing.assert_close(made["shuffled"].flatten(2).sort(2).values, pixels.flatten(2).sort(2).values)
    assert not torch.equal(made["shuffled"], pixels)
    first = made["shuffled"][0, :, :4, :4]
    patches = pixels[0].unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).reshape(64, 3, 4, 4)
    assert (patches == first).all((1, 2, 3)).sum() == 1
    assert float(made["noise"].mean()) == pytest.approx(0.5, abs=0.01)


def picture(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (90, 80, 70)).save(path)
    return path.name


def test_a_folder_of_unknowns_and_its_folders_as_kinds(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "masks/1.png", "masks/deep/2.png", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            picture(tmp_path / name)
    found = read_unknowns(tmp_path)
    assert found.frame["path"].tolist() == ["a.jpg", "b.png", "masks/1.png", "masks/deep/2.png"]
    assert found.kinds == ["masks", "unknown"]
    assert not found.has_subjects


def test_a_table_of_unknowns(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    table = pd.DataFrame({"path": ["x.png", "x.png"], "subject": ["a", "b"], "kind": ["grimace", "contempt"]})
    edges = {"box_x0": [0, 5], "box_y0": [0, 5], "box_x1": [10, 20], "box_y1": [10, 20]}
    table.assign(**edges).to_csv(tmp_path / "t.csv", index=False)
    found = read_unknowns(tmp_path / "t.csv")
    assert found.kinds == ["contempt", "grimace"]
    assert found.has_subjects
    assert found.boxes is not None
    assert found.boxes.tolist() == [[0, 0, 10, 10], [5, 5, 20, 20]]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"file": ["x.png"]}, "the column 'path' is not there"),
        ({"path": ["y.png"]}, "1 of 1 pictures are not there"),
        ({"path": ["x.png"], "box_x0": [1]}, "expected all of box_x0"),
        ({"path": ["x.png"], "box_x0": [5], "box_y0": [0], "box_x1": [2], "box_y1": [9]}, "row 1: the box is empty"),
        ({"path": ["x.png"], "box_x0": ["a"], "box_y0": [0], "box_x1": [2], "box_y1": [9]}, "four numbers"),
        ({"path": ["x.png"], "kind": [""]}, "'kind' is empty"),
        ({"path": ["x.png"], "kind": ["noise"]}, "may not be called 'noise'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, columns: dict[str, list[object]], told: str) -> None:
    picture(tmp_path / "x.png")
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ManifestError, match=told):
        read_unknowns(tmp_path / "t.csv", frozenset({"noise"}))


def test_an_empty_folder_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="there are none"):
        read_unknowns(tmp_path / "empty")
    with pytest.raises(ManifestError, match="there is no such file"):
        read_unknowns(tmp_path / "missing.csv")


def test_settings(tmp_path: Path) -> None:
    assert OpenSetParams().made == tuple(NON_FACES)
    assert OpenSetParams(non_faces=("flat",)).made == ("flat",)
    assert OpenSetParams(unknown="x").made == ()
    assert OpenSetParams(checkpoints={"sad": "x.pt"}).made == ()
    with pytest.raises(ValueError, match="something unknown to show"):
        OpenSetParams(non_faces=())
    with pytest.raises(ValueError, match="each kind once"):
        OpenSetParams(non_faces=("flat", "flat"))
    with pytest.raises(ValueError, match="'noise', 'flat'"):
        OpenSetParams(non_faces=("snow",))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        OpenSetParams(faces=0)
    context = {"folder": tmp_path}
    with pytest.raises(ValueError, match=r"without 'sad': there is no file .*x\.pt"):
        OpenSetParams.model_validate({"checkpoints": {"sad": "x.pt"}}, context=context)
    with pytest.raises(ValueError, match="there is no such file"):
        OpenSetParams.model_validate({"unknown": "nothing.csv"}, context=context)


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    picture(tmp_path / "pictures" / "x.png")
    context = {"folder": tmp_path}
    before = OpenSetParams.model_validate({"unknown": "pictures"}, context=context).digest_of_files()
    Image.new("RGB", (20, 20), (9, 8, 7)).save(tmp_path / "pictures" / "x.png")
    after = OpenSetParams.model_validate({"unknown": "pictures"}, context=context).digest_of_files()
    assert before != after
    assert OpenSetParams().digest_of_files() == ""
