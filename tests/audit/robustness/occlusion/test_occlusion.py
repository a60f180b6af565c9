"""The probe on planted nets: each reads one known part of the picture and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

import countenance
from countenance.audit.robustness.occlusion.params import OcclusionParams
from countenance.core.probes import find_probe
from countenance.core.results import AuditResults, Estimate, ProbeResult
from countenance.explain.canonical import canonical_face
from countenance.explain.landmarks import to_5

SIDE, PEOPLE = 56, 40
EYES_APART, MIDDLE = 19.0, (28.0, 22.0)
SHARES = [0.1, 0.3, 0.5]


class Reads(nn.Module):
    """Says yes where the picture, weighted by a plan, is above 0: a gate before the last feature map."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)))
        self.sides = nn.Conv2d(1, 2, 1, bias=False)
        self.sides.weight.data = torch.tensor([[[[-1.0]]], [[[1.0]]]])
        self.positive = nn.ReLU()
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight.data = 50 * torch.eye(2)

    def forward(self, pixels: Tensor) -> Tensor:
        evidence = (pixels.mean(1, keepdim=True) - 0.5) * self.weights
        logits: Tensor = self.head(self.positive(self.sides(evidence)).mean((2, 3)))
        return logits


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    plan = np.zeros((SIDE, SIDE))
    plan[y0:y1, x0:x1] = 1
    return plan


def landmarks() -> np.ndarray:
    return canonical_face(68).shape * EYES_APART + MIDDLE


def part(indices: range) -> np.ndarray:
    """The box of some landmarks, a pixel wider all around."""
    points = landmarks()[list(indices)]
    (x0, y0), (x1, y1) = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    return box(int(x0), int(y0), int(x1), int(y1))


MOUTH, BROWS = part(range(48, 60)), part(range(17, 27))
QUADRANT = box(0, 0, SIDE // 2, SIDE // 2)
EVERYWHERE = np.ones((SIDE, SIDE))
NOTHING = np.tile([1.0, -1.0], (SIDE, SIDE // 2))  # weighs the signal to zero, and noise not


def faces(folder: Path, signal: Callable[[str], np.ndarray], points: str = "68", people: int = PEOPLE) -> pd.DataFrame:
    """Two pictures of each person; ``signal(kind)`` is added where the label is yes and taken away otherwise.

    What is added is balanced elsewhere, so that the mean colour of a picture does not give the label away.
    """
    random = np.random.default_rng(1)
    lines, found = [], {}
    for person in range(people):
        for label in (0, 1):
            kind = ("broad", "narrow")[person % 2]
            plan = signal(kind) * (0.2 if label else -0.2)
            pixels = 0.5 + random.normal(0, 0.02, (SIDE, SIDE)) + plan - plan.mean() * (signal(kind).min() == 0)
            name = f"{person}_{label}.png"
            picture = np.repeat(pixels[..., None], 3, axis=2)
            Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8)).save(folder / name)
            lines.append([name, ("no", "yes")[label], f"p{person}", kind])
            found[f"{person}_{label}"] = landmarks() if points == "68" else to_5(landmarks())
    if points != "none":
        np.savez(folder / "points.npz", **found)
    return pd.DataFrame(lines, columns=["path", "label", "subject", "kind"])


def run(folder: Path, frame: pd.DataFrame, weights: np.ndarray, **params: Any) -> AuditResults:
    data: dict[str, Any] = {"subject": "subject", "attributes": {"kind": {"assigned_by": "annotator"}}}
    if (folder / "points.npz").exists():
        data["landmarks"] = "points.npz"
    return countenance.run(
        model=Reads(weights),
        faces=frame,
        folder=folder,
        out=folder / "run",
        classes=["no", "yes"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data=data,
        batch_size=16,
        probes=[{"probe": "occlusion", "shares": SHARES, "regions": [], "objects": [], "layer": "positive", **params}],
    )


def of(results: AuditResults) -> ProbeResult:
    found = results.probes[0]
    assert found.status == "ok", found.reason
    return found


def value(results: AuditResults, key: str) -> float:
    found = results[f"occlusion/{key}"].estimate.value
    assert found is not None
    return found


def estimate(results: AuditResults, key: str) -> Estimate:
    return results[f"occlusion/{key}"].estimate


def findings(results: AuditResults) -> dict[str, str]:
    return {found.id.rpartition(".")[2]: found.severity for found in of(results).findings}


def test_it_is_registered_with_what_it_needs() -> None:
    probe = find_probe("occlusion")
    assert probe.needs == {"model", "images"}
    assert probe.tasks == {"expression", "forgery", "action_units", "valence_arousal"}
    assert probe.pillar == "robustness"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"shares": [0]}, "expected each share above 0 and at most 1, but got 0"),
        ({"shares": [60]}, "at most 1, but got 60"),
        ({"shares": [0.2, 0.2]}, "each share once"),
        ({"shares": [0.1, 0.5], "grid": 2}, "of the 4 patches, but got 0.1, which hides none"),
        ({"grid": 1}, "greater than or equal to 2"),
        ({"fill": "white"}, "mean"),
        ({"method": "gradcamm"}, "gradcam"),
        ({"regions": ["ear"]}, "expected regions out of brows.*'ear'"),
        ({"objects": ["sunglases"]}, "sunglasses"),
        ({"margin": -1}, "greater than or equal to 0"),
        ({"faces": 0}, "greater than or equal to 1"),
    ],
)
def test_params_that_make_no_sense_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OcclusionParams.model_validate(wrong)


