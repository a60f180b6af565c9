"""Reading a Parquet table of predictions in batches: the columns that are needed, attributes and people as codes.

The same rules as for a table that is read whole (``core/prediction_tables.py``): values are taken as stripped text,
missing ones are a group of their own, rows of another condition than ``clean`` are left out. Faults are counted over
all batches and told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...errors import ManifestError, Problems, nearest
from ...manifest import MOST_GROUPS, OUTSIDE, group_values
from ...plan import AttributeSpec, DataSpec
from ...predictions import CLEAN
from ..groups import MISSING
from ..sums import Floats, Integers

ROWS_AT_ONCE = 1_000_000


@dataclass
class Faults:
    """Counts faults over batches: the first example of each stays."""

    _found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, what: str, count: int, example: object = None) -> None:
        """Note that ``what`` holds in ``count`` more rows."""
        if count:
            before, shown = self._found.get(what, (0, "" if example is None else f", e.g. {example!r}"))
            self._found[what] = (before + count, shown)

    def raise_all(self, path: Path, rows: int) -> None:
        """Raise one :class:`ManifestError` with every fault, if there is any."""
        problems = Problems(str(path))
        for what, (count, example) in self._found.items():
            problems.add(f"{what} in {count:,} of {rows:,} rows{example}")
        problems.raise_as(ManifestError)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of the table, those that count.

    Attributes:
        people: name or number of each person here, no duplicates; ``None`` where no column names people.
        person: place of each row in ``people``, shape (rows,).
        cell: cell of each row, shape (rows,).
        columns: the task's columns: numbers as float arrays, the label as codes into ``labels``.
        labels: texts that the codes of the label stand for.
    """

    people: pa.Array | None
    person: Integers
    cell: Integers
    columns: dict[str, NDArray[Any]]
    labels: list[str]


