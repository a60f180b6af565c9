"""Maps of single faces, chosen by rule: on the face where it may be shown, else on the drawn face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup
from numpy.typing import NDArray

from ...cards.tree import TableBlock
from ...core.results import ProbeResult
from .panel import FigureGroup, Panel
from .picture import FaceLines, Picture, heat_png, photo


def single_face_figures(
    probe: ProbeResult,
    arrays: Mapping[str, NDArray[Any]],
    told: Mapping[str, Any],
    drawing: Mapping[str, Any],
    permitted: bool,
) -> Iterator[FigureGroup]:
    """Yield the maps of single faces.

    Args:
        probe: that chose them.
        arrays: ``LABEL/KIND/map`` uint8 on the canonical canvas; of faces that may be shown ``LABEL/KIND/crop``
            (h, w, 3) and ``LABEL/KIND/crop_map`` (h, w).
        told: ``rule`` of the choice; ``examples``, each with ``label``, ``kind``, ``text``, ``predicted``,
            ``labelled`` and ``permitted``.
        drawing: the canonical face and the masks.
        permitted: whether the plan lets the report show faces; without that no crop is drawn, whatever the files hold.
    """
    lines = FaceLines.of(f"{probe.id} examples", drawing)
    shown: dict[str, list[Markup]] = {}
    rows, faces = [], False
    for example in told.get("examples") or ():
        label, kind = str(example["label"]), str(example["kind"])
        name = f"{label}/{kind}"
        if f"{name}/map" not in arrays:
            continue
        on_face = permitted and example.get("permitted") is True and f"{name}/crop" in arrays
        faces = faces or on_face
        said = _said(example)
        alt = f"{kind} face of {label}: {said}"
        picture = _on_face(arrays, name, alt) if on_face else lines.map(arrays[f"{name}/map"], alt, label)
        shown.setdefault(label, []).append(
            Markup('<figure class="single">{}<figcaption><b>{}</b>{}</figcaption></figure>').format(picture, kind, said)
        )
        rows.append((label, kind, *_cells(example), "the face" if on_face else "the drawn face"))
    if not shown:
        return
    blocks = Markup("").join(
        Markup('<div class="of-label"><h5>{}</h5><div class="singles">{}</div></div>').format(
            label, Markup("").join(parts)
        )
        for label, parts in shown.items()
    )
    where = (
        "Faces are shown where plan and row permit it, else the map lies on the drawn face."
        if faces
        else "No face may be shown, so each map lies on the drawn face that all faces were warped to."
    )
    panel = Panel(
        "single faces",
        Picture(lines.definitions + Markup('<div class="by-label">{}</div>').format(blocks), shows_faces=faces),
        TableBlock(
            ("class", "chosen as", "called", "labelled", "why this one", "shown on"), tuple(rows), "Single faces"
        ),
        f"Maps of {len(rows)} single faces of {len(shown)} classes.",
        " ".join(filter(None, (str(told.get("rule") or ""), where))),
    )
    yield FigureGroup("Single faces", (panel,))


def _on_face(arrays: Mapping[str, NDArray[Any]], name: str, alt: str) -> Markup:
    crop = arrays[f"{name}/crop"]
    height, width = crop.shape[:2]
    heat = arrays.get(f"{name}/crop_map")
    veil = Markup("")
    if heat is not None:
        veil = Markup('<image class="over" width="{}" height="{}" preserveAspectRatio="none" href="{}"/>').format(
            width, height, heat_png(heat, 1)
        )
    return Markup(
        '<svg class="map" viewBox="0 0 {w} {h}" role="img" aria-label="{alt}">'
        '<image width="{w}" height="{h}" href="{face}"/>{veil}</svg>'
    ).format(w=width, h=height, alt=alt, face=photo(crop), veil=veil)


def _said(example: Mapping[str, Any]) -> str:
    called, labelled, text = _cells(example)
    known = f"labelled {labelled}" if labelled else "without a label"
    return f"called {called}, {known}" + (f"; {text}" if text else "")


def _cells(example: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(example.get("predicted") or "–"), str(example.get("labelled") or ""), str(example.get("text") or "")