def test_one_share_one_region_and_no_method_may_be_named() -> None:
    params = OcclusionParams.model_validate({"shares": 0.3, "regions": "mouth", "objects": [], "method": None})
    assert params.shares == (0.3,)
    assert params.regions == ("mouth",)
    assert params.objects == ()


@pytest.fixture(scope="module")
def quadrant(tmp_path_factory: pytest.TempPathFactory) -> AuditResults:
    """A net that looks at the upper left quarter only, where alone the faces differ."""
    folder = tmp_path_factory.mktemp("quadrant")
    return run(folder, faces(folder, lambda kind: QUADRANT, people=100), QUADRANT)


def test_where_one_place_counts_guided_patches_cut_deeper(quadrant: AuditResults) -> None:
    assert value(quadrant, "accuracy@occlusion=none") == 1
    assert value(quadrant, "accuracy@occlusion=guided,share=0.3") < 0.7  # the quarter is hidden
    assert value(quadrant, "accuracy@occlusion=random,share=0.5") > 0.95
    assert value(quadrant, "accuracy@occlusion=guided_last,share=0.5") == 1
    beyond = estimate(quadrant, "elsewhere_minus_guided")
    assert beyond.low is not None
    assert beyond.low > 0.05
    assert value(quadrant, "random_minus_guided") > 0.15
    assert value(quadrant, "last_minus_first") > 0.15
    null = estimate(quadrant, "random_minus_guided.null_elsewhere")
    assert null.value is not None
    assert abs(null.value) < 0.15
    assert findings(quadrant)["guided"] == "note"
    assert "GradCAM" in next(found.claim for found in of(quadrant).findings)


def test_the_area_is_the_mean_over_shares_by_the_trapezoid_rule(quadrant: AuditResults) -> None:
    for name in ("random", "guided"):
        curve = [value(quadrant, "accuracy@occlusion=none")]
        curve += [value(quadrant, f"accuracy@occlusion={name},share={share}") for share in SHARES]
        shares = [0.0, *SHARES]
        slow = sum(
            (right - left) * (before + after) / 2
            for left, right, before, after in zip(shares, shares[1:], curve, curve[1:], strict=False)
        )
        assert value(quadrant, f"area@occlusion={name}") == pytest.approx(slow / SHARES[-1])
    difference = value(quadrant, "area@occlusion=random") - value(quadrant, "area@occlusion=guided")
    assert value(quadrant, "random_minus_guided") == pytest.approx(difference)
    for group in ("broad", "narrow"):
        assert estimate(quadrant, f"area[kind={group}]@occlusion=guided").value is not None
        assert estimate(quadrant, f"random_minus_guided[kind={group}]").value is not None
        assert estimate(quadrant, f"accuracy[kind={group}]@occlusion=guided,share=0.3").value is not None


def test_a_method_that_only_asks_guides_as_well(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: QUADRANT, people=30)
    found = run(tmp_path, frame, QUADRANT, method="occlusion", shares=[0.3])
    assert value(found, "accuracy@occlusion=guided,share=0.3") < 0.8
    assert value(found, "elsewhere_minus_guided") > 0.05


@pytest.mark.parametrize("fill", ["mean", "noise"])
def test_where_every_place_counts_alike_a_map_guides_to_nothing(tmp_path: Path, fill: str) -> None:
    """A net that reads the mean colour: whichever patches are hidden, as much is left."""
    found = run(tmp_path, faces(tmp_path, lambda kind: EVERYWHERE), EVERYWHERE, fill=fill)
    assert value(found, "accuracy@occlusion=none") == 1
    assert abs(value(found, "random_minus_guided")) < 0.05
    assert abs(value(found, "elsewhere_minus_guided")) < 0.05
    assert set(findings(found)) & {"map_not_confirmed", "map_misleads"}
    assert "guided" not in findings(found)


