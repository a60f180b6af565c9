"""What the probe finds on nets that look at one region only."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from countenance.audit.robustness.reachable import search as searching
from countenance.audit.robustness.reachable.params import ReachableParams
from countenance.audit.robustness.reachable.probe import reachable_attacks
from countenance.audit.robustness.reachable.reach import Reach, pairs
from countenance.audit.robustness.reachable.sheet import main
from countenance.audit.robustness.reachable.surfaces import Paint
from countenance.core.checkpoints.load import load_checkpoint
from countenance.core.landmarks import NpzLandmarks
from countenance.core.needs import missing_needs
from countenance.core.numbers import Fraction
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, find_probe
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

SIDE = 64
BY = {"eyeglasses": 0.04, "patch": 0.004, "makeup": 0.02, "low_frequency": 0.008}
SIZE = {"eyeglasses": {}, "patch": {"share": "0.05"}, "makeup": {"eps": "32/255"}, "low_frequency": {"eps": "8/255"}}


@pytest.mark.parametrize("search", ["gradient", "square"])
@pytest.mark.parametrize("attack", ["makeup", "eyeglasses", "patch", "low_frequency"])
def test_a_net_that_looks_there_is_flipped_and_random_colours_do_not(make_case: Any, attack: str, search: str) -> None:
    region = "mouth" if attack == "makeup" else "all" if attack == "patch" else "eyes"
    found = make_case(region, BY[attack]).run(attacks=attack, search=search, **_short(search))
    size = SIZE[attack]
    assert found.lost(attack, **size) >= (1 if search == "gradient" else 0.9)
    assert found.lost(f"random_{attack}", **size) < 0.5
    assert found.findings[attack].severity == "medium"
    assert found.findings[attack].p_adjusted is not None
    assert set(found.findings) == {attack}  # no sign of a failed search
    assert found.scores("accuracy", attack="none").values.mean() == 1
    assert found.scores("accuracy", attack=attack, **size).values.mean() == pytest.approx(
        1 - found.lost(attack, **size)
    )


def _short(search: str) -> dict[str, int]:
    return {"steps": 10} if search == "gradient" else {"queries": 150}


@pytest.mark.parametrize("search", ["gradient", "square"])
def test_glasses_do_not_flip_a_net_that_looks_at_the_mouth(make_case: Any, search: str) -> None:
    found = make_case("mouth", 0.001).run(attacks="eyeglasses", search=search, **_short(search))
    assert found.lost("eyeglasses") == 0
    assert found.lost("random_eyeglasses") == 0
    assert found.findings["eyeglasses"].severity == "note"
    assert "Not surely more than random colours" in " ".join(found.findings["eyeglasses"].caveats)
    assert ("no_gradient.eyeglasses" in found.findings) == (search == "gradient")


def test_makeup_of_the_lips_does_not_flip_a_net_that_looks_at_the_eyes(make_case: Any) -> None:
    case = make_case("eyes", 0.01)
    for regions, lost in ((["lips"], 0.0), (["lids"], 1.0)):
        found = case.run(attacks="makeup", makeup=regions, makeup_eps="64/255", steps=10)
        assert found.lost("makeup", eps="64/255") == lost


def test_a_net_of_one_answer_is_not_measured(make_case: Any) -> None:
    class One(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return torch.stack([pixels.mean((1, 2, 3)) + 9, pixels.mean((1, 2, 3))], 1)

    found = make_case(net=One()).run(attacks=["eyeglasses", "patch"])
    assert set(found.unmeasured) >= {("accuracy", "eyeglasses"), ("lost", "random_patch", "0.05")}
    assert "one and the same answer" in found.unmeasured["accuracy", "eyeglasses"]
    assert not found.findings


def test_the_worst_place_of_a_sticker_counts(make_case: Any) -> None:
    case = make_case("mouth", 0.01)
    lost = {}
    for places in (["forehead"], ["nose"], ["forehead", "nose", "chin"]):
        found = case.run(attacks="patch", patch_share="0.1", patch_places=places, steps=10)
        lost[tuple(places)] = found.lost("patch", share="0.1")
    assert lost["forehead",] == 0
    assert lost["forehead", "nose", "chin"] == 1


def test_larger_bounds_flip_no_fewer(make_case: Any) -> None:
    found = make_case("mouth", 0.02).run(attacks="makeup", makeup_eps=["4/255", "16/255", "64/255"], steps=10)
    lost = [found.lost("makeup", eps=eps) for eps in ("4/255", "16/255", "64/255")]
    assert lost == sorted(lost)
    assert lost[0] < lost[2]


@pytest.mark.parametrize("search", ["gradient", "square"])
def test_the_batch_decides_nothing(make_case: Any, search: str) -> None:
    sizes = {"attacks": ["makeup", "patch"], "makeup_eps": "8/255", "patch_share": "0.03", "search": search}
    few = {"steps": 3} if search == "gradient" else {"queries": 6}
    runs = [make_case("all", np.linspace(0.001, 0.012, 24), batch_size=size).run(**sizes, **few) for size in (24, 5)]
    seen = [
        [(out.metric, dict(out.condition), out.values.tolist()) for out in run.outputs if hasattr(out, "metric")]
        for run in runs
    ]
    assert seen[0] == seen[1]
    assert 0 < runs[0].lost("patch", share="0.03") < 1  # a setting that would show it


def test_the_seed_decides_the_colours(make_case: Any, drawn: Any) -> None:
    made = []
    for seed in (1, 1, 2):
        case = make_case("eyes", seed=seed)
        reach = Reach(case.context, ReachableParams(attacks="eyeglasses"))
        ((_, control),) = pairs(reach.params)
        batch = next(iter(case.faces.batches(6, landmarks=True)))
        made.append(reach(control, batch).pixels)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_only_the_area_changes(make_case: Any) -> None:
    case = make_case("eyes")
    reach = Reach(case.context, ReachableParams(attacks=["makeup", "eyeglasses", "patch"], steps=5))
    batch = next(iter(case.faces.batches(12, landmarks=True)))
    for attack, control in pairs(reach.params):
        for condition in (attack, control):
            found = reach(condition, batch)
            change = (found.pixels - batch.pixels).abs()
            assert 0 < float((change.amax(1) > 0).float().mean()) < 0.25
            assert float(change[:, :, 60:, :8].max()) == 0  # a corner
            assert found.possible is not None
            assert found.possible.all()
            if attack.name == "makeup":
                assert float(change.max()) <= float(Fraction(attack.size)) + 1e-6


def test_pixels_beyond_the_bounds_are_told_and_prove_nothing(make_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    within = Paint.render

    def beyond(self: Paint, settings: Tensor) -> Tensor:
        found = within(self, settings)
        return torch.cat([found[:, :, :-1], 1 - found[:, :, -1:]], 2)  # paints over the chin, too

    case = make_case("eyes")
    monkeypatch.setattr(Paint, "render", beyond)
    found = case.run(attacks="eyeglasses", steps=5)
    assert found.findings["out_of_bounds"].severity == "high"
    assert "24 faces" in found.findings["out_of_bounds"].claim
    assert found.lost("eyeglasses") == 0


def test_a_search_weaker_than_chance_is_told(make_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that makes the right answer surer flips none; random colours flip about every second face."""

    def surer(self: Any, scores: Any, surface: Any, start: Any, labels: Tensor, rows: np.ndarray) -> Any:
        settings = torch.ones_like(start(0, rows)) * (2.0 * labels - 1)[:, None, None, None]
        return SimpleNamespace(pixels=settings, no_gradient=torch.zeros(len(rows), dtype=torch.bool))

    monkeypatch.setattr(searching.Climb, "__call__", surer)
    found = make_case("eyes", 0.002).run(attacks="eyeglasses")
    assert found.lost("eyeglasses") == 0
    assert found.lost("random_eyeglasses") > 0.25
    assert found.findings["weaker_than_random"].severity == "high"


