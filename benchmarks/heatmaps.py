"""Heatmaps: class activation maps, the warp to the canonical face, and memory, each beside another way to do it.

    python -m benchmarks heatmaps

Maps: face_expression and mini_xception on London faces where ../shared stands beside the repository, else the net of
the drawn faces with random weights. Every comparison first checks that both ways give the same maps.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from benchmarks.timing import Timed, side_by_side, tell
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from skimage.transform import PiecewiseAffineTransform, warp
from torch import Tensor, nn

from countenance.core.plan_file import load_plan
from countenance.core.setup import load_material
from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.engine import CamEngine
from countenance.explain.canonical import CANVAS_HEIGHT, CANVAS_WIDTH, canonical_face, with_border
from countenance.explain.landmarks import FloatArray
from countenance.explain.warp import canonical_warp
from countenance.synth.dataset import draw_crops, draw_dataset
from countenance.synth.nets import INPUT_SIZE, DrawnFaceNet, normalise

ROOT = Path(__file__).resolve().parents[1]
FACES, BATCH, ROUNDS = 64, 8, 4
CROP, WARPED = 112, 4
GROWTH = 0.10
OURS, LOOP, SCIKIT = "this package", "loop over pixels, triangles known", "scikit-image piecewise affine"


def main() -> None:
    """Print every comparison; a difference between the ways, or memory that grows with faces, is an error."""
    torch.set_num_threads(1)
    nets = ("face_expression", "mini_xception")
    if (ROOT.parent / "shared" / "models").is_dir():
        for name in nets:
            compare_maps(f"{name} on London", *london(name))
    else:
        print(f"\nNo ../shared beside the repository, so not {' and '.join(nets)} but the drawn faces' net, untrained")
        compare_maps("untrained net on drawn faces", *drawn())
    for count in (68, 478):
        compare_warps(count)
    compare_memory()


def london(name: str) -> tuple[nn.Module, Tensor]:
    """Return a real net and what it takes of the first London faces."""
    loaded = load_plan(ROOT / "tests" / "plans" / f"london_{name}.yaml")
    material = load_material(loaded)
    assert material.target is not None
    assert isinstance(material.target.net, nn.Module)
    pixels = next(material.faces.batches(FACES)).pixels
    return material.target.net.requires_grad_(True), material.target.prepare(pixels)


def drawn() -> tuple[nn.Module, Tensor]:
    """Return a net with random weights and what it takes of drawn faces."""
    torch.manual_seed(0)
    return DrawnFaceNet().eval(), normalise(torch.from_numpy(draw_crops(10, 7, 0, INPUT_SIZE).pixels[:FACES]))


def compare_maps(title: str, net: nn.Module, faces: Tensor) -> None:
    """GradCAM of the predicted class beside one forward and full backward pass, and beside the grad-cam package."""
    ensure_torchvision_importable()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    engine = CamEngine(net, faces[:2])
    with torch.no_grad():
        classes = net(faces).argmax(1)
    parts = [slice(at, at + BATCH) for at in range(0, len(faces), BATCH)]

    def bare() -> None:
        for part in parts:
            net.zero_grad()
            net(faces[part]).gather(1, classes[part, None]).sum().backward()

    def ours() -> Tensor:
        return torch.cat([engine.maps(faces[part], classes[part])[0] for part in parts])

    hooked = deepcopy(net)  # its hooks stay on the net
    with GradCAM(model=hooked, target_layers=[hooked.get_submodule(engine.layer_name)]) as package:

        def theirs() -> Tensor:
            found = []
            for part in parts:
                targets = [ClassifierOutputTarget(int(place)) for place in classes[part]]
                found.append(package(input_tensor=faces[part], targets=targets))
            return torch.from_numpy(np.concatenate(found))

        expected, found = theirs(), ours()
        timed = side_by_side({"forward and full backward": bare, "grad-cam package": theirs, OURS: ours}, ROUNDS)
    # A face whose map is zero everywhere has none here, and zeros there.
    usable = torch.isfinite(found).all(dim=(1, 2))
    difference = float((found - expected)[usable].abs().max())
    assert int(usable.sum()) >= FACES // 2, f"only {int(usable.sum())} of {FACES} faces have a map"
    assert difference < 1e-4, f"maps differ from the grad-cam package's by {difference:.1e}"
    assert not expected[~usable].any(), "a face without a map here has one in the grad-cam package"
    told = f"{FACES} faces in batches of {BATCH}, layer {engine.layer_name}, grad-cam {version_of('grad-cam')}"
    tell(f"GradCAM, {title}: {told}", timed, "forward and full backward")
    tell_times("forward and full backward", timed["forward and full backward"], timed[OURS])
    tell_times("grad-cam package", timed["grad-cam package"], timed[OURS])
    print(f"Largest difference to the package {difference:.0e}, over {int(usable.sum())} faces with a map")


def compare_warps(count: int) -> None:
    """The warp to the canonical face beside scikit-image's and beside a loop over pixels that knows the triangles."""
    random = np.random.default_rng(0)
    shape = canonical_face(count).shape
    landmarks = shape * CROP / 3.2 + (CROP / 2, CROP / 2.4)
    landmarks = landmarks + random.normal(0, 0.004 * CROP, (WARPED, *shape.shape))
    rough = torch.rand(WARPED, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    maps = torch.nn.functional.interpolate(rough, size=CROP, mode="bicubic")
    pictures = maps[:, 0].numpy()
    target = with_border(canonical_face(count).points, CANVAS_WIDTH, CANVAS_HEIGHT)
    sources = with_border(landmarks, CROP, CROP)
    known = known_triangles(target)

    def ours() -> FloatArray:
        return canonical_warp(count)(maps, landmarks)[:, 0].numpy()

    def scikit_image() -> FloatArray:
        found = []
        for picture, source in zip(pictures, sources, strict=True):
            transform = PiecewiseAffineTransform.from_estimate(target, source)
            size = (CANVAS_HEIGHT, CANVAS_WIDTH)
            found.append(warp(picture, transform, output_shape=size, order=1, mode="edge"))
        return np.stack(found)

    def loop() -> FloatArray:
        return np.stack([warp_by_pixel(*pair, *known) for pair in zip(pictures, sources, strict=True)])

    ways: dict[str, Callable[[], FloatArray]] = {LOOP: loop, SCIKIT: scikit_image, OURS: ours}
    results = {name: way() for name, way in ways.items()}
    differences = {name: float(np.abs(found - results[OURS]).max()) for name, found in results.items()}
    assert max(differences.values()) < 1e-4, f"the warps differ: {differences}"
    timed = side_by_side(dict(ways), 3)
    told = f"{WARPED} maps of {CROP} px, {count} landmarks, onto 224 x 275, scikit-image {version_of('scikit-image')}"
    tell(f"Warp to the canonical face: {told}", timed, SCIKIT)
    tell_times("loop over pixels", timed[LOOP], timed[OURS])
    tell_times("scikit-image", timed[SCIKIT], timed[OURS])
    print(f"Largest difference to the loop {differences[LOOP]:.0e}, to scikit-image {differences[SCIKIT]:.0e}")


def tell_times(name: str, other: Timed, ours: Timed) -> None:
    """Print how many times as long the other way takes, and our share of its time."""
    wall, cpu = other.wall / ours.wall, other.cpu / ours.cpu
    print(f"{name}: {wall:,.1f} times our time ({cpu:,.1f} in CPU time); ours is {1 / wall:.2g} of it ({1 / cpu:.2g})")


def version_of(package: str) -> str:
    return importlib.metadata.version(package)


def known_triangles(target: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
    """Return for each canvas pixel, row by row, the corners of its triangle (p, 3) and their weights (p, 3)."""
    mesh = Delaunay(target)
    y, x = np.divmod(np.arange(CANVAS_WIDTH * CANVAS_HEIGHT), CANVAS_WIDTH)
    pixels = np.stack([x, y], axis=1).astype(float)
    triangle = mesh.find_simplex(pixels)
    two = np.einsum("pij,pj->pi", mesh.transform[triangle, :2], pixels - mesh.transform[triangle, 2])
    return mesh.simplices[triangle], np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1)


def warp_by_pixel(
    picture: FloatArray, source: FloatArray, corners: NDArray[np.int32], weights: FloatArray
) -> FloatArray:
    """Warp one map, one pixel after the other, in plain Python."""
    height, width = picture.shape
    values = picture.tolist()
    points = source.tolist()
    out = []
    for (a, b, c), (u, v, w) in zip(corners.tolist(), weights.tolist(), strict=True):
        x = min(max(u * points[a][0] + v * points[b][0] + w * points[c][0], 0.0), width - 1.0)
        y = min(max(u * points[a][1] + v * points[b][1] + w * points[c][1], 0.0), height - 1.0)
        left, top = min(int(x), width - 2), min(int(y), height - 2)
        x, y = x - left, y - top
        upper = values[top][left] * (1 - x) + values[top][left + 1] * x
        lower = values[top + 1][left] * (1 - x) + values[top + 1][left + 1] * x
        out.append(upper * (1 - y) + lower * y)
    return np.array(out).reshape(CANVAS_HEIGHT, CANVAS_WIDTH)


AUDIT = """
import json, sys
from pathlib import Path
import pandas as pd, torch
import countenance
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, DrawnFaceNet

def peak():
    # Not ru_maxrss: a child inherits its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

folder, people, per_class = Path(sys.argv[1]), *map(int, sys.argv[2:])
torch.set_num_threads(1)
torch.manual_seed(0)
frame = pd.read_csv(folder / "manifest.csv")
frame = frame[frame["subject"].str[1:].astype(int) <= people]
box = ["face_x0", "face_y0", "face_x1", "face_y1"]
before = peak()
results = countenance.run(
    model=DrawnFaceNet(), faces=frame, folder=folder, classes=EXPRESSIONS, batch_size=16,
    input={"size": INPUT_SIZE, "mean": MEAN, "std": STD},
    data={"label": "label", "subject": "subject", "box": box, "landmarks": "landmarks_drawn68.npz"},
    probes=[{"probe": "global_heatmaps", "select": "label", "per_class": per_class}],
)
(probe,) = results.probes
assert probe.status == "ok", probe.reason
explained = sum(m.estimate.n for m in probe.measurements if m.metric == "faces_without_map")
print(json.dumps({"faces": len(frame), "explained": explained, "peak": peak(), "before": before}))
"""


def compare_memory() -> None:
    """Peak memory of a whole audit with heatmaps, for few faces, ten times the people, ten times the pictures."""
    if not Path("/proc/self/status").is_file():
        print("\nMemory: not measured, as this system has no /proc/self/status to read the peak from")
        return
    with tempfile.TemporaryDirectory() as scratch:
        many_people, many_pictures = Path(scratch) / "people", Path(scratch) / "pictures"
        draw_dataset(many_people, subjects=120, per_subject=7, seed=1)
        draw_dataset(many_pictures, subjects=12, per_subject=70, seed=1)
        found = {
            "12 people, 7 faces each": audit(many_people, 12, 12),
            "ten times the people": audit(many_people, 120, 12),
            "ten times the faces of each": audit(many_pictures, 12, 120),
        }
    print("\nPeak memory of an audit with heatmaps, drawn faces, 12 people for each class")
    print(f"{'':<44}{'faces':>9}{'explained':>11}{'peak MiB':>10}{'after imports':>15}{'ratio':>8}")
    few = next(iter(found.values()))
    for name, one in found.items():
        told = f"{one['peak']:>10.0f}{one['before']:>15.0f}{one['peak'] / few['peak']:>8.3f}"
        print(f"{name:<44}{one['faces']:>9.0f}{one['explained']:>11.0f}{told}")
    most = max(one["peak"] for one in found.values())
    assert most <= (1 + GROWTH) * few["peak"], f"peak memory grew from {few['peak']:.0f} to {most:.0f} MiB"


def audit(folder: Path, *arguments: int) -> dict[str, float]:
    command = [sys.executable, "-c", textwrap.dedent(AUDIT), str(folder), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