def test_the_region_that_a_net_reads_is_named_and_no_other(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: MOUTH)
    regions = ["brows", "eyes", "nose", "mouth", "lower_half"]
    objects = ["medical_mask", "sunglasses"]
    found = run(tmp_path, frame, MOUTH, shares=[], regions=regions, objects=objects, margin=0.3)
    assert value(found, "accuracy@occlusion=mouth") < 0.75
    assert value(found, "accuracy@occlusion=eyes") == 1
    assert value(found, "accuracy@occlusion=medical_mask") < 0.75
    assert value(found, "accuracy@occlusion=sunglasses") == 1
    assert value(found, "accuracy@occlusion=mouth_elsewhere") > 0.85
    for name, low in (("mouth", 0.1), ("lower_half", 0.1), ("eyes", None)):
        beyond = estimate(found, f"beyond_elsewhere@occlusion={name}")
        assert beyond.low is not None
        assert beyond.high is not None
        if low is None:
            assert beyond.value == 0
        else:
            assert beyond.low > low
    told = {each.id.rpartition(".")[2]: each.claim for each in of(found).findings}
    assert "a hidden mouth" in told["costly_regions"]
    assert "eyes" not in told["costly_regions"]
    assert "a medical mask" in told["costly_objects"]
    assert "sunglasses" not in told["costly_objects"]
    assert not any("guided" in name or "map" in name for name in told)
    by_label = [value(found, f"accuracy[label={label}]@occlusion=mouth") for label in ("no", "yes")]
    assert value(found, "accuracy@occlusion=mouth") == pytest.approx(np.mean(by_label))
    table = pd.read_csv(tmp_path / "run" / "tables" / "occlusion.occlusions.csv").set_index("occlusion")
    assert table.loc["mouth", "hidden"] == pytest.approx(value(found, "accuracy@occlusion=mouth"))
    assert table.loc["mouth", "elsewhere"] == pytest.approx(value(found, "accuracy@occlusion=mouth_elsewhere"))
    assert table.loc["mouth", "faces"] == 2 * PEOPLE


@pytest.mark.parametrize("planted", [True, False])
def test_a_group_that_loses_more_is_exposed_and_its_twin_is_not(tmp_path: Path, planted: bool) -> None:
    """Broad faces show it with the mouth alone, narrow ones with the brows too; in the twin all with both."""

    def signal(kind: str) -> np.ndarray:
        return MOUTH if planted and kind == "broad" else np.maximum(MOUTH, BROWS)

    found = run(tmp_path, faces(tmp_path, signal, people=100), MOUTH + BROWS, shares=[], regions=["mouth"], margin=0.3)
    lost = {kind: value(found, f"lost[kind={kind}]@occlusion=mouth") for kind in ("broad", "narrow")}
    assert lost["narrow"] < 0.05
    assert (lost["broad"] > 0.2) is planted
    gaps = [each.claim for each in of(found).findings if "kind" in each.id or "gap" in each.id]
    assert bool(gaps) is planted, [each.id for each in of(found).findings]
    if planted:
        assert "a hidden mouth" in gaps[0]


def test_the_same_plan_gives_the_same_numbers_in_any_batches(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: QUADRANT)
    data = {"subject": "subject", "landmarks": "points.npz"}

    def measured(size: int, seed: int) -> dict[str, float | None]:
        results = countenance.run(
            model=Reads(QUADRANT),
            faces=frame,
            folder=tmp_path,
            classes=["no", "yes"],
            input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
            data=data,
            seed=seed,
            batch_size=size,
            probes=[
                {"probe": "occlusion", "shares": [0.4], "regions": ["mouth"], "objects": ["hair"], "fill": "noise"}
            ],
        )
        return {each.key: each.estimate.value for each in of(results).measurements}

    assert measured(16, 1) == measured(7, 1)
    assert measured(16, 1) != measured(16, 2)