def test_survival_counts_what_the_camera_does_not_flip_itself(make_case: Any) -> None:
    found = make_case("eyes", 0.05).run(attacks="eyeglasses", steps=10)
    rates = {
        camera: found.scores("survives", attack="eyeglasses", camera=camera) for camera in ("jpeg", "shift", "all")
    }
    for scores in rates.values():
        assert 0 < len(scores.rows) <= 24
        assert set(np.unique(scores.values)) <= {0.0, 1.0}
    assert rates["jpeg"].values.mean() > 0  # the frame is broad: a JPEG does not wash it all away


def test_fine_noise_does_not_survive_and_flat_colour_does() -> None:
    from countenance.audit.robustness.reachable.camera import rescale

    fine = 0.5 + 0.2 * ((torch.arange(48)[:, None] + torch.arange(48)) % 2).float().expand(1, 3, 48, 48)
    assert float(rescale(fine).std()) < 0.3 * float(fine.std())


def test_faces_without_landmarks_or_too_small_are_told(make_case: Any, drawn: Any) -> None:
    points = np.tile(drawn.landmarks, (4, 1, 1))
    points[0] = np.nan
    points[1] = 32 + (points[1] - 32) / 4
    found = make_case("eyes", landmarks=points).run(attacks="eyeglasses", steps=5)
    assert len(found.scores("lost", attack="eyeglasses").rows) == 22
    told = " ".join(found.notes)
    assert "Not possible on 1 face: drawn glasses, since the face has no landmarks" in told
    assert "since its eyes are less than 8 pixels apart" in told


