"""The probe registry, what a probe is given, and what it may yield.

A probe is a decorated generator function plus one frozen ``Params`` model, in one file::

    class MirrorParams(ProbeParams):
        faces: int = 1000

    @probe("mirror", version=1, title="Mirror consistency", pillar="robustness", params=MirrorParams,
           needs={"images"}, shows="...", hides="...", citation="...")
    def mirror(context: ProbeContext, params: MirrorParams) -> Iterator[Output]:
        yield Scores("consistency", rows, values, direction="higher")

It measures *faces*. Slicing a per-face score by group, intervals, seeds, timing, progress, errors, skipping and
writing belong to the runner. A third-party package adds probes with an entry point in ``countenance.probes``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import PlanError, nearest
from .probe_params import Need as Need
from .probe_params import ProbeParams as ProbeParams
from .results import Direction, Estimate, Finding, Measurement, Severity

if TYPE_CHECKING:
    import pandas as pd

    from .faces import Faces
    from .portraits import Portraits
    from .predictions import Predictions
    from .statistics.rules import StatisticsRules
    from .target import Target

Pillar = Literal["performance", "explanation", "fairness", "robustness", "integrity"]
CLASSIFICATION = frozenset({"expression", "forgery"})
ENTRY_POINTS = "countenance.probes"
LOG = logging.getLogger("countenance")


@dataclass(frozen=True)
class Scores:
    """One number per face; the runner makes the overall estimate, the groups and the intervals.

    The estimate of a set of faces is ``sum(values) / sum(weights)`` (weights are 1 unless given, which makes it a
    mean). A rate such as recall is the mean of 0/1 values over the rows that have the label.

    Attributes:
        metric: name of the metric, e.g. ``accuracy``.
        rows: positions of the faces in ``context.faces.frame``, shape (m,), each at most once.
        values: numerator per face, shape (m,), finite.
        weights: denominator per face, shape (m,), finite and not negative; ``None`` for all ones.
        kind: ``rate`` when values are 0..weights counts (Wilson intervals), ``mean`` otherwise.
        bounds: smallest and largest possible value of the estimate, used to keep intervals inside; ``None`` if open.
        direction: which way is better.
        slice: further slice of the data that all rows share, e.g. ``{"label": "happy"}``.
        condition: e.g. ``{"eps": "8/255"}``.
        overall: whether the estimate over all rows is measured.
        by_group: whether the estimates by attribute and intersection are measured.
        gaps: whether the largest difference between the groups of each attribute and intersection is measured, with
            a permutation test over people.
        title: what a sentence about a gap calls the score, e.g. ``overlap of the heatmap with the mask``; the metric
            with spaces unless given. One with "under" tells the condition, too (``loss of right answers under fog``).
        tolerance: largest gap that is accepted; ``None`` when nobody said.
        exact: Clopper-Pearson limits for a rate, which keep their promise at every rate, also near 0.
        keep: whether the values are written to ``scores.parquet``.
    """

    metric: str
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    kind: Literal["rate", "mean"] = "mean"
    bounds: tuple[float, float] | None = None
    direction: Direction = "none"
    slice: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    overall: bool = True
    by_group: bool = True
    gaps: bool = False
    title: str = ""
    tolerance: float | None = None
    exact: bool = False
    keep: bool = True


StatisticName = Literal["auroc", "ccc", "pcc", "rmse", "ece"]


@dataclass(frozen=True)
class PairedScores:
    """Two numbers per face and a statistic of them that is no mean; the runner makes estimates, groups and intervals.

    Attributes:
        metric: name of the metric, e.g. ``ccc``.
        statistic: ``auroc`` (first: 1 for positive faces, 0 for negative; second: score), ``ccc``, ``pcc`` and
            ``rmse`` (first: truth, second: prediction) or ``ece`` (first: 1 where the answer is right, second:
            confidence from 0 to 1).
        rows: positions of the faces in ``context.faces.frame``, shape (m,); twice where a face stands against itself,
            as it is and changed, which count as one person's.
        first: shape (m,), finite.
        second: shape (m,), finite.
        direction: which way is better.
        slice: further slice of the data that all rows share.
        condition: e.g. ``{"eps": "8/255"}``.
        overall: whether the estimate over all rows is measured.
        by_group: whether the estimates by attribute and intersection are measured.
        gaps: whether the largest difference between groups is measured, with a permutation test over people.
        title: what a sentence about a gap calls the score.
        tolerance: largest gap that is accepted; ``None`` when nobody said.
    """

    metric: str
    statistic: StatisticName
    rows: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    direction: Direction = "none"
    slice: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    overall: bool = True
    by_group: bool = True
    gaps: bool = False
    title: str = ""
    tolerance: float | None = None


@dataclass(frozen=True)
class TableOutput:
    """A table to write as ``tables/PROBE_ID.NAME.csv``; ``name`` without suffix."""

    name: str
    frame: pd.DataFrame
    title: str = ""


@dataclass(frozen=True)
class ArrayOutput:
    """Arrays to write as ``artifacts/PROBE_ID.NAME.npz``; ``name`` without suffix."""

    name: str
    arrays: Mapping[str, NDArray[Any]]
    title: str = ""


@dataclass(frozen=True)
class JsonOutput:
    """A JSON document to write as ``artifacts/PROBE_ID.NAME.json``; ``name`` without suffix."""

    name: str
    content: Any
    title: str = ""


@dataclass(frozen=True)
class Note:
    """A remark for the reader of the results, e.g. which layer was explained."""

    text: str


Output = Scores | PairedScores | Measurement | Finding | TableOutput | ArrayOutput | JsonOutput | Note


class Advance(Protocol):
    """Tells the progress display how many more items are done."""

    def __call__(self, count: int = 1) -> None:
        """Advance by ``count`` items."""
        ...


class ProgressFactory(Protocol):
    """Opens one progress bar: ``with context.progress("faces", total) as advance: advance(8)``."""

    def __call__(self, unit: str, total: int) -> AbstractContextManager[Advance]:
        """Open a bar that counts ``total`` items called ``unit``."""
        ...


@dataclass(frozen=True)
class ProbeContext:
    """What a probe is given.

    Attributes:
        probe_id: the id of this use of the probe in the plan.
        faces: the audited faces without the quarantined ones; ``faces.frame`` has one row per face.
        predictions: the clean predictions, aligned row by row with ``faces.frame``.
        target: the model, or ``None`` for a predictions-only target.
        rules: level of confidence, smallest groups and so on.
        seed: the plan's seed.
        batch_size: how many faces the model is given at once.
        progress: opens a progress bar.
        faces_permitted: whether the plan lets the report show faces; :attr:`may_show` says which.
        portraits: of a verification checkpoint, the single faces behind the pairs that ``faces`` lists, with their
            pictures and embeddings; ``None`` otherwise.
        floors: the least value that gates of the plan ask of measurements of this probe, by key.
    """

    probe_id: str
    faces: Faces
    predictions: Predictions
    target: Target | None
    rules: StatisticsRules
    seed: int
    batch_size: int
    progress: ProgressFactory
    faces_permitted: bool = False
    portraits: Portraits | None = None
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def may_show(self) -> NDArray[np.bool_]:
        """Which faces a picture for the report may show, shape (n,): the plan permits it and the row may be published.

        Of any other face a probe writes no pixels; a drawn or canonical face stands in.
        """
        permitted: NDArray[np.bool_] = self.faces.frame["may_publish"].to_numpy(dtype=np.bool_) & self.faces_permitted
        return permitted

    @property
    def model(self) -> Target:
        """The target; a probe that needs it declares ``needs={"model"}`` and is skipped where there is none."""
        if self.target is None:
            raise RuntimeError(f"probe {self.probe_id} uses the model without declaring that it needs it")
        return self.target

    def random(self, *names: str | int) -> np.random.Generator:
        """Return a generator that depends on the plan's seed, the probe's id and ``names`` alone."""
        text = "\x1f".join(map(str, (self.seed, self.probe_id, *names)))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))

    def measurement(
        self,
        metric: str,
        estimate: Estimate,
        *,
        slice: dict[str, str] | None = None,
        condition: dict[str, str] | None = None,
        direction: Direction = "none",
    ) -> Measurement:
        """Make a dataset-level measurement of this probe."""
        return Measurement.of(self.probe_id, metric, estimate, slice=slice, condition=condition, direction=direction)

    def finding(
        self,
        name: str,
        severity: Severity,
        claim: str,
        *,
        evidence: Iterable[str] = (),
        caveats: Iterable[str] = (),
        p_adjusted: float | None = None,
    ) -> Finding:
        """Make a finding of this probe; its id is ``PROBE_ID.NAME``."""
        return Finding(
            id=f"{self.probe_id}.{name}",
            severity=severity,
            claim=claim,
            evidence=list(evidence),
            caveats=list(caveats),
            p_adjusted=p_adjusted,
        )


ProbeFunction = Callable[[ProbeContext, Any], Iterator[Output]]


@dataclass(frozen=True)
class Probe:
    """A registered probe: the function, its parameters and what it says of itself."""

    name: str
    version: int
    title: str
    pillar: Pillar
    params: type[ProbeParams]
    needs: frozenset[Need]
    tasks: frozenset[str]
    shows: str
    hides: str
    citation: str
    contested: frozenset[str]
    function: ProbeFunction

    @property
    def summary(self) -> str:
        """The first line of the probe's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0] if self.function.__doc__ else ""


