"""A scan of several nets as a job that can be handed to other processes: the faces, the nets, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.checkpoints import FactoryReference, load_checkpoint
from ....core.errors import AuditError
from ....core.files import sha256_of_bytes
from ....core.plan import TargetSpec
from ....core.predict import package_versions
from ....core.target import Target
from .families import FAMILIES
from .inversion import Inverted, Score, Settings
from .scanning import Scanned, one_thread, scan

FORMAT = 2
CHUNK = 64
OF_STATE_DICTS = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class Source:
    """Where another process finds a net: its checkpoint, and how the plan says that it is loaded.

    Attributes:
        path: the checkpoint.
        folder: the plan's folder, to which the factory is relative.
        spec: the target block as JSON.
        sha256: of the checkpoint.
    """

    path: str
    folder: str
    spec: str
    sha256: str

    @classmethod
    def of(cls, target: Target, path: Path, folder: Path) -> Source:
        """Return the source of a target that was loaded from ``path``."""
        return cls(str(path.resolve()), str(folder.resolve()), target.spec.model_dump_json(), target.sha256)

    def open(self) -> Target:
        """Load the net as the target was loaded, without trust.

        Raises:
            CountenanceError: when the checkpoint does not load so, or is another one by now.
        """
        spec = TargetSpec.model_validate_json(self.spec)
        path = Path(self.path)
        factory = None
        if spec.factory and path.suffix.lower() in OF_STATE_DICTS:
            factory = FactoryReference.parse(spec.factory, spec.arguments)
        loaded = load_checkpoint(path, factory, folder=Path(self.folder))
        if loaded.sha256 != self.sha256:
            raise AuditError(f"{path.name} is another file than the one that is audited")
        return Target(
            loaded.net, spec, format=loaded.format, sha256=loaded.sha256, factory_sha256=loaded.factory_sha256 or "",
            fixed_batch=loaded.batch_size,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Task:
    """What every net is scanned for, on which faces.

    Attributes:
        pixels: clean faces (n, 3, h, w), or (n, 1, h, w) for nets that read grey; 0 to 1.
        labels: place of each face's class (n,), -1 where unknown, or ``None``: what each net itself answers then stands
            for them, so that no net is asked to turn faces into a class that it gives them already.
        aims: places of the classes that are sought.
        families: names of the families.
        seed: the same for every net.
    """

    pixels: Tensor
    labels: Tensor | None
    aims: tuple[int, ...]
    families: tuple[str, ...]
    seed: int

    def run(self, score: Score, aims: tuple[int, ...], advance: Callable[[int], None]) -> Scanned:
        """Scan some classes of one net."""
        labels = answered(score, self.pixels) if self.labels is None else self.labels
        return scan(score, self.pixels, aims, labels=labels, families=self.families, seed=self.seed, advance=advance)

    def fingerprint(self) -> str:
        """Return a hash of all that sizes depend on beside the net."""
        parts = {
            "format": FORMAT,
            "pixels": sha256_of_bytes(self.pixels.contiguous().numpy().tobytes()),
            "shape": list(self.pixels.shape),
            "labels": None if self.labels is None else self.labels.tolist(),
            "aims": self.aims,
            "families": {name: asdict(FAMILIES[name]) for name in self.families},
            "settings": asdict(Settings()),
            "seed": self.seed,
            "versions": package_versions(),
        }
        return sha256_of_bytes(json.dumps(parts, sort_keys=True).encode())

    def write(self, folder: Path) -> None:
        """Write the task where :meth:`read` finds it."""
        np.save(folder / "pixels.npy", self.pixels.contiguous().numpy())
        about = {
            "labels": None if self.labels is None else self.labels.tolist(),
            "aims": self.aims,
            "families": self.families,
            "seed": self.seed,
        }
        (folder / "task.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Task:
        """Read what :meth:`write` wrote; the faces stay in the file, which all processes share."""
        about = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        labels = None if about["labels"] is None else torch.tensor(about["labels"], dtype=torch.long)
        pixels = torch.from_numpy(np.load(folder / "pixels.npy", mmap_mode="c"))  # torch wants to be able to write
        return cls(pixels, labels, tuple(about["aims"]), tuple(about["families"]), int(about["seed"]))


@torch.no_grad()
def answered(score: Score, pixels: Tensor) -> Tensor:
    """Return the place of the class that a net answers to each face (n,)."""
    with one_thread():
        return torch.cat([score(part.expand(-1, 3, -1, -1)).argmax(1) for part in torch.split(pixels, CHUNK)])


def score_of(target: Target) -> Score:
    """Return a function from pixels to the target's class logits, on the CPU whatever the target computes on."""

    def score(pixels: Tensor) -> Tensor:
        logits = target.scores(pixels)
        if not logits.requires_grad and torch.is_grad_enabled() and pixels.requires_grad:
            raise AuditError("the model gives no gradients to its input, which the scan follows")
        return logits.cpu()

    return score


def write_found(file: Path, found: Scanned) -> None:
    """Write what was found of some classes of a net."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for (aim, name), each in found.found.items():
        arrays[f"{aim}.{name}.numbers"] = np.array([each.size, each.reached, each.success])
        arrays[f"{aim}.{name}.picture"] = each.picture
    np.savez(file, **arrays)  # type: ignore[arg-type]


def read_found(file: Path) -> dict[tuple[int, str], Inverted]:
    """Read what :func:`write_found` wrote."""
    found = {}
    with np.load(file) as arrays:
        for key in arrays.files:
            aim, name, what = key.split(".")
            if what == "numbers":
                size, reached, success = arrays[key].tolist()
                found[int(aim), name] = Inverted(size, bool(reached), success, arrays[f"{aim}.{name}.picture"])
    return found