def test_faces_it_cannot_be_done_to_are_left_out_whether_right_or_wrong(make_case: Any, drawn: Any) -> None:
    points = np.tile(drawn.landmarks, (4, 1, 1))
    by = np.full(len(points), 0.05)
    by[:6] = -0.05  # answered wrongly
    points[[0, 1, 12, 13]] = np.nan
    found = make_case("eyes", by, landmarks=points).run(attacks="eyeglasses", steps=5)
    for name in ("eyeglasses", "random_eyeglasses"):
        accuracy = found.scores("accuracy", attack=name)
        assert set(range(24)) - set(accuracy.rows.tolist()) == {0, 1, 12, 13}
    assert not found.scores("accuracy", attack="eyeglasses").values[:4].any()


def test_five_landmarks_are_enough(make_case: Any, drawn: Any) -> None:
    from countenance.explain.landmarks import to_5

    five = to_5(np.tile(drawn.landmarks, (4, 1, 1))).astype(np.float32)
    found = make_case("eyes", landmarks=five).run(attacks="eyeglasses", steps=10)
    assert found.lost("eyeglasses") == 1


def test_without_landmarks_only_the_whole_crop_is_changed(make_case: Any) -> None:
    found = make_case("eyes", 0.01, landmarks=None).run(attacks=["eyeglasses", "low_frequency"], steps=10)
    assert "no landmarks" in found.unmeasured["accuracy", "eyeglasses"]
    assert found.lost("low_frequency", eps="8/255") == 1


def test_more_frequencies_than_pixels_are_not_measured(make_case: Any) -> None:
    case = make_case("eyes")
    case.target.size = (4, 4)
    found = case.run(attacks="low_frequency", frequencies=8)
    assert "4 pixels has 4 frequencies" in found.unmeasured["lost", "low_frequency", "4/255"]


def test_a_target_without_gradients_is_offered_squares(make_case: Any) -> None:
    case = make_case("eyes", format="onnx")
    probe = SimpleNamespace(needs=frozenset({"model", "images", "labels"}), tasks=frozenset({"expression"}))
    predictions = SimpleNamespace(task="expression", labelled=True)
    params = ReachableParams(attacks="eyeglasses")
    reason = missing_needs(
        probe,
        case.faces,
        predictions,
        case.target,
        params.further_needs(),
        params.without_gradients(),  # type: ignore[arg-type]
    )
    assert "no gradients" in reason
    assert "search: square" in reason
    asked = ReachableParams(attacks="eyeglasses", search="square")
    assert not missing_needs(
        probe,
        case.faces,
        predictions,
        case.target,
        asked.further_needs(),
        asked.without_gradients(),  # type: ignore[arg-type]
    )


def test_what_it_tells_of_groups_and_sizes(make_case: Any) -> None:
    found = make_case("mouth", 0.01).run(attacks=["makeup", "eyeglasses"], steps=5)
    largest, smaller = (found.scores("lost", attack="makeup", eps=eps) for eps in ("32/255", "16/255"))
    assert largest.gaps
    assert not smaller.gaps
    assert smaller.by_group
    assert not found.scores("lost", attack="random_makeup", eps="32/255").by_group
    table = found.table
    assert list(table.index) == [("makeup", "16/255"), ("makeup", "32/255"), ("eyeglasses", "")]
    assert 0.02 < table.loc[("eyeglasses", ""), "covered"] < 0.15


