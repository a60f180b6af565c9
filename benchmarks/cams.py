"""Class activation maps and the warp to the canonical face, each beside another way to do it.

    python -m benchmarks cams

Maps: face_expression and mini_xception on London faces where ../shared stands beside the repository, else the net of
the drawn faces with random weights. Every comparison first checks that both ways give the same maps.
"""

from __future__ import annotations

import importlib.metadata
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
from countenance.explain.attribution.cam import RULES
from countenance.explain.attribution.cam import normalise as stretched
from countenance.explain.attribution.engine import CamEngine
from countenance.explain.attribution.source import Captured
from countenance.explain.canonical import CANVAS_HEIGHT, CANVAS_WIDTH, canonical_face, with_border
from countenance.explain.landmarks import FloatArray
from countenance.explain.warp import canonical_warp
from countenance.synth.dataset import draw_crops
from countenance.synth.nets import INPUT_SIZE, DrawnFaceNet, normalise

ROOT = Path(__file__).resolve().parents[1]
FACES, BATCH, ROUNDS = 32, 8, 4
CROP, WARPED = 112, 8
PACKAGE = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "xgradcam": "XGradCAM",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "eigencam": "EigenCAM",
    "eigengradcam": "EigenGradCAM",
}
COMPONENTS = ("eigencam", "eigengradcam")
OURS, LOOP, SCIKIT = "this package", "loop over pixels, triangles known", "scikit-image piecewise affine"
BARE, THEIRS = "forward and full backward", "grad-cam package, seven runs"


def main() -> None:
    """Print every comparison; a difference between the ways is an error."""
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
    """Seven maps of the predicted class beside one forward and full backward pass, and beside the grad-cam package."""
    ensure_torchvision_importable()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    engine = CamEngine(net, faces[:2], method=tuple(PACKAGE))
    with torch.no_grad():
        classes = net(faces).argmax(1)
    parts = [slice(at, at + BATCH) for at in range(0, len(faces), BATCH)]

    def bare() -> None:
        for part in parts:
            net.zero_grad()
            net(faces[part]).gather(1, classes[part, None]).sum().backward()

    def ours() -> dict[str, Tensor]:
        found = [engine.explain_all(faces[part], classes[part]) for part in parts]
        return {name: torch.cat([batch[name].maps for batch in found]) for name in PACKAGE}

    hooked = deepcopy(net)
    layer = hooked.get_submodule(engine.layer_name)

    def theirs() -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, kind in PACKAGE.items():
            with getattr(pytorch_grad_cam, kind)(model=hooked, target_layers=[layer]) as package:
                maps = []
                for part in parts:
                    targets = [ClassifierOutputTarget(int(place)) for place in classes[part]]
                    maps.append(package(input_tensor=faces[part], targets=targets))
            found[name] = torch.from_numpy(np.concatenate(maps))
        return found

    told = same_maps(ours(), theirs(), engine, faces, classes)
    timed = side_by_side({BARE: bare, THEIRS: theirs, OURS: ours}, ROUNDS)
    setting = f"{FACES} faces in batches of {BATCH}, layer {engine.layer_name}, grad-cam {version_of('grad-cam')}"
    tell(f"{len(PACKAGE)} CAMs, {title}: {setting}", timed, BARE)
    tell_times(BARE, timed[BARE], timed[OURS], "at most 0.8 of it wanted")
    tell_times(THEIRS, timed[THEIRS], timed[OURS], "at least 10 wanted")
    print(told)


def same_maps(
    ours: dict[str, Tensor], theirs: dict[str, Tensor], engine: CamEngine, faces: Tensor, classes: Tensor
) -> str:
    """Check that the maps agree, and return by how much in words.

    The package leaves the sign of a component to its solver. Its maps of components are made here from its own
    projections with the sign set, of the features that the engine sees.
    """
    captured = features_of(engine, faces, classes)
    theirs = theirs | package_components(captured, (faces.shape[-2], faces.shape[-1]))
    differences, usable_faces = {}, []
    for name in RULES:
        # A face whose map is zero everywhere has none here, and zeros there.
        usable = torch.isfinite(ours[name]).all(dim=2).all(dim=1)
        other = theirs[name].nan_to_num()
        assert not other[~usable].any(), f"{name}: a face without a map here has one in the grad-cam package"
        assert int(usable.sum()) >= FACES // 2, f"{name}: only {int(usable.sum())} of {FACES} faces have a map"
        differences[name] = float((ours[name] - other)[usable].abs().max())
        usable_faces.append(int(usable.sum()))
    closed = max(value for name, value in differences.items() if name not in COMPONENTS)
    component = max(differences[name] for name in COMPONENTS)
    assert closed < 1e-4, f"maps differ from the grad-cam package's: {differences}"
    assert component < 1e-3, f"maps of components differ from the grad-cam package's: {differences}"
    return (
        f"Largest difference to the package {closed:.0e} over five closed forms, {component:.0e} over two components "
        f"with their sign set, over at least {min(usable_faces)} faces with a map"
    )


def features_of(engine: CamEngine, faces: Tensor, classes: Tensor) -> Captured:
    """Return what the engine sees at its layer."""
    return engine._source.capture(faces, lambda outputs: outputs.gather(1, classes[:, None]).sum())


def package_components(captured: Captured, size: tuple[int, int]) -> dict[str, Tensor]:
    """Return the maps of principal components from the package's own projection with its sign set."""
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction as projection

    features = {"eigencam": captured.features, "eigengradcam": captured.features * captured.gradients}
    return {name: stretched(torch.from_numpy(projection(of.numpy())), size).maps for name, of in features.items()}


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
    tell_times("loop over pixels", timed[LOOP], timed[OURS], "at least 300 wanted")
    tell_times("scikit-image", timed[SCIKIT], timed[OURS])
    print(f"Largest difference to the loop {differences[LOOP]:.0e}, to scikit-image {differences[SCIKIT]:.0e}")


def tell_times(name: str, other: Timed, ours: Timed, wanted: str = "") -> None:
    """Print how many times as long the other way takes, and our share of its time."""
    wall, cpu = other.wall / ours.wall, other.cpu / ours.cpu
    told = f"{name}: {wall:,.1f} times our time ({cpu:,.1f} in CPU time); ours is {1 / wall:.2g} of it ({1 / cpu:.2g})"
    print(f"{told}; {wanted}" if wanted else told)


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