def test_every_use_in_a_plan_hides_the_same(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: EVERYWHERE + 2 * QUADRANT, people=30)
    probe = {
        "probe": "occlusion",
        "shares": [0.5],
        "regions": "mouth",
        "objects": "hair",
        "method": None,
        "fill": "noise",
    }
    results = countenance.run(
        model=Reads(NOTHING + QUADRANT / 50),
        faces=frame.drop(columns="label"),
        folder=tmp_path,
        classes=["no", "yes"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data={"subject": "subject", "landmarks": "points.npz"},
        probes=[{**probe, "id": name} for name in ("first", "second")],
    )
    first, second = (
        {each.key.split("/")[1]: each.estimate.value for each in found.measurements} for found in results.probes
    )
    assert first == second
    assert 0 < (first["changed@occlusion=random,share=0.5"] or 0) < 1


def test_five_points_and_none_are_told(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: QUADRANT, points="5")
    found = run(tmp_path, frame, QUADRANT, shares=[], regions=["mouth", "eyes"], objects=["sunglasses"])
    assert estimate(found, "accuracy@occlusion=mouth").value is None
    assert "brows rise and mouths open" in (estimate(found, "accuracy@occlusion=mouth").reason or "")
    assert value(found, "accuracy@occlusion=eyes") <= 1
    assert any("mean face was fitted" in note for note in of(found).notes)
    (tmp_path / "points.npz").unlink()
    frame = faces(tmp_path, lambda kind: QUADRANT, points="none")
    (tmp_path / "again").mkdir()
    found = countenance.run(
        model=Reads(QUADRANT),
        faces=frame,
        folder=tmp_path,
        classes=["no", "yes"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data={"subject": "subject"},
        probes=[{"probe": "occlusion", "shares": [0.5], "regions": ["mouth"], "objects": ["hair"]}],
    )
    for name in ("mouth", "hair"):
        assert "name them as data.landmarks" in (estimate(found, f"accuracy@occlusion={name}").reason or "")
    assert value(found, "accuracy@occlusion=random,share=0.5") > 0.9


def test_a_net_at_chance_is_not_measured(tmp_path: Path) -> None:
    found = run(tmp_path, faces(tmp_path, lambda kind: QUADRANT), NOTHING, regions=["mouth"])
    for key in ("accuracy@occlusion=none", "accuracy@occlusion=mouth", "lost@occlusion=random"):
        assert estimate(found, key).value is None
    assert "nothing to lose" in (estimate(found, "accuracy@occlusion=mouth").reason or "")
    assert not of(found).findings


def test_a_grid_finer_than_pixels_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path, faces(tmp_path, lambda kind: QUADRANT), QUADRANT, grid=60)
    assert found.probes[0].status == "failed"
    assert f"expected a grid of at most {SIDE} patches a side, one pixel each, but got 60" in (
        found.probes[0].reason or ""
    )


def test_faces_without_labels_count_by_changes(tmp_path: Path) -> None:
    frame = faces(tmp_path, lambda kind: QUADRANT).drop(columns="label")
    found = run(tmp_path, frame, QUADRANT, regions=["mouth"])
    assert value(found, "area_kept@occlusion=random") > value(found, "area_kept@occlusion=guided") + 0.15
    assert value(found, "changed@occlusion=mouth") < 0.1
    assert "accuracy" not in {each.metric for each in of(found).measurements}


def test_values_are_judged_by_their_error(tmp_path: Path) -> None:
    """Valence by the brightness of the quarter: hidden, the error rises; no map explains two values."""
    frame = faces(tmp_path, lambda kind: QUADRANT)
    sign = np.where(frame["label"] == "yes", 1.0, -1.0)

    class Values(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            quarter = pixels[..., : SIDE // 2, : SIDE // 2].mean((1, 2, 3)) - 0.5
            return torch.stack([quarter, 0 * quarter], dim=1)

    found = countenance.run(
        model=Values(),
        faces=frame.drop(columns="label").assign(y_valence=sign * 0.15, y_arousal=0.0),
        folder=tmp_path,
        task="valence_arousal",
        output="values",
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data={"subject": "subject", "landmarks": "points.npz"},
        probes=[{"probe": "occlusion", "shares": [0.5], "regions": ["upper_half", "lower_half"], "objects": []}],
    )
    assert value(found, "absolute_error@occlusion=upper_half") == pytest.approx(0.075, abs=0.01)
    assert value(found, "absolute_error@occlusion=lower_half") == pytest.approx(0, abs=0.005)
    assert value(found, "beyond_elsewhere@occlusion=upper_half") > 0.02
    error = [value(found, "absolute_error@occlusion=none"), value(found, "absolute_error@occlusion=random,share=0.5")]
    assert value(found, "area@occlusion=random") == pytest.approx(np.mean(error), abs=1e-6)
    assert "not one class" in (estimate(found, "random_minus_guided").reason or "")


def test_the_strip_shows_drawn_faces(quadrant: AuditResults) -> None:
    assert {Path(each.path).name for each in of(quadrant).artifacts} >= {"occlusion.strip.npz", "occlusion.strip.json"}
