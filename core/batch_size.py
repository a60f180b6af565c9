"""How many faces the model is given at once: chosen once per model and machine, then kept.

Rounding depends on the batch size, so repeats must use the same; a larger batch is often slower on a CPU.
"""

from __future__ import annotations

import json
import logging
import math
import platform
import time
from pathlib import Path

import torch

from .errors import AuditError
from .files import sha256_of_bytes, write_atomically
from .target import Target

LOG = logging.getLogger("countenance")
FILE = "batch_sizes.json"
CANDIDATES = (2, 4, 8, 16, 32, 64, 128)
ROUNDS = 3
UNTUNED = {"cpu": 16}
UNTUNED_ACCELERATOR = 64
GOOD_ENOUGH = 1.05
LONGEST_TRIAL = 2.0


def choose_batch_size(asked: int | str, target: Target, cache: Path | None) -> int:
    """Return the batch size: as asked, the only one the net takes, the kept one, or the fastest of a short trial.

    Without a cache folder nothing could be kept, so nothing is tried: 16 on a CPU, 64 elsewhere.
    """
    if target.fixed_batch is not None:
        return target.fixed_batch
    if isinstance(asked, int):
        return asked
    if cache is None:
        return UNTUNED.get(target.device.type, UNTUNED_ACCELERATOR)
    file = cache / FILE
    kept = _read(file)
    key = _key(target)
    if key not in kept:
        kept[key] = fastest_batch_size(target)
        try:
            write_atomically(file, json.dumps(kept, indent=1, sort_keys=True))
        except AuditError as error:  # the results record it, so that --resume keeps it all the same
            LOG.warning("the batch size is not kept for another run: %s", error)
    return kept[key]


def fastest_batch_size(target: Target) -> int:
    """Return the smallest batch size whose time per face is within 5 % of the best; a very slow one ends the trial."""
    height, width = target.size
    most = torch.rand((max(CANDIDATES), 3, height, width), generator=torch.Generator().manual_seed(0))
    seconds: dict[int, float] = {}
    # Sizes take turns, so that what else the machine does in one moment does not decide between them.
    longest = 0.0
    for turn in range(ROUNDS):
        for size in CANDIDATES if turn == 0 else tuple(seconds):
            taken = _time(target, most[:size])
            seconds[size] = min(taken / size, seconds.get(size, math.inf))
            longest = max(longest, taken)
            if longest > LONGEST_TRIAL:
                break
        if longest > LONGEST_TRIAL:
            break
    limit = min(seconds.values()) * GOOD_ENOUGH
    return min(size for size, each in seconds.items() if each <= limit)


def _time(target: Target, pixels: torch.Tensor) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        target(pixels).sum().item()
    return time.perf_counter() - start


def _key(target: Target) -> str:
    parts = [
        target.sha256,
        str(target.size),
        str(target.device),
        torch.__version__,
        str(torch.get_num_threads()),
        platform.node(),
    ]
    return sha256_of_bytes("|".join(parts).encode())


def _read(file: Path) -> dict[str, int]:
    if not file.is_file():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): int(size) for key, size in kept.items() if int(size) > 0}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        LOG.warning("%s cannot be read and is made again: %s", file.name, error)
        return {}
