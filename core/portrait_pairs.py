"""Which faces a verification checkpoint is asked to compare: pairs of a table, or made of the manifest by person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ManifestError, Problems, nearest
from .faces import Faces
from .files import sha256_of_bytes
from .manifest import read_table
from .pair_tables import FACES, PEOPLE, check_pairs, people_by_links, texts_of, told_rows

MOST_PAIRS = 50_000
"""Made pairs of either kind; with all of them an FMR of one in a thousand still counts 50 pairs."""
_ENUMERATED = 4
"""Up to this many times :data:`MOST_PAIRS`, all pairs are listed and some kept; above it pairs are drawn."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PairRows:
    """Pairs as positions in the manifest's faces, before any image is read.

    Attributes:
        ids: name of each pair, shape (pairs,).
        first: position of its first face, shape (pairs,).
        second: position of its second face, shape (pairs,).
        same: 1 for pairs of one person, 0 for pairs of two, shape (pairs,).
        people: the person of each face of the manifest, shape (faces,).
        notes: how the pairs came about.
    """

    ids: NDArray[np.object_]
    first: Rows
    second: Rows
    same: NDArray[np.float64]
    people: NDArray[np.object_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    def hash_with(self, faces: str) -> str:
        """Return one hash of these pairs and of the faces, whose hash is given."""
        parts = (self.first.tobytes(), self.second.tobytes(), self.same.tobytes())
        names = "\x1f".join(map(str, (*self.ids, *self.people)))
        return sha256_of_bytes(b"".join((faces.encode(), *parts, names.encode("utf-8", "surrogatepass"))))


def read_portrait_pairs(path: Path, faces: Faces) -> PairRows:
    """Read a table of pairs: ``face_a, face_b``, each an id or a path of the manifest, ``same`` and ``pair_id`` if any.

    Without ``same`` a pair is of one person where the manifest says so. Where the manifest names no people, faces that
    pairs of one person join are one person, and each other face is another.

    Raises:
        ManifestError: with every problem of the table at once.
    """
    table = read_table(path)
    problems = Problems(str(path))
    for column in FACES:
        if column not in table.columns:
            problems.add(f"the column {column!r} is not there{nearest(column, table.columns)}")
    if "same" not in table.columns and not faces.has_subjects:
        problems.add(
            "the column 'same' (1 for two photos of one person, 0 for two people) is not there, and data.subject "
            f"names no column of the manifest that would tell{nearest('same', table.columns)}"
        )
    problems.raise_as(ManifestError)
    frame = pd.DataFrame({face: texts_of(table[face], face, problems) for face in FACES})
    places = _places(faces)
    first, second = (_looked_up(frame[face], face, places, problems) for face in FACES)
    ids = _ids(table, problems)
    written = _same(table, problems) if "same" in table.columns else None
    problems.raise_as(ManifestError)

    known = faces.frame["face_id"].to_numpy(dtype=object)
    frame["face_a"], frame["face_b"] = known[first], known[second]
    people = faces.frame["subject"].to_numpy(dtype=object).copy()
    if not faces.has_subjects:
        assert written is not None
        frame["subject_a"], frame["subject_b"] = people_by_links(frame["face_a"], frame["face_b"], written)
        people[first], people[second] = frame["subject_a"], frame["subject_b"]
    else:
        frame["subject_a"], frame["subject_b"] = people[first], people[second]
    one_person = (frame[PEOPLE[0]] == frame[PEOPLE[1]]).to_numpy(dtype=np.bool_)
    same = one_person.astype(np.float64) if written is None else written
    check_pairs(frame, same, faces.has_subjects, problems)
    twice = frame.duplicated(list(FACES), keep=False).to_numpy()
    if twice.any():
        problems.add(f"{told_rows(twice)}: the same two faces stand in more than one row")
    problems.raise_as(ManifestError)
    return PairRows(ids, first, second, same, people, tuple(_unpaired(faces, first, second)))


def make_portrait_pairs(faces: Faces, seed: int, most: int = MOST_PAIRS) -> PairRows:
    """Pair the manifest's faces by person: all genuine and all impostor pairs, ``most`` of a kind that has more.

    Which ones, and which of the two faces comes first, is drawn with the seed.

    Raises:
        ManifestError: when the people are not known, or there are fewer than two faces.
    """
    if not faces.has_subjects:
        raise ManifestError(
            "pairs of faces are made by person: name the manifest's column of the person with data.subject, or give a "
            "table of pairs with data.pairs"
        )
    if len(faces) < 2:
        raise ManifestError("pairs of faces are made from two faces or more, but the manifest has 1")
    random = np.random.default_rng([seed, len(faces)])
    people = faces.subject_codes
    genuine, all_genuine = _genuine(people, most, random)
    impostor, all_impostor = _impostor(people, all_genuine, most, random)
    pairs = np.concatenate([genuine, impostor])
    turned = random.random(len(pairs)) < 0.5
    pairs[turned] = pairs[turned][:, ::-1]
    same = np.repeat([1.0, 0.0], [len(genuine), len(impostor)])
    ids = np.array([f"pair{number + 1:06d}" for number in range(len(pairs))], dtype=object)
    told = (
        f"Pairs were made from the manifest by person: {_drawn(len(genuine), all_genuine)} of one person and "
        f"{_drawn(len(impostor), all_impostor)} of two people."
    )
    subjects = faces.frame["subject"].to_numpy(dtype=object)
    return PairRows(ids, pairs[:, 0].copy(), pairs[:, 1].copy(), same, subjects, (told,))


def _drawn(count: int, total: int) -> str:
    return f"all {total:,} pairs" if count == total else f"{count:,} of {total:,} pairs, drawn with the plan's seed,"


def _genuine(people: Rows, most: int, random: np.random.Generator) -> tuple[Rows, int]:
    """Return pairs of one person, shape (pairs, 2), and how many there are in all."""
    order = np.argsort(people, kind="stable").astype(np.int64)
    sizes = np.bincount(people)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    total = int(ends[-1])
    numbers = _some_of(total, most, random)
    person = np.searchsorted(ends, numbers, side="right")
    within = numbers - np.concatenate([[0], ends[:-1]])[person]
    return order[starts[person][:, None] + _unranked(within)], total


def _impostor(people: Rows, genuine: int, most: int, random: np.random.Generator) -> tuple[Rows, int]:
    """Return pairs of two people, shape (pairs, 2), and how many there are in all."""
    every = len(people) * (len(people) - 1) // 2
    total = every - genuine
    if every <= _ENUMERATED * most or total <= most:
        pairs = _unranked(np.arange(every, dtype=np.int64))
        pairs = pairs[people[pairs[:, 0]] != people[pairs[:, 1]]]
        return pairs[_some_of(total, most, random)], total
    found = np.zeros(0, dtype=np.int64)
    while len(found) < most:
        found = np.unique(np.concatenate([found, _of_two_people(people, 2 * most, random)]))
    return _unranked(np.sort(random.permutation(found)[:most])), total


def _of_two_people(people: Rows, count: int, random: np.random.Generator) -> Rows:
    """Draw pairs of two people, each as likely as any other; return their numbers as :func:`_unranked` counts them."""
    order = np.argsort(people, kind="stable").astype(np.int64)
    sizes = np.bincount(people)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    others = len(people) - sizes[people]
    chosen = np.searchsorted(np.cumsum(others), random.integers(others.sum(), size=count), side="right")
    place = random.integers(others[chosen])
    place += np.where(place >= starts[people[chosen]], sizes[people[chosen]], 0)  # past the person's own faces
    second = order[place]
    low, high = np.minimum(chosen, second), np.maximum(chosen, second)
    numbers: Rows = high * (high - 1) // 2 + low
    return numbers


def _some_of(total: int, most: int, random: np.random.Generator) -> Rows:
    """Return all numbers below ``total``, or ``most`` different ones drawn at random, in order."""
    if total <= most:
        return np.arange(total, dtype=np.int64)
    if total <= _ENUMERATED * most:
        return np.sort(random.permutation(total)[:most]).astype(np.int64)
    found = np.zeros(0, dtype=np.int64)
    while len(found) < most:
        found = np.unique(np.concatenate([found, random.integers(total, size=2 * most, dtype=np.int64)]))
    return np.sort(random.permutation(found)[:most])


def _unranked(numbers: Rows) -> Rows:
    """Return the pair (i, j), i < j, of each number ``j (j - 1) / 2 + i``, shape (n, 2)."""
    larger = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    larger -= larger * (larger - 1) // 2 > numbers  # the root may round up or down past a whole number
    larger += (larger + 1) * larger // 2 <= numbers
    return np.stack([numbers - larger * (larger - 1) // 2, larger], 1)


def _places(faces: Faces) -> Mapping[str, int]:
    """Return the row of each face by its id, and by its path where that names one face only; -1 where several."""
    paths = faces.frame["path"]
    several = paths.duplicated(keep=False).to_numpy()
    places = {path: -1 if shared else row for row, (path, shared) in enumerate(zip(paths, several, strict=True))}
    return places | {name: row for row, name in enumerate(faces.frame["face_id"])}


def _looked_up(names: pd.Series[Any], column: str, places: Mapping[str, int], problems: Problems) -> Rows:
    rows = np.array([places.get(name, -2) for name in names], dtype=np.int64)
    named = (names != "").to_numpy()
    unknown, shared = (rows == -2) & named, rows == -1
    if unknown.any():
        first = str(names[unknown].iloc[0])
        problems.add(
            f"{told_rows(unknown)}: {column} is neither an id nor a path of the manifest, e.g. {first!r}"
            f"{nearest(first, places)}"
        )
    if shared.any():
        first = str(names[shared].iloc[0])
        problems.add(f"{told_rows(shared)}: {column} is the path of several faces, e.g. {first!r}: write the face's id")
    return rows


def _ids(table: pd.DataFrame, problems: Problems) -> NDArray[np.object_]:
    if "pair_id" not in table.columns:
        return np.array([f"pair{number + 1:06d}" for number in range(len(table))], dtype=object)
    ids = texts_of(table["pair_id"], "pair_id", problems)
    twice = ids.duplicated(keep=False).to_numpy() & (ids != "").to_numpy()
    if twice.any():
        problems.add(f"{told_rows(twice)}: the pair_id stands more than once, e.g. {ids[twice].iloc[0]!r}")
    return ids.to_numpy(dtype=object)


def _same(table: pd.DataFrame, problems: Problems) -> NDArray[np.float64]:
    texts = texts_of(table["same"], "same", problems)
    numbers = pd.to_numeric(texts.where(texts != "", None), errors="coerce").to_numpy(np.float64)
    wrong = ~np.isin(numbers, (0, 1)) & (texts != "").to_numpy()
    if wrong.any():
        problems.add(f"{told_rows(wrong)}: same is {texts[wrong].iloc[0]!r}, expected 0 or 1")
    return numbers


def _unpaired(faces: Faces, first: Rows, second: Rows) -> list[str]:
    paired = len(np.unique(np.concatenate([first, second])))
    if paired == len(faces):
        return []
    return [f"{len(faces) - paired:,} of {len(faces):,} faces of the manifest stand in no pair."]