@dataclass
class TableReader:
    """Reads batch by batch; the groups of the attributes become known on the way.

    Attributes:
        path: the Parquet file.
        data: columns of label, subject and attributes.
        numbers: columns of numbers that the task needs.
        label: column of the label, for a task that has one.
        optional: those of ``numbers`` that may be empty, which is NaN in the arrays.
        rows: rows read so far, all conditions.
        unclean: rows of another condition among them.
        cells: the groups of each cell so far, a text for each attribute.
        faults: what is wrong.
    """

    path: Path
    data: DataSpec
    numbers: Sequence[str]
    label: str | None
    optional: frozenset[str] = frozenset()
    rows: int = 0
    unclean: int = 0
    cells: dict[tuple[str, ...], int] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    _groups_of: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._file = self._open()
        self._columns = {name: self.data.attributes[name].column or name for name in self.data.attributes}
        self._check_columns()

    @property
    def subject(self) -> str | None:
        """The column of the person: as named, else ``subject`` where there is one."""
        if self.data.subject is not None:
            return self.data.subject
        return "subject" if "subject" in self._names else None

    def _open(self) -> pq.ParquetFile:
        if self.path.suffix.lower() != ".parquet":
            raise ManifestError(f"{self.path}: a table read in batches has to be a Parquet file (.parquet)")
        try:
            texts = [
                each.name for each in pq.read_schema(self.path) if pa.types.is_string(each.type) or _large(each.type)
            ]
            # buffered row groups would be kept until the file is closed, all of them in the end
            file = pq.ParquetFile(self.path, read_dictionary=texts, pre_buffer=False)
        except FileNotFoundError:
            raise ManifestError(f"expected a table at {self.path}, but there is no such file") from None
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            raise ManifestError(f"{self.path} cannot be read as a Parquet table: {error}") from error
        if file.metadata.num_rows == 0:
            raise ManifestError(f"{self.path} has no row")
        self._names = list(file.schema_arrow.names)
        return file

    def _check_columns(self) -> None:
        problems = Problems(str(self.path))
        wanted = dict.fromkeys(self.numbers, "") | ({self.label: "data.label "} if self.label else {})
        if self.data.subject is not None:
            wanted[self.data.subject] = "data.subject "
        wanted |= {column: f"data.attributes.{name} " for name, column in self._columns.items()}
        wanted |= {name: "" for name in (self.subject, "condition") if name is not None and name in self._names}
        for column, use in wanted.items():
            if column not in self._names:
                names = f"{use}names the column {column!r}, which" if use else f"the column {column!r}"
                problems.add(f"{names} is not there{nearest(column, self._names)}")
            elif self._names.count(column) > 1:
                problems.add(f"the column {column!r} stands twice")
            else:
                found = self._file.schema_arrow.field(self._names.index(column)).type
                if column in self.numbers and not _numeric(found):
                    problems.add(f"the column {column!r} holds {found}, expected numbers")
                elif pa.types.is_nested(found) or pa.types.is_binary(found):
                    problems.add(f"the column {column!r} holds {found}, expected texts or numbers")
        problems.raise_as(ManifestError)

    def batches(self) -> Iterator[Rows]:
        """Yield the rows of condition ``clean``, some at a time; faults are noted in :attr:`faults`."""
        extra = [name for name in (self.label, self.subject) if name is not None]
        if "condition" in self._names:
            extra.append("condition")
        columns = list(dict.fromkeys([*self.numbers, *extra, *self._columns.values()]))
        for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
            self.rows += len(batch)
            if "condition" in self._names:
                clean = pc.equal(_decoded(batch.column("condition")).cast(pa.string()), CLEAN).fill_null(False)
                kept = batch.filter(clean)
                self.unclean += len(batch) - len(kept)
                batch = kept
            if len(batch):
                yield self._rows_of(batch)

    def _rows_of(self, batch: pa.RecordBatch) -> Rows:
        people, person = (None, np.arange(len(batch))) if self.subject is None else self._people(batch)
        found: dict[str, NDArray[Any]] = {name: self._numbers(batch, name) for name in self.numbers}
        labels: list[str] = []
        if self.label is not None:
            texts, codes = _texts(batch.column(self.label))
            named = [self.data.rename_labels.get(text, text) for text in texts]
            labels = list(dict.fromkeys(text for text in named if text))
            place = np.asarray([labels.index(text) if text else -1 for text in named] + [-1], dtype=np.int64)
            found[self.label] = place[codes]
        return Rows(people, person, self._cells(batch), found, labels)

    def _people(self, batch: pa.RecordBatch) -> tuple[pa.Array | None, Integers]:
        """Return the people of a batch and the place of each row among them."""
        coded = _encoded(batch.column(str(self.subject)))
        values, codes = coded.dictionary, _codes(coded)
        if pa.types.is_string(values.type) or _large(values.type):
            trimmed = pc.utf8_trim_whitespace(values)
            if not trimmed.equals(values):  # two spellings may be one person
                again = trimmed.dictionary_encode()
                values, codes = again.dictionary, np.append(_codes(again), -1)[codes]
            empty = pc.index(values, pa.scalar("", values.type)).as_py()
            codes = np.where(codes == empty, -1, codes) if empty >= 0 else codes
        elif pa.types.is_floating(values.type):
            number = np.append(np.isnan(values.to_numpy(zero_copy_only=False)), False)
            codes = np.where(number[codes], -1, codes)
        nobody = codes < 0
        self.faults.add(f"the column {self.subject!r} is empty (every row needs a person)", int(nobody.sum()))
        if nobody.any():  # the table is refused in the end; it is read on for its other faults
            return None, np.arange(len(batch))
        used = np.zeros(len(values), dtype=np.bool_)
        used[codes] = True
        place = np.cumsum(used) - 1
        people = values.filter(pa.array(used)) if not used.all() else values
        return people, place[codes]

    def _numbers(self, batch: pa.RecordBatch, name: str) -> Floats:
        column = batch.column(name)
        empty = column.null_count
        values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
        odd = ~np.isfinite(values)
        if name not in self.optional:
            self.faults.add(f"the column {name!r} holds no finite number", int(odd.sum()))
            return np.where(odd, 0.0, values) if odd.any() else values  # nothing is measured of a table with faults
        unread = int(odd.sum() - max(empty, int(np.isnan(values).sum())))
        self.faults.add(f"the column {name!r} holds neither a number nor nothing", unread)
        return np.where(odd, np.nan, values) if unread else values

    def _cells(self, batch: pa.RecordBatch) -> Integers:
        """Return the cell of each row; combinations met for the first time get the next numbers."""
        coded = [
            self._groups(batch.column(column), name, self.data.attributes[name])
            for name, column in self._columns.items()
        ]
        if not coded:
            self.cells.setdefault((), 0)
            return np.zeros(len(batch), dtype=np.int64)
        shape = tuple(len(names) for names, _ in coded)
        flat = np.ravel_multi_index([codes for _, codes in coded], shape)
        counted = np.bincount(flat, minlength=int(np.prod(shape)))
        number = np.zeros(len(counted), dtype=np.int64)
        for place in np.flatnonzero(counted):
            combined = tuple(names[at] for (names, _), at in zip(coded, np.unravel_index(place, shape), strict=True))
            number[place] = self.cells.setdefault(combined, len(self.cells))
        return number[flat]

    def _groups(self, column: pa.Array, name: str, spec: AttributeSpec) -> tuple[list[str], Integers]:
        """Return the groups of one attribute in a batch and the place of each row among them."""
        texts, codes = _texts(column)
        used = np.bincount(codes, minlength=len(texts) + 1)
        if spec.bins is not None:
            self._check_numbers(texts, used, name, spec.bins)
        here = [text if count else "" for text, count in zip([*texts, ""], used, strict=True)]
        if spec.bins is None:
            groups = [text or MISSING for text in here]
            known = self._groups_of.setdefault(name, set())
            known.update(group for group, count in zip(groups, used, strict=True) if count)
            if len(known) > MOST_GROUPS:
                raise ManifestError(
                    f"{self.path}: the attribute {name!r} has more than {MOST_GROUPS} different values: give it bins, "
                    "or fewer groups"
                )
        else:
            groups = [str(text) for text in group_values(pd.Series(here), spec, name, Problems(""))]
        names = list(dict.fromkeys(groups))
        place = np.asarray([names.index(group) for group in groups], dtype=np.int64)
        return names, place[codes]

    def _check_numbers(self, texts: list[str], used: Integers, name: str, bins: Sequence[float]) -> None:
        allowed = {*(f"{low:g} to {high:g}" for low, high in pairwise(bins)), OUTSIDE, MISSING, "", "nan"}
        for text, count in zip(texts, used.tolist(), strict=False):
            if count and text.lower() not in allowed and text not in allowed and np.isnan(_number(text)):
                self.faults.add(f"the attribute {name!r} has bins but is no number", count, text)


def _number(text: str) -> float:
    return float(pd.to_numeric(pd.Series([text]), errors="coerce").iloc[0])


def _large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))


def _numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    )


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def _codes(column: pa.DictionaryArray) -> Integers:
    """Return the codes of a dictionary column, -1 where there is no value."""
    codes = column.indices
    if codes.null_count:
        codes = codes.cast(pa.int64()).fill_null(-1)
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)


def _texts(column: pa.Array) -> tuple[list[str], Integers]:
    """Return the different stripped texts of a column, and for each row its place among them, the last for none.

    The place ``len(texts)`` stands for a missing value.
    """
    coded = _encoded(column)
    written = coded.dictionary.to_pandas().astype("string").fillna("").str.strip().tolist()
    texts = list(dict.fromkeys(written))
    places = {text: place for place, text in enumerate(texts)}
    place = np.asarray([places[text] for text in written] + [len(texts)], dtype=np.int64)
    return texts, place[_codes(coded)]
