"""Calibration by group: bins that all groups share, accuracy with its interval, and groups too small left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from countenance.audit.fairness.calibration_by_group import BINS, calibration_by_group
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, TableOutput
from countenance.core.statistics.intervals import wilson
from countenance.core.statistics.rules import StatisticsRules

FACES = 600


def context(attribute: bool = True) -> ProbeContext:
    rng = np.random.default_rng(0)
    group = np.asarray(["a"] * 350 + ["b"] * 245 + ["few"] * 5, dtype=object)
    frame = pd.DataFrame({"face_id": range(FACES), "subject": range(FACES), "label": "x", "group": group})
    confidence = 0.5 + 0.5 * rng.random(FACES)
    values = np.stack([confidence, 1 - confidence], axis=1)
    # Group a is as sure as it is right; group b is right half the time.
    right = rng.random(FACES) < np.where(group == "a", confidence, 0.5)
    attributes = {"group": AttributeSpec(assigned_by="self-reported")} if attribute else {}

    @contextmanager
    def silent(unit: str, total: int) -> Iterator[object]:
        yield lambda count=1: None

    return ProbeContext(
        "group_metrics",
        Faces(frame, attributes=attributes),
        Predictions("expression", ("x", "y"), values, np.where(right, 0.0, 1.0)),
        None,
        StatisticsRules(),
        0,
        0,
        silent,  # type: ignore[arg-type]
    )


def table(**more: bool) -> pd.DataFrame:
    (found,) = calibration_by_group(context(**more))
    assert isinstance(found, TableOutput)
    assert found.name == "calibration"
    return found.frame


def test_bins_are_shared_and_groups_too_small_are_left_out():
    frame = table()
    assert set(frame["group"]) == {"a", "b"}
    assert len(frame) == 2 * BINS
    assert (frame.groupby("group")["from"].apply(tuple)["a"]) == (frame.groupby("group")["from"].apply(tuple)["b"])
    assert frame["faces"].sum() >= FACES - 5 - 1


def test_accuracy_and_its_interval_against_a_slow_count():
    made, frame = context(), table()
    confidence = made.predictions.values.max(axis=1)
    right = made.predictions.predicted == made.predictions.labels
    edges = np.quantile(confidence, np.linspace(0, 1, BINS + 1))
    for row in frame.itertuples():
        place = int(np.argmin(np.abs(edges[:-1] - frame.loc[row.Index, "from"])))
        last = place == BINS - 1
        inside = (confidence >= edges[place]) & ((confidence <= edges[-1]) if last else (confidence < edges[place + 1]))
        of = inside & (made.faces.frame["group"].to_numpy() == row.group)
        assert row.faces == of.sum()
        assert row.accuracy == pytest.approx(right[of].mean(), abs=1e-4)
        assert row.confidence == pytest.approx(confidence[of].mean(), abs=1e-4)
        low, high = wilson(np.asarray([right[of].mean()]), np.asarray([of.sum()]), 1.959964)
        assert (row.low, row.high) == pytest.approx((low[0], high[0]), abs=1e-4)


def test_the_group_that_is_too_sure_lies_below_its_confidence():
    frame = table()
    last = frame[(frame["group"] == "b")].iloc[-1]
    assert last["high"] < last["confidence"]
    even = frame[frame["group"] == "a"]
    assert ((even["low"] <= even["confidence"]) & (even["confidence"] <= even["high"])).sum() >= BINS - 1


def test_without_attributes_there_is_nothing_to_tell():
    assert list(calibration_by_group(context(attribute=False))) == []
