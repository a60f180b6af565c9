"""How many forgeries a second, and beside the usual ways to warp and to blend.

    python -m benchmarks forgeries
    python -m benchmarks.forgeries --kept FOLDER
    python -m benchmarks.forgeries --sheet docs/images/made-forgeries.jpg

Drawn faces at 256 pixels, or the genuine ones of a folder written by ``countenance forge --size 256``; one thread.
Faces a second are of whole forgeries with the JPEG; "beside" is the same work done both ways in one run. The targets
are 100 self-blends, 150 feathered swaps and 40 Poisson swaps a second on a quiet core.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from benchmarks.timing import Timed, side_by_side, tell
from PIL import Image

from countenance.audit.forgery.making import (
    METHODS,
    UNTOUCHED,
    USUAL,
    Photo,
    donors,
    face_crop,
    forge,
    hull_mask,
    look_of,
    photo_of,
    through_codec,
)
from countenance.audit.forgery.making.marking import COPY_MARK, SYNTHETIC_MARK, marked
from countenance.audit.forgery.making.poisson import poisson_blend
from countenance.audit.forgery.making.warp import read_at, sources_of
from countenance.audit.forgery.making.window import Window
from countenance.synth.dataset import faces_of
from countenance.synth.draw import draw_face

SIDE, FACES, ROUNDS, SHOWN = 256, 16, 3, 128
EXTENT = 1.6
WANTED = {"self_blend": 100, "face_swap_feather": 150, "face_swap_poisson": 40}


def main(folder: Path | None = None) -> None:
    """Print faces a second for every kind, then the comparisons."""
    torch.set_num_threads(1)
    photos = drawn() if folder is None else kept(folder)
    others = photos[1:] + photos[:1]
    ways = {name: whole(name, photos, others) for name in (UNTOUCHED, *METHODS)}
    best = side_by_side(ways, ROUNDS)
    print(
        f"\n{len(photos)} {'drawn' if folder is None else 'kept'} faces at {SIDE} pixels, with the JPEG: faces a second"
    )
    print(f"{'':<24}{'wall':>10}{'CPU':>10}{'wanted':>10}")
    for name, timed in best.items():
        wall, cpu = len(photos) / timed.wall, len(photos) / timed.cpu
        print(f"{name:<24}{wall:>10.0f}{cpu:>10.0f}{WANTED.get(name, ''):>10}")
    warps(photos, others)
    blends(photos, others)


def drawn() -> list[Photo]:
    """Return drawn faces."""
    faces = (draw_face(face, 320) for _, face in faces_of(FACES, 1, 3))
    return [face_crop(photo_of(each.image, each.landmarks), SIDE, EXTENT) for each in faces]


def kept(folder: Path) -> list[Photo]:
    """Return genuine faces of a folder of forgeries."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["label"] == "genuine"][:FACES]
    points = np.load(folder / "landmarks.npz")
    photos = []
    for path in paths:
        pixels = np.asarray(Image.open(folder / path))[:SIDE]
        photos.append(photo_of(np.ascontiguousarray(pixels), points[path.removesuffix(".jpg")]))
    return photos


def whole(name: str, photos: list[Photo], others: list[Photo]) -> Callable[[], object]:
    """Return the making of one forgery of each face, saved and read again."""

    def work() -> None:
        random = np.random.default_rng(0)
        for photo, other in zip(photos, others, strict=True):
            through_codec(forge(name, photo, other, random).pixels)

    return work


def warps(photos: list[Photo], others: list[Photo]) -> None:
    """Print the dense map beside scikit-image's piecewise-affine transform and warp."""
    from skimage.transform import PiecewiseAffineTransform, warp

    window = Window(0, 0, SIDE, SIDE)
    pairs = cycle(list(zip(photos, others, strict=True)))

    def ours() -> None:
        photo, other = next(pairs)
        positions, _ = sources_of(other.landmarks.astype(float), photo.landmarks.astype(float), window)
        read_at(other.pixels, positions)

    def theirs() -> None:
        photo, other = next(pairs)
        found = PiecewiseAffineTransform.from_estimate(photo.landmarks - 0.5, other.landmarks - 0.5)
        warp(other.pixels, found, output_shape=(SIDE, SIDE), order=1)

    best = side_by_side({"scikit-image PiecewiseAffineTransform, warp": theirs, "one dense map": ours}, 3 * ROUNDS)
    tell("Piecewise-affine warp of one face", best, "scikit-image PiecewiseAffineTransform, warp")


def blends(photos: list[Photo], others: list[Photo]) -> None:
    """Print the membrane beside ``cv2.seamlessClone``, which solves another problem (see docs/forgeries.md)."""
    try:
        import cv2
    except ImportError:
        print("\nPoisson blend: OpenCV is not installed, nothing to compare with")
        return
    pairs = cycle(list(zip(photos, others, strict=True)))

    def ours() -> None:
        photo, other = next(pairs)
        inside = hull_mask(photo.landmarks, (SIDE, SIDE)) > 0
        poisson_blend(photo.pixels.astype(np.float32), other.pixels.astype(np.float32), inside)

    def theirs() -> None:
        photo, other = next(pairs)
        mask = (hull_mask(photo.landmarks, (SIDE, SIDE)) * 255).astype(np.uint8)
        rows, columns = np.nonzero(mask)
        centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
        cv2.seamlessClone(other.pixels, photo.pixels, mask.copy(), centre, cv2.NORMAL_CLONE)

    cv2.setNumThreads(1)
    best: dict[str, Timed] = side_by_side({"cv2.seamlessClone": theirs, "membrane by multigrid": ours}, 3 * ROUNDS)
    tell("Poisson blend of one face", best, "cv2.seamlessClone")


def sheet(file: Path) -> None:
    """Write a picture of every kind of forgery of three drawn people; each person's other photo is the splice's."""
    faces = [draw_face(face, 320) for _, face in faces_of(12, 2, 11)]
    photos = [face_crop(photo_of(each.image, each.landmarks), SHOWN, EXTENT) for each in faces]
    people = np.repeat(np.arange(12), 2)
    random = np.random.default_rng(5)
    looks = np.stack([look_of(photo) for photo in photos])
    person = donors(people, np.zeros((len(photos), 0), dtype=np.int64), looks, random, nearest=1)
    rows = []
    for place in (1, 9, 17):
        partners = {"none": place, "person": int(person[place]), "mouth": place - 1, "eyes": place - 1}
        kinds = [UNTOUCHED, *USUAL]
        made = [
            forge(kind, photos[place], photos[partners[METHODS[kind].partner] if kind in METHODS else place], random)
            for kind in kinds
        ]
        marks = [COPY_MARK if kind == UNTOUCHED else SYNTHETIC_MARK for kind in kinds]
        rows.append(np.hstack([marked(each.pixels, mark) for each, mark in zip(made, marks, strict=True)]))
    Image.fromarray(np.vstack(rows)).save(file, quality=88)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Speed of the makers of forgeries, or a sheet of what they make.")
    parser.add_argument("--kept", type=Path, help="folder written by countenance forge")
    parser.add_argument("--sheet", type=Path, help="picture to write instead")
    options = parser.parse_args()
    if options.sheet is None:
        main(options.kept)
    else:
        sheet(options.sheet)
