"""LIME: beside the bare forward passes of as many copies, and beside the lime package.

    python -m benchmarks lime

face_expression on London faces where ../shared stands beside the repository, else the net of the drawn faces with
random weights. The best batch size of each way is found in the run, and the maps are compared before the clock counts.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarks.timing import Timed, side_by_side, tell
from numpy.typing import NDArray
from skimage.segmentation import slic
from torch import Tensor

from countenance.core.batch_size import fastest_batch_size
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.plan_file import load_plan
from countenance.core.setup import load_material
from countenance.core.target import Target
from countenance.explain.attribution.black_box import build
from countenance.explain.attribution.lime import draw
from countenance.explain.attribution.method import AttributionSettings, Request, face_seeds
from countenance.explain.attribution.perturbation import fast_layout
from countenance.synth.dataset import draw_crops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, DrawnFaceNet

ROOT = Path(__file__).resolve().parents[1]
FACES, SAMPLES, ROUNDS = 2, 300, 4
TRIAL = 96
SIZES = (1, 2, 4, 8, 10, 16, 32, 64)
SEGMENTS, COMPACTNESS = 30, 20
BARE, PACKAGE, OURS = "bare forward passes", "lime package", "this package"
MOST_OF_BARE = 1.1


def main() -> None:
    """Print the comparison; a map that differs is an error, and with the real net a LIME slower than promised."""
    torch.set_num_threads(1)
    if (ROOT.parent / "shared" / "models").is_dir():
        share, package = compare("face_expression on London", *london())
        assert share <= MOST_OF_BARE, f"LIME takes {share:.3f} of the bare passes, at most {MOST_OF_BARE} is promised"
        assert package < 1, f"LIME takes {package:.3f} of the lime package's time"
    else:
        print("\nNo ../shared beside the repository, so not face_expression but the drawn faces' net, untrained")
        compare("untrained net on drawn faces", *drawn())


def london(faces: int = FACES) -> tuple[Target, Tensor]:
    """Return a real net and real faces."""
    material = load_material(load_plan(ROOT / "tests" / "plans" / "london_face_expression.yaml"))
    assert material.target is not None
    return material.target, next(material.faces.batches(faces)).pixels


def drawn() -> tuple[Target, Tensor]:
    """Return a net with random weights and drawn faces."""
    torch.manual_seed(0)
    spec = TargetSpec(
        checkpoint="x.pt",
        task="expression",
        classes=list(EXPRESSIONS),
        input=InputSpec(size=INPUT_SIZE, channels="rgb", mean=MEAN, std=STD),
        output="logits",
    )
    pixels = torch.from_numpy(draw_crops(1, 7, 0, INPUT_SIZE).pixels[:FACES]).permute(0, 3, 1, 2).float() / 255
    return Target(DrawnFaceNet().eval(), spec, format="module"), pixels


def compare(title: str, target: Target, faces: Tensor) -> tuple[float, float]:
    """LIME of the predicted class with the same number of samples and the same superpixels, three ways.

    Returns our CPU time as a share of the bare passes' and of the lime package's.
    """
    with torch.no_grad():
        classes = target(faces).argmax(1)
    request = Request(faces, classes, face_seeds(0, [str(place) for place in range(len(faces))]))
    copies = torch.rand((SAMPLES, 3, *target.size), generator=torch.Generator().manual_seed(0))
    copies = copies.contiguous(memory_format=fast_layout(target))  # as the copies of LIME: the passes at their best
    best = best_size(lambda size: bare(target, copies[:TRIAL], size))
    at = {
        BARE: best,
        OURS: best,  # nothing but the passes depends on it
        PACKAGE: best_size(lambda size: theirs(target, first(request), size, samples=TRIAL)),
    }
    agreement(target, request, at[OURS])
    ways: dict[str, Callable[[], object]] = {
        BARE: lambda: [bare(target, copies, at[BARE]) for _ in faces],
        PACKAGE: lambda: theirs(target, request, at[PACKAGE]),
        OURS: lambda: ours(target, request, at[OURS]),
    }
    timed = side_by_side(ways, ROUNDS)
    told = f"{FACES} faces, {SAMPLES} samples each, {target.size[1]} px, lime {importlib.metadata.version('lime')}"
    tell(f"LIME, {title}: {told}", timed, BARE)
    print("Batch sizes: " + ", ".join(f"{name} {size}" for name, size in at.items()))
    print(f"Chosen for audits by core/batch_size.py: {fastest_batch_size(target)}")
    tell_ratio(BARE, timed)
    tell_ratio(PACKAGE, timed)
    return timed[OURS].cpu / timed[BARE].cpu, timed[OURS].cpu / timed[PACKAGE].cpu


def bare(target: Target, copies: Tensor, size: int) -> None:
    """Run the net on copies that are there already."""
    with torch.no_grad():
        for start in range(0, len(copies), size):
            target(copies[start : start + size])


def ours(target: Target, request: Request, size: int) -> Tensor:
    settings = AttributionSettings(segments=SEGMENTS, lime_samples=SAMPLES)
    (explainer,) = build(target, ("lime",), layer=None, batch_size=size, settings=settings).explainers
    return explainer.explain(request)["lime"].maps


def theirs(target: Target, request: Request, size: int, *, same_copies: bool = False, samples: int = SAMPLES) -> Tensor:
    """Return the lime package's maps, of copies that it draws itself or of those that are drawn here."""
    from lime import lime_image

    lime_image.tqdm = lambda rows: rows  # its progress bar is no part of the comparison

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2)
            found: NDArray[np.float32] = target.probabilities(target(pixels)).numpy()
            return found

    maps = []
    for face, place, seed in zip(request.pixels, request.classes.tolist(), request.seeds, strict=True):
        random = DrawnHere(seed) if same_copies else np.random.RandomState(seed % 2**32)
        explanation = lime_image.LimeImageExplainer(random_state=random).explain_instance(
            face.permute(1, 2, 0).numpy(),
            probabilities,
            labels=(place,),
            top_labels=None,
            hide_color=0,
            num_samples=samples,
            batch_size=size,
            segmentation_fn=partial(slic, n_segments=SEGMENTS, compactness=COMPACTNESS, start_label=0),
            random_seed=0,
        )
        weights = np.zeros(int(explanation.segments.max()) + 1)
        for superpixel, weight in explanation.local_exp[place]:
            weights[superpixel] = max(weight, 0.0)
        raw = weights[explanation.segments]
        maps.append((raw - raw.min()) / np.ptp(raw))
    return torch.from_numpy(np.stack(maps)).float()


