"""Group metrics of ten million rows of predictions from Parquet: seconds and memory, beside one million rows.

``python -m benchmarks big_table``. The tables are written to a temporary folder first, which is not timed. Each
measurement runs in a process of its own, whose peak of resident memory is told.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CLASSES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
LABELS = (0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03)
PEOPLE = 1_200_000
AT_ONCE = 500_000
SHARES = {
    "gender": {"female": 0.55, "male": 0.45},
    "ethnicity": {"a": 0.3, "b": 0.19, "c": 0.15, "d": 0.13, "e": 0.1, "f": 0.08, "g": 0.05},
    "age": {f"{10 * at} to {10 * at + 10}": share for at, share in enumerate((3, 8, 22, 20, 16, 12, 10, 6, 3))},
}


def write_table(path: Path, rows: int, people: int, seed: int = 0, at_once: int = AT_ONCE) -> None:
    """Write a table of predictions, rows of all people mixed, a batch of rows at a time."""
    random = np.random.default_rng(seed)
    groups = {name: random.choice(len(of), people, p=_to_one(of)) for name, of in SHARES.items()}
    skill = random.beta(2.3, 1.0, people)
    writer = None
    for start in range(0, rows, at_once):
        size = min(at_once, rows - start)
        person = random.integers(0, people, size)
        label = random.choice(len(CLASSES), size, p=LABELS)
        logits = random.standard_normal((size, len(CLASSES)), dtype=np.float32)
        logits[np.arange(size), label] += np.where(random.random(size) < skill[person], 3, 0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        columns = {"subject": pa.array(np.char.add("p", person.astype(str))), "label": _named(label, CLASSES)}
        columns |= {name: _named(groups[name][person], list(of)) for name, of in SHARES.items()}
        columns |= {f"p_{name}": logits[:, place] for place, name in enumerate(CLASSES)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _to_one(shares: dict[str, float]) -> np.ndarray:
    values = np.asarray(list(shares.values()), dtype=float)
    return values / values.sum()


def _named(codes: np.ndarray, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names)).dictionary_decode()


def slices(path: Path) -> int:
    """Measure with this package; return how many estimates there are."""
    from countenance.core.plan import AttributeSpec, DataSpec, TargetSpec
    from countenance.core.statistics.streamed.slices import slice_table

    target = TargetSpec(predictions=str(path), task="expression", classes=CLASSES)
    attributes = {name: AttributeSpec(assigned_by="annotator") for name in SHARES}
    data = DataSpec(subject="subject", attributes=attributes, intersections=[list(SHARES)])
    return len(slice_table(path, target, data).measurements)


def pandas_counts(path: Path) -> int:
    """Count label by answer by group with pandas, all rows in memory; no interval, no person."""
    import pandas as pd

    frame = pd.read_parquet(path, columns=["label", *SHARES, *(f"p_{name}" for name in CLASSES)])
    answer = np.asarray(CLASSES)[frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)]
    frame = frame[["label", *SHARES]].assign(answer=answer)
    return sum(len(frame.groupby([*by, "label", "answer"]).size()) for by in (*([name] for name in SHARES), [*SHARES]))


def timed(way: str, path: Path) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.big_table", way, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _child(way: str, path: Path) -> None:
    start = time.perf_counter()
    estimates = {"slices": slices, "pandas": pandas_counts}[way](path)
    peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())  # Linux; getrusage's counts the parent
    told = {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time(),
        "peak": int(peak[1]) / 2**20 if peak else float("nan"),
        "numbers": estimates,
    }
    print(json.dumps(told))


def main() -> None:
    """Print seconds and memory by number of rows."""
    if len(sys.argv) == 3 and sys.argv[1] in {"slices", "pandas"}:
        _child(sys.argv[1], Path(sys.argv[2]))
        return
    print(f"\nGroup metrics of a Parquet table, {PEOPLE:,} people, 7 classes, 126 cells ({os.cpu_count()} processors,")
    print(f"load {os.getloadavg()[0]:.1f} at the start; seconds include Python's imports)")
    print(f"{'':<44}{'wall s':>9}{'cpu s':>9}{'peak GiB':>10}{'numbers':>10}")
    with tempfile.TemporaryDirectory() as scratch:
        for rows in (1_000_000, 10_000_000):
            path = Path(scratch) / f"{rows}.parquet"
            write_table(path, rows, PEOPLE)
            for way, told in (("slices", "slices, with intervals"), ("pandas", "pandas, counts only")):
                found = timed(way, path)
                numbers = f"{found['wall']:>9.1f}{found['cpu']:>9.1f}{found['peak']:>10.2f}{found['numbers']:>10,.0f}"
                print(f"{f'{rows:,} rows: {told}':<44}{numbers}", flush=True)


if __name__ == "__main__":
    main()
