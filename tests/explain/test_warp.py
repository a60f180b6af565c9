from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.transform import PiecewiseAffineTransform, warp

from countenance.explain.canonical import PLACEMENT, canonical_face, with_border
from countenance.explain.landmarks import FloatArray, to_5
from countenance.explain.warp import CanonicalWarp, canonical_warp


def jittered_face(count: int, size: int = 96, seed: int = 0) -> FloatArray:
    """Landmarks of a face that fills most of a picture, each moved a little."""
    shape = canonical_face(count).shape
    random = np.random.default_rng(seed)
    points = shape * size / 3.2 + (size / 2, size / 2.4)
    return points + random.normal(0, 0.004 * size, points.shape)


def picture(size: int = 96, seed: int = 0) -> torch.Tensor:
    rough = torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(rough, size=size, mode="bicubic")


def slow_warp(image: np.ndarray, source: FloatArray, target: FloatArray, width: int, height: int) -> np.ndarray:
    """One pixel at a time: find a triangle that holds it, mix its corners, look up four neighbours."""
    from scipy.spatial import Delaunay

    triangles = Delaunay(target).simplices
    out = np.full((height, width), np.nan)
    for y in range(height):
        for x in range(width):
            for corners in triangles:
                matrix = np.vstack([target[corners].T, np.ones(3)])
                weights = np.linalg.solve(matrix, [x, y, 1])
                if (weights >= -1e-9).all():
                    u, v = weights @ source[corners]
                    u, v = np.clip(u, 0, image.shape[1] - 1), np.clip(v, 0, image.shape[0] - 1)
                    u0, v0 = min(int(u), image.shape[1] - 2), min(int(v), image.shape[0] - 2)
                    fu, fv = u - u0, v - v0
                    top = image[v0, u0] * (1 - fu) + image[v0, u0 + 1] * fu
                    low = image[v0 + 1, u0] * (1 - fu) + image[v0 + 1, u0 + 1] * fu
                    out[y, x] = top * (1 - fv) + low * fv
                    break
    return out


def test_equals_the_slow_loop_on_a_small_canvas() -> None:
    warper = CanonicalWarp(68, width=28, height=34)
    landmarks, image = jittered_face(68), picture()[:, :1]
    points = (canonical_face(68).points + 0.5) * (28 / 224, 34 / 275) - 0.5
    expected = slow_warp(
        image[0, 0].numpy().astype(float), with_border(landmarks, 96, 96), with_border(points, 28, 34), 28, 34
    )
    assert np.isfinite(expected).all()
    ours = warper(image, landmarks[None])[0, 0].numpy()
    # Coinciding triangulations may differ along flat ties only; values agree to float32.
    np.testing.assert_allclose(ours, expected, atol=2e-4)


@pytest.mark.parametrize("count", [68, 478])
def test_equals_scikit_image(count: int) -> None:
    landmarks, image = jittered_face(count), picture()
    source, target = with_border(landmarks, 96, 96), with_border(canonical_face(count).points, 224, 275)
    transform = PiecewiseAffineTransform.from_estimate(target, source)
    expected = warp(image[0].permute(1, 2, 0).numpy(), transform, output_shape=(275, 224), order=1, mode="edge")
    ours = canonical_warp(count)(image, landmarks[None])[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - expected).max() < 2e-5


def test_batch_equals_one_by_one_and_keeps_type() -> None:
    images = torch.cat([picture(seed=seed) for seed in range(3)]).double()
    landmarks = np.stack([jittered_face(68, seed=seed) for seed in range(3)])
    warper = canonical_warp(68)
    together = warper(images, landmarks)
    assert together.dtype == torch.float64
    assert together.shape == (3, 2, 275, 224)
    for index in range(3):
        torch.testing.assert_close(
            together[index : index + 1], warper(images[index : index + 1], landmarks[index : index + 1])
        )