class DrawnHere(np.random.RandomState):
    """Gives the lime package the copies that this package draws from a face's seed."""

    def __init__(self, face_seed: int) -> None:
        super().__init__(0)
        self._face_seed = face_seed

    def randint(self, low: int, high: int, size: int) -> NDArray[np.int64]:  # type: ignore[override]
        return draw(SAMPLES, size // SAMPLES, self._face_seed).astype(np.int64).ravel()


def agreement(target: Target, request: Request, size: int) -> None:
    """Compare maps of the same copies, which have to be the same, and of copies drawn by each."""
    found = ours(target, request, size)
    same = theirs(target, request, size, same_copies=True)
    difference = float((found - same).abs().max())
    assert difference < 1e-3, f"maps of the same copies differ from the lime package's by {difference:.1e}"
    other = theirs(target, request, size)
    correlations = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(found, other, strict=True)]
    assert min(correlations) > 0.5, f"maps correlate {min(correlations):.2f} with the lime package's"
    told = ", ".join(f"{each:.2f}" for each in correlations)
    print(f"\nMaps of the same copies differ from the lime package's by {difference:.0e} at most")
    print(f"Maps of copies that each draws for itself correlate {told}: what {SAMPLES} samples leave to chance")


def first(request: Request) -> Request:
    return Request(request.pixels[:1], request.classes[:1], request.seeds[:1])


def best_size(work: Callable[[int], object]) -> int:
    """Return the batch size with the least CPU time, of two rounds over all sizes after one to warm up."""
    best = dict.fromkeys(SIZES, float("inf"))
    for round_ in range(3):
        for size in SIZES:
            start = time.process_time()
            work(size)
            if round_:
                best[size] = min(best[size], time.process_time() - start)
    return min(best, key=lambda size: best[size])


def tell_ratio(name: str, timed: dict[str, Timed]) -> None:
    wall, cpu = timed[OURS].wall / timed[name].wall, timed[OURS].cpu / timed[name].cpu
    print(f"LIME here takes {cpu:.3f} of the time of: {name} (CPU time; {wall:.3f} wall)")


if __name__ == "__main__":
    main()
