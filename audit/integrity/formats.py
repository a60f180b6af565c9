"""Do other files of the same checkpoint give the same answers?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...core.checkpoints import FactoryReference, load_checkpoint
from ...core.errors import CountenanceError
from ...core.target import Target
from .differences import measure, not_measured
from .material import Material
from .verdicts import Check, not_checked

WITH_FACTORY = (".safetensors", ".pt", ".pth")


def formats(material: Material, files: tuple[str, ...], folder: Path, *, random: bool) -> Iterator[Check]:
    """Compare the target with each of ``files``, loaded with the same target block and with no trust.

    A file that could run code is refused as a target's is; the command line's trust is for the target alone.
    """
    if not files:
        why = "no other file of this checkpoint was given (same_as)"
        yield not_checked("formats", "other files of the checkpoint", why, not_measured(material, "formats", why))
    for name in files:
        yield _compare(material, folder / name, folder, random)


def _compare(material: Material, path: Path, folder: Path, random: bool) -> Check:
    check, title = f"same_as_{path.name}", f"{material.target.name} ({material.target.format}) or {path.name}"
    if random:
        why = "answers to the same picture differ already"
        return not_checked(check, title, why, not_measured(material, check, why))
    places = np.arange(len(material), dtype=np.int64)
    try:
        other = _load(material.target, path, folder)
        after = material.ask(places, target=other)
    except CountenanceError as error:
        why = " ".join(str(error).replace(str(path), path.name).split("\n")[0].split())[:300]
        why = f"{why.rstrip(':.')}"
        return not_checked(check, title, why, not_measured(material, check, why))
    found = measure(material, check, places, material.outputs, after)
    if not found.beyond_rounding:
        return Check(check, title, "holds", found.words, measurements=found.measurements)
    return Check(
        check,
        title,
        "differs",
        found.words,
        "The files do not hold the same model, or one of them expects another input or gives another output: "
        "convert again from the checkpoint that is right, and audit the file that is served",
        severity="high" if found.count else "low",
        measurements=found.measurements,
    )


def _load(target: Target, path: Path, folder: Path) -> Target:
    factory = None
    if path.suffix.lower() in WITH_FACTORY and target.spec.factory:
        factory = FactoryReference.parse(target.spec.factory, target.spec.arguments)
    loaded = load_checkpoint(path, factory, folder=folder)
    other = Target(
        loaded.net, target.spec, format=loaded.format, device=_device(target, loaded.format),
        fixed_batch=loaded.batch_size,
    )  # fmt: skip
    other.verify()
    return other


def _device(target: Target, format: str) -> str:
    return "cpu" if format == "onnx" else str(target.device)