@pytest.mark.parametrize("count", [5, 68])
def test_canonical_landmarks_warp_to_themselves(count: int) -> None:
    """A picture drawn on the canvas, with the canonical landmarks, comes out as it went in."""
    image = torch.nn.functional.interpolate(picture(), size=(275, 224), mode="bilinear")
    points = canonical_face(count).points
    if count == 68:
        torch.testing.assert_close(canonical_warp(68)(image, points[None]), image, atol=1e-4, rtol=0)
    else:
        # A similarity cannot undo the canvas's unequal scales, so start from the shape itself.
        positions = canonical_warp(5).source_positions(canonical_face(5).shape[None] * 50 + 60, 1, 1)[0]
        x, y = 30, 200
        expected = np.array(
            [(x - PLACEMENT.offset_x) / PLACEMENT.scale_x, (y - PLACEMENT.offset_y) / PLACEMENT.scale_y]
        )
        np.testing.assert_allclose(positions[y, x], expected * 50 + 60, atol=1e-3)


def test_five_points_follow_a_turned_and_scaled_face() -> None:
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    move = lambda points: 40 * points @ turn.T + (70, 55)  # noqa: E731
    warper = canonical_warp(5)
    assert warper.approximate
    positions = warper.source_positions(move(canonical_face(5).shape)[None], 128, 128)[0]
    for x, y in ((0, 0), (100, 80), (223, 274)):
        shape = np.array([(x - PLACEMENT.offset_x) / PLACEMENT.scale_x, (y - PLACEMENT.offset_y) / PLACEMENT.scale_y])
        np.testing.assert_allclose(positions[y, x], move(shape), atol=1e-3)


def test_folded_share_counts_the_turned_triangles() -> None:
    warper = canonical_warp(68)
    points = canonical_face(68).points[None]
    assert warper.folded_share(points, 224, 275).tolist() == [0]
    folded = points.copy()
    folded[0, 36:48] = folded[0, [*range(42, 48), *range(36, 42)]]  # each eye in the place of the other
    share = warper.folded_share(folded, 224, 275)[0]
    assert 0.01 < share < 0.5
    mirrored = points * (-1, 1) + (223, 0)
    assert warper.folded_share(mirrored, 224, 275)[0] > 0.5
    assert canonical_warp(5).folded_share(to_5(folded), 224, 275).tolist() == [0]


def test_closed_lips_do_no_harm() -> None:
    points = canonical_face(68).points[None].copy()
    points[0, 61:64], points[0, 65:68] = points[0, 48:51], points[0, [50, 49, 48]]
    image = torch.nn.functional.interpolate(picture(), size=(275, 224), mode="bilinear")
    assert torch.isfinite(canonical_warp(68)(image, points)).all()


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="98"):
        CanonicalWarp(98)
    warper = canonical_warp(68)
    with pytest.raises(ValueError, match=r"\(n, 68, 2\)"):
        warper(picture(), np.zeros((1, 5, 2)))
    with pytest.raises(ValueError, match="per set of landmarks"):
        warper(picture(), np.zeros((2, 68, 2)))
    with pytest.raises(ValueError, match="finite"):
        warper(picture(), np.full((1, 68, 2), np.nan))


def test_london_faces_land_in_the_same_place_by_68_and_by_478(shared: Path) -> None:
    folder = shared / "data" / "london"
    rows = pd.read_csv(folder / "manifest.csv").iloc[:204:17]
    crops, sets = [], {68: [], 478: []}
    archives = {
        68: np.load(folder / "landmarks_dlib68.npz"),
        478: np.load(folder / "landmarks_mediapipe478.npz"),
    }
    for row in rows.itertuples():
        box = tuple(round(side) for side in (row.face_x0, row.face_y0, row.face_x1, row.face_y1))
        crop = Image.open(folder / row.path).convert("L").crop(box).resize((112, 112), Image.Resampling.BILINEAR)
        crops.append(np.asarray(crop, dtype=np.float32)[None] / 255)
        for count, archive in archives.items():
            points = archive[row.path.removesuffix(".jpg")][:, :2]
            sets[count].append((points - box[:2]) * 112 / (box[2] - box[0]))
    images = torch.from_numpy(np.stack(crops))
    first, second = (canonical_warp(count)(images, np.stack(sets[count])).numpy() for count in (68, 478))
    agreement = [np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(first, second, strict=True)]
    assert np.mean(agreement) > 0.97
    assert canonical_warp(68).folded_share(np.stack(sets[68]), 112, 112).max() < 0.02
