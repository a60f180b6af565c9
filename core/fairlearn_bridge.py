"""fairlearn at the door: results go to a ``MetricFrame`` and come from one, and its metrics work as they are.

A metric is any function ``f(y_true, y_pred)``, with further arrays (``sample_weight`` and the like) as keywords, as
fairlearn and scikit-learn have them. Intervals here leave out people one by one (jackknife), since such a function says
nothing of what its variance is; a bootstrap that draws people is offered too. A ``MetricFrame`` keeps one number for a
group and no rows, so what comes from one has no interval, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from .errors import MissingExtraError, UsageError
from .outcomes import Outcomes, read_outcomes
from .results import Estimate, Measurement
from .statistics.class_means import too_few
from .statistics.groups import build_groups
from .statistics.rules import StatisticsRules
from .statistics.sums import Floats, Integers

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

Metric = Callable[..., float]
Source = str | Path | pd.DataFrame
Arrays = Mapping[str, Any]
METHOD_JACKKNIFE = "jackknife_of_people"
METHOD_BOOTSTRAP = "bootstrap_of_people"
NO_INTERVAL = "a MetricFrame keeps one number for a group and no rows: it has no interval"
BLOCKS = 200


def metrics_by_group(
    source: Source,
    metrics: Metric | Mapping[str, Metric],
    *,
    by: Sequence[str],
    label: str | None = None,
    sample_params: Mapping[str, Any] | None = None,
    interval: Literal["jackknife", "bootstrap"] = "jackknife",
    replicates: int = 1000,
    rules: StatisticsRules | None = None,
    seed: int = 0,
    threshold: float = 0.5,
) -> list[Measurement]:
    """Return metrics of each group with intervals that respect people.

    Args:
        source: a run folder, or a table with ``y_true``, ``y_pred``, the attributes and perhaps ``subject``.
        metrics: a function ``f(y_true, y_pred)``, or several by name.
        by: attributes; several are taken together (an intersection).
        label: see :func:`~countenance.core.outcomes.read_outcomes`.
        sample_params: further arguments of the metrics, one value per face: an array, or the name of a column; with
            several metrics one mapping for each name, as in fairlearn.
        interval: ``jackknife`` leaves out people (200 blocks of them, where there are more) and takes a t quantile;
            ``bootstrap`` draws people and takes percentiles, which cover too little with few people.
        replicates: of the bootstrap.
        rules: level and smallest number of people.
        seed: of blocks and bootstrap.
        threshold: least probability of an active action unit.

    Raises:
        UsageError: when the source, an attribute or an argument does not fit, or a metric gives no number.
    """
    outcomes = read_outcomes(source, label, threshold)
    rules = rules or StatisticsRules()
    named = dict(metrics) if isinstance(metrics, Mapping) else {_name_of(metrics): metrics}
    columns = {name: outcomes.column(name).astype(str) for name in by}
    groups = build_groups(pd.DataFrame(columns), by)
    at = {"label": label} if label is not None else {}
    found = []
    for name, metric in named.items():
        params = _params_of(name, sample_params, outcomes, several=isinstance(metrics, Mapping))
        score = partial(_score, metric, name, outcomes, params)
        for code, value in enumerate(groups.values):
            rows = np.flatnonzero(groups.codes == code)
            random = np.random.default_rng([seed, code])
            estimate = _estimate(score, rows, outcomes.subjects[rows], rules, interval, replicates, random)
            found.append(Measurement.of("fairlearn", name, estimate, slice={**value, **at}))
    return found


def to_metric_frame(
    source: Source,
    metrics: Metric | Mapping[str, Metric],
    *,
    by: Sequence[str],
    within: Sequence[str] = (),
    label: str | None = None,
    sample_params: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
) -> MetricFrame:
    """Return fairlearn's ``MetricFrame`` of a run's predictions, with the groups of the run.

    Args:
        source: a run folder, or a table; see :func:`metrics_by_group`.
        metrics: functions ``f(y_true, y_pred)``.
        by: attributes, fairlearn's sensitive features.
        within: control attributes, fairlearn's control features.
        label: see :func:`~countenance.core.outcomes.read_outcomes`.
        sample_params: as fairlearn has them; a text names a column.
        threshold: least probability of an active action unit.

    Raises:
        MissingExtraError: without fairlearn.
        UsageError: when the source cannot be asked this.
    """
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError as error:
        raise MissingExtraError("fairlearn", "fairlearn", "A MetricFrame") from error
    outcomes = read_outcomes(source, label, threshold)
    if isinstance(metrics, Mapping):
        given: Any = {name: _params_of(name, sample_params, outcomes, several=True) for name in metrics}
    else:
        given = _params_of("", sample_params, outcomes, several=False)
    return MetricFrame(
        metrics=dict(metrics) if isinstance(metrics, Mapping) else metrics,
        y_true=outcomes.y_true,
        y_pred=outcomes.y_pred,
        sensitive_features=pd.DataFrame({name: outcomes.column(name).astype(str) for name in by}),
        control_features=pd.DataFrame({name: outcomes.column(name).astype(str) for name in within}) if within else None,
        sample_params=given or None,
    )


def from_metric_frame(frame: MetricFrame, probe_id: str = "fairlearn") -> list[Measurement]:
    """Return the numbers of a ``MetricFrame`` as measurements, over all faces and by group.

    None has an interval, and ``method`` says why: the frame keeps no rows, and its own bootstrap draws faces, not
    people. A group without a number (a combination that does not occur) is not measured.
    """
    by_group = frame.by_group if isinstance(frame.by_group, pd.DataFrame) else frame.by_group.to_frame()
    overall: Any = frame.overall
    if frame.control_levels:
        within = overall if isinstance(overall, pd.DataFrame) else overall.to_frame()
        return [*_rows_of(within, probe_id), *_rows_of(by_group, probe_id)]
    whole = overall.items() if isinstance(overall, pd.Series) else [(by_group.columns[0], overall)]
    found = [Measurement.of(probe_id, _metric_name(name), _without_interval(value)) for name, value in whole]
    return [*found, *_rows_of(by_group, probe_id)]


def as_frame(measurements: Sequence[Measurement]) -> pd.DataFrame:
    """Return measurements as a table: metric, a column for each attribute, then the estimate."""
    return pd.DataFrame([{"metric": item.metric, **item.slice, **dict(item.estimate)} for item in measurements])


def _rows_of(table: pd.DataFrame, probe_id: str) -> Iterator[Measurement]:
    names = [str(name) for name in table.index.names]
    for group, row in table.iterrows():
        values = group if isinstance(group, tuple) else (group,)
        place = {name: str(value) for name, value in zip(names, values, strict=True)}
        for metric, value in row.items():
            yield Measurement.of(probe_id, _metric_name(metric), _without_interval(value), slice=place)


def _metric_name(name: object) -> str:
    return "metric" if name is None else str(name)


def _without_interval(value: Any) -> Estimate:
    number = float(value)
    if not np.isfinite(number):
        return Estimate.not_measured("the MetricFrame has no finite number here")
    return Estimate(value=number, method=NO_INTERVAL)


def _name_of(metric: Metric) -> str:
    return getattr(metric, "__name__", "metric")


def _params_of(name: str, params: Arrays | None, outcomes: Outcomes, *, several: bool) -> dict[str, NDArray[Any]]:
    """Return the further arguments of one metric, each an array with one value per face."""
    given = (params or {}).get(name, {}) if several else (params or {})
    if not isinstance(given, Mapping):
        raise UsageError(f"expected sample_params of {name} to be a mapping of arguments to arrays")
    found = {}
    for argument, values in given.items():
        array = outcomes.column(values).to_numpy() if isinstance(values, str) else np.asarray(values)
        if len(array) != len(outcomes.y_true):
            expected = f"one value of {argument} for each of {len(outcomes.y_true)} labelled faces"
            raise UsageError(f"expected {expected}, but got {len(array)}")
        found[str(argument)] = array
    return found


def _score(metric: Metric, name: str, outcomes: Outcomes, params: Mapping[str, NDArray[Any]], rows: Integers) -> float:
    further = {argument: values[rows] for argument, values in params.items()}
    value = metric(outcomes.y_true[rows], outcomes.y_pred[rows], **further)
    if not np.isscalar(value) and np.ndim(value) != 0:
        raise UsageError(f"expected the metric {name} to give one number, but got {type(value).__name__}")
    return float(value)


def _estimate(
    score: Callable[[Integers], float],
    rows: Integers,
    subjects: Integers,
    rules: StatisticsRules,
    interval: str,
    replicates: int,
    random: np.random.Generator,
) -> Estimate:
    """Return the metric of the faces at ``rows`` with its interval."""
    people, person = np.unique(subjects, return_inverse=True)
    person = person.reshape(-1)
    if len(people) < rules.min_subjects:
        return too_few(len(people), len(rows), rules)
    value = score(rows)
    if not np.isfinite(value):
        return Estimate.not_measured("the metric is not a finite number here", n=len(rows), subjects=len(people))
    if interval == "bootstrap":
        low, high = _bootstrap(score, rows, person, len(people), rules.level, replicates, random)
        method = METHOD_BOOTSTRAP
    elif interval == "jackknife":
        low, high = _jackknife(score, rows, person, len(people), value, rules.level, random)
        method = METHOD_JACKKNIFE
    else:
        raise UsageError(f"expected interval to be jackknife or bootstrap, but got {interval!r}")
    known = bool(np.isfinite([low, high]).all() and high > low)
    return Estimate(
        value=value,
        low=min(low, value) if known else None,
        high=max(high, value) if known else None,
        level=rules.level if known else None,
        method=method if known else "no_variation",
        n=len(rows),
        subjects=len(people),
    )


def _jackknife(
    score: Callable[[Integers], float],
    rows: Integers,
    person: Integers,
    people: int,
    value: float,
    level: float,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Return limits from leaving out blocks of people, one person each where there are few enough."""
    blocks = min(people, BLOCKS)
    block = random.permutation(np.arange(people) % blocks)[person]
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block, minlength=blocks))
    left = np.asarray(
        [score(rows[np.delete(order, np.arange(start, end))]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    )
    variance = float((blocks - 1) / blocks * np.square(left - left.mean()).sum())
    half = float(t.ppf((1 + level) / 2, blocks - 1)) * np.sqrt(variance)
    return value - half, value + half


def _bootstrap(
    score: Callable[[Integers], float],
    rows: Integers,
    person: Integers,
    people: int,
    level: float,
    replicates: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Return percentiles over samples of people drawn with replacement."""
    order = np.argsort(person, kind="stable")
    of_person = np.split(rows[order], np.cumsum(np.bincount(person, minlength=people))[:-1])
    drawn: Floats = np.asarray(
        [
            score(np.concatenate([of_person[one] for one in random.integers(0, people, people)]))
            for _ in range(replicates)
        ]
    )
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
