"""A small version of the study of pairs; the table in the docs comes from a long one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def study(root: Path) -> Iterator[Any]:
    if not (root / "benchmarks" / "studies").is_dir():
        pytest.skip("the benchmarks are in the repository, not in the package")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        yield import_module("benchmarks.studies.pair_intervals")
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]


def test_limits_of_pairs_that_share_people_hold(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "DESIGNS", [(50, "all", 0.1)])
    rows = [study.simulate(seed) for seed in range(60)]
    ours, naive, even = (
        np.mean(
            [
                next(value for name, value in row.items() if name.method == method and name.quantity == "rate")
                for row in rows
            ]
        )
        for method in (study.OURS, study.AS_INDEPENDENT, study.EVEN)
    )
    assert ours >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / (60 * study.GROUPS))
    assert naive < 0.8
    assert even <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 60)