_registered: dict[str, Probe] = {}


def probe(
    name: str,
    *,
    version: int,
    title: str,
    pillar: Pillar,
    params: type[ProbeParams],
    needs: Iterable[Need] = (),
    tasks: Iterable[str] = CLASSIFICATION,
    shows: str,
    hides: str,
    citation: str = "",
    contested: Iterable[str] = (),
) -> Callable[[ProbeFunction], ProbeFunction]:
    """Register the decorated generator function as the probe ``name``.

    Raises:
        ValueError: when another function already has this name.
    """

    def register(function: ProbeFunction) -> ProbeFunction:
        known = _registered.get(name)
        if known is not None and _origin(known.function) != _origin(function):
            raise ValueError(f"the probe name {name!r} is taken by {known.function.__module__}")
        _registered[name] = Probe(
            name=name,
            version=version,
            title=title,
            pillar=pillar,
            params=params,
            needs=frozenset(needs),
            tasks=frozenset(tasks),
            shows=shows,
            hides=hides,
            citation=citation,
            contested=frozenset(contested),
            function=function,
        )
        return function

    return register


def _origin(function: ProbeFunction) -> tuple[str, str]:
    """Where a function was defined, which stays the same when its module is imported again."""
    return function.__module__, function.__qualname__


@cache
def broken_plugins() -> dict[str, str]:
    """Import every module that offers probes, which registers them; return by name why one could not be imported.

    A third party's broken package costs no more than its own probes; a fault of our own modules is raised.
    """
    broken = {}
    offered = entry_points(group=ENTRY_POINTS)
    for entry in sorted(offered, key=lambda entry: (not _is_own(entry.value), entry.name)):  # ours keep their names
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            if _is_own(entry.value):
                raise
            broken[entry.name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            LOG.warning("the plug-in %r (%s) cannot be loaded: %s", entry.name, entry.value, broken[entry.name])
    return broken


def _is_own(target: str) -> bool:
    return target.split(":")[0].split(".")[0] == __name__.split(".")[0]


def no_such_probe(name: str, known: Iterable[str]) -> str:
    """Say that there is no probe ``name``, with the nearest one and the plug-ins that might have had it."""
    told = f"there is no probe {name!r}{nearest(name, known)}"
    for plugin, reason in broken_plugins().items():
        told += f"; the plug-in {plugin!r} cannot be loaded ({reason})"
    return told


def registered_probes() -> dict[str, Probe]:
    """Return every probe by name, in alphabetical order; imports the packages that offer probes."""
    broken_plugins()
    return dict(sorted(_registered.items()))


def find_probe(name: str) -> Probe:
    """Return the probe called ``name``.

    Raises:
        PlanError: when there is none; the message gives the nearest name.
    """
    known = registered_probes()
    if name not in known:
        raise PlanError(f"{no_such_probe(name, known)} (countenance probes lists them)")
    return known[name]