def test_the_strip_shows_each_attack_beside_its_control(make_case: Any) -> None:
    case = make_case("eyes")
    found = case.run(attacks=["eyeglasses", "patch"], steps=5)
    assert found.strip["drawn"]
    titles = [each["title"] for each in found.strip["conditions"]]
    assert titles == [
        "as it is",
        "drawn glasses, searched",
        "drawn glasses, at random",
        "a sticker on 0.05 of the face, searched",
        "a sticker on 0.05 of the face, at random",
    ]
    assert found.pictures.shape[:2] == (3, 5)
    assert (found.pictures[:, 1] != found.pictures[:, 0]).any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attacks": "glasses"}, "did you mean|makeup, eyeglasses, patch, low_frequency"),
        ({"attacks": []}, "at least 1"),
        ({"makeup_eps": "0"}, "above 0 and at most 1"),
        ({"low_frequency_eps": "300/255"}, "above 0 and at most 1"),
        ({"makeup_eps": ["8/255", "8/255"]}, "each size once"),
        ({"patch_share": 0.7}, "at most 0.5"),
        ({"patch_places": "ear"}, "forehead"),
        ({"makeup": "hair"}, "lips, lids, cheeks"),
        ({"queries": 5}, "search: square"),
        ({"search": "square", "steps": 5}, "search: gradient"),
        ({"search": "guess"}, "gradient"),
        ({"frequencies": 0}, "greater than or equal to 1"),
        ({"detail": 0}, "0.02"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ReachableParams(**wrong)


def test_it_is_registered() -> None:
    assert find_probe("reachable_attacks").function is reachable_attacks


def test_the_climb_is_no_weaker_than_many_small_steps(make_case: Any) -> None:
    """On a net with kinks: 40 steps that shrink reach the loss of 100 equal ones of the same start."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 8, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 13 * 13, 2)
    )
    case = make_case("eyes", net=net.requires_grad_(False))
    reach = Reach(case.context, ReachableParams(attacks="eyeglasses"))
    batch = next(iter(case.faces.batches(8, landmarks=True)))
    ((attack, _),) = pairs(reach.params)
    ((_, surface, _),) = reach._surfaces("eyeglasses", attack, batch, [None] * 8)
    labels = net(batch.pixels).argmax(1)

    def scores(pixels: Tensor) -> Tensor:
        return net(pixels) + 50 * nn.functional.one_hot(labels, 2)  # so far from the boundary that it runs to its end

    def start(number: int, rows: np.ndarray) -> Tensor:
        return reach._start("eyeglasses", 0, number, rows, surface)

    found = searching.Climb(40, 1)(scores, surface, start, labels, batch.rows)
    settings = start(0, batch.rows)
    for _ in range(100):
        settings = settings.detach().requires_grad_()
        logits = scores(surface.render(settings))
        loss = logits.gather(1, 1 - labels[:, None]) - logits.gather(1, labels[:, None])
        (gradient,) = torch.autograd.grad(loss.sum(), settings)
        settings = (settings + 0.1 * gradient.sign()).clamp(-1, 1)
    reference = scores(surface.render(settings)).detach()
    slow = (reference.gather(1, 1 - labels[:, None]) - reference.gather(1, labels[:, None]))[:, 0]
    begun = found.loss_start
    assert ((found.loss_after - begun) >= 0.95 * (slow - begun)).all()


def test_onnx_on_real_faces(london: Any, shared: Path, outcome: Any) -> None:
    """Some answers of the ONNX form are enough for glasses that flip real faces; random colours do not."""
    pytest.importorskip("onnxruntime")
    folder = shared / "models"
    loaded = load_checkpoint(folder / "face_expression.onnx", None, folder=folder)
    target = Target(loaded.net, london.target.spec, format="onnx")
    points = shared / "data" / "london" / "landmarks_dlib68.npz"
    faces = replace(london.faces, source=NpzLandmarks(points, london.faces.frame["path"].tolist()))
    rows = np.arange(0, 204, 17)
    with torch.no_grad():
        values = target.probabilities(target(london.pixels(rows)).double()).numpy()
    predictions = Predictions("expression", tuple(target.classes), values, london.labels[rows].astype(float))
    context = ProbeContext(
        probe_id="reach",
        faces=faces.take(rows),
        predictions=predictions,
        target=target,
        rules=StatisticsRules(min_subjects=2),
        seed=7,
        batch_size=12,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )
    params = ReachableParams(attacks="eyeglasses", search="square", queries=60)
    found = outcome(list(reachable_attacks(context, params)))
    assert found.lost("eyeglasses") >= 0.3
    assert found.lost("eyeglasses") > found.lost("random_eyeglasses")


def test_an_attack_that_is_possible_on_no_face_is_not_measured(make_case: Any, drawn: Any) -> None:
    nowhere = np.full_like(np.tile(drawn.landmarks, (4, 1, 1)), np.nan)
    found = make_case("eyes", landmarks=nowhere).run(attacks="eyeglasses")
    assert "none of the faces" in found.unmeasured["lost", "eyeglasses"]
    assert not found.findings


def test_the_sheet_holds_every_picture(make_case: Any, tmp_path: Path) -> None:
    found = make_case("eyes").run(attacks="eyeglasses", steps=3)
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "glasses.strip.json").write_text(json.dumps(found.strip), encoding="utf-8")
    np.savez(folder / "glasses.strip.npz", pictures=found.pictures)
    main([str(tmp_path), str(tmp_path / "sheet.png"), "--probe", "glasses", "--columns", "2"])
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 2 * (SIDE + 4)
    for picture in found.pictures.reshape(-1, SIDE, SIDE, 3):
        windows = [sheet[y : y + SIDE, x : x + SIDE] for x in (0, SIDE + 4) for y in range(len(sheet) - SIDE + 1)]
        assert any((window == picture).all() for window in windows)
