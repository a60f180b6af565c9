from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from countenance.core import batch_size as module
from countenance.core.batch_size import CANDIDATES, choose_batch_size, fastest_batch_size
from countenance.core.plan import TargetSpec
from countenance.core.target import Target


def net(x: Tensor) -> Tensor:
    return x.mean((2, 3))[:, :2]


def target(sha256: str = "a", fixed_batch: int | None = None) -> Target:
    block: dict[str, Any] = {"checkpoint": "a", "task": "expression", "classes": ["a", "b"], "input": {"size": 8}}
    spec = TargetSpec.model_validate({**block, "output": "logits"})
    return Target(net, spec, format="module", sha256=sha256, fixed_batch=fixed_batch)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the trials, which all find 32."""
    made: list[int] = []

    def trial(target: Target) -> int:
        made.append(1)
        return 32

    monkeypatch.setattr(module, "fastest_batch_size", trial)
    return made


def test_what_the_plan_asks_for_is_taken_and_what_the_net_dictates_first(tmp_path: Path, trials: list[int]) -> None:
    assert choose_batch_size(7, target(), tmp_path) == 7
    assert choose_batch_size(7, target(fixed_batch=4), tmp_path) == 4
    assert choose_batch_size("auto", target(fixed_batch=4), tmp_path) == 4
    assert choose_batch_size("auto", target(), None) == 16
    assert trials == []


def test_a_trial_is_made_once_and_its_result_kept(tmp_path: Path, trials: list[int]) -> None:
    assert choose_batch_size("auto", target(), tmp_path) == 32
    assert choose_batch_size("auto", target(), tmp_path) == 32
    assert len(trials) == 1
    choose_batch_size("auto", target(sha256="b"), tmp_path)
    assert len(trials) == 2


def test_another_number_of_threads_is_tried_anew(
    tmp_path: Path, trials: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_batch_size("auto", target(), tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    choose_batch_size("auto", target(), tmp_path)
    assert len(trials) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"a": "x"}', '{"a": null}', ""])
def test_a_damaged_file_is_logged_and_made_again(
    tmp_path: Path, trials: list[int], log: list[str], content: str
) -> None:
    (tmp_path / module.FILE).write_text(content)
    assert choose_batch_size("auto", target(), tmp_path) == 32
    assert len(log) == 1
    assert choose_batch_size("auto", target(), tmp_path) == 32
    assert len(trials) == 1


def test_a_kept_size_that_can_be_none_is_not_used(tmp_path: Path, trials: list[int]) -> None:
    choose_batch_size("auto", target(), tmp_path)
    kept = json.loads((tmp_path / module.FILE).read_text())
    (tmp_path / module.FILE).write_text(json.dumps(dict.fromkeys(kept, 0)))
    assert choose_batch_size("auto", target(), tmp_path) == 32
    assert len(trials) == 2


@pytest.mark.parametrize(
    ("each", "wanted"),
    [
        ({2: 7, 4: 6, 8: 5, 16: 4, 32: 3, 64: 2, 128: 1}, 128),
        ({2: 1, 4: 1, 8: 1, 16: 1, 32: 1, 64: 1, 128: 1}, 2),
        ({2: 2, 4: 2, 8: 1, 16: 0.97, 32: 0.96, 64: 2, 128: 9}, 8),
        ({2: 3, 4: 3, 8: 2, 16: 1.04, 32: 1, 64: 1.5, 128: 2}, 16),
    ],
)
def test_the_smallest_size_within_five_percent_of_the_best(
    monkeypatch: pytest.MonkeyPatch, each: dict[int, float], wanted: int
) -> None:
    monkeypatch.setattr(module, "_time", lambda target, pixels: each[len(pixels)] * len(pixels) / 1000)
    assert fastest_batch_size(target()) == wanted


def test_a_slow_net_is_not_tried_with_ever_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def slow(target: Target, pixels: Tensor) -> float:
        tried.append(len(pixels))
        return 0.2 * len(pixels)

    monkeypatch.setattr(module, "_time", slow)
    assert fastest_batch_size(target()) == 2
    assert max(tried) == 16


def test_a_real_trial_finds_one_of_the_candidates() -> None:
    assert fastest_batch_size(target()) in CANDIDATES
