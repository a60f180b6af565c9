"""How often does the backdoor scan find a trigger, and how often does it flag a clean net?

``python -m benchmarks.studies.backdoor_scan_rates --workers 2 --out studies`` trains and scans one net after the other
and keeps what was found as a line of ``backdoor_scan_nets-v5.jsonl``; a run that was broken off goes on where it
stopped. The calibration is applied afterwards, to whatever nets there are: ``--table`` does only that.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: one thread per process when several run

import torch
from torch import Tensor

from countenance.audit.backdoors.scan.families import FAMILIES
from countenance.audit.backdoors.scan.scanning import scan
from countenance.synth.backdoored_nets import QuickFaceNet, folded, train_quick_net
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.quick_faces import quick_faces

from .backdoor_scan_judging import Net, tables
from .backdoor_scan_nets import CLEAN, FURTHER, KINDS, REFERENCE, TRIGGERS, target_of

VERSION = 5
FACES, FACES_SEED, SCAN_SEED = 224, 77, 0
"""The clean faces that every net is scanned with; no net was trained on them."""
COUNTS = {REFERENCE: 40, CLEAN: 60} | dict.fromkeys(TRIGGERS, 10) | dict.fromkeys(FURTHER, 3)
Job = tuple[str, int]


def simulate(job: Job) -> dict[str, Any]:
    """Train a net of a kind and seed, scan it, and return what was found, ready for JSON."""
    torch.set_num_threads(1)
    kind, seed = job
    poison = KINDS[kind].poison
    start = time.process_time()
    trained = train_quick_net(seed, None if poison is None else poison(seed))
    middle = time.process_time()
    faces = quick_faces(FACES, FACES_SEED)
    score, classes = scores_of(trained.net), range(len(EXPRESSIONS))
    sizes = scan(score, faces.pixels, classes, labels=faces.labels, seed=SCAN_SEED).log_sizes
    return {
        "kind": kind,
        "seed": seed,
        "target": None if poison is None else target_of(seed),
        "accuracy": round(trained.accuracy, 4),
        "success": None if trained.success is None else round(trained.success, 4),
        "families": list(FAMILIES),
        "log_sizes": [[round(size, 5) if size == size else None for size in row] for row in sizes.tolist()],
        "train_seconds": round(middle - start, 1),
        "scan_seconds": round(time.process_time() - middle, 1),
    }


def scores_of(net: QuickFaceNet) -> Callable[[Tensor], Tensor]:
    """Return a net as the scan asks it, in bfloat16 and channels-last: 1.6 times as fast, sizes within 0.06 in log."""
    fast = folded(net)
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast.requires_grad_(False)

    def score(pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = fast(pixels[:, :1])
        return logits.float()

    return score


def jobs(counts: Mapping[str, int]) -> Iterator[Job]:
    """Yield kinds and seeds in turns, the calibration's soonest, so that a part of the run tells of every kind."""
    done = dict.fromkeys(counts, 0)
    while any(done[kind] < count for kind, count in counts.items()):
        for kind, count in counts.items():
            for _ in range(4 if kind in (REFERENCE, CLEAN) else 1):
                if done[kind] < count:
                    yield kind, KINDS[kind].first + done[kind]
                    done[kind] += 1


def run(counts: Mapping[str, int], workers: int, file: Path, tell: Callable[[int], None] = lambda done: None) -> None:
    """Train and scan the nets that are not yet in the file, one line each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {(net.kind, net.seed) for net in read(file)}
    missing = [job for job in jobs(counts) if job not in known]
    with file.open("a", encoding="utf-8") as stream:
        for count, row in enumerate(_each(missing, workers), start=1):
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            tell(count)


def _each(missing: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    if workers <= 1:
        yield from map(simulate, missing)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(simulate, job) for job in missing]):
            yield future.result()


def read(file: Path) -> list[Net]:
    """Return the nets in a file; a last line that was not written whole is cut off."""
    if not file.is_file():
        return []
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        file.write_bytes(whole)
    return [Net.parse(json.loads(line)) for line in whole.decode().splitlines()]


def main(arguments: list[str] | None = None) -> int:
    """Run the study and write its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.backdoor_scan_rates", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, default=Path("studies"), help="folder of rows and tables (default studies)")
    parser.add_argument("--references", type=int, default=COUNTS[REFERENCE], help="clean nets of the calibration")
    parser.add_argument("--clean", type=int, default=COUNTS[CLEAN], help="clean nets held out")
    parser.add_argument("--each", type=int, default=COUNTS["patch"], help="nets of each of the five triggers")
    parser.add_argument("--further", type=int, default=COUNTS[FURTHER[0]], help="nets of each further attack")
    parser.add_argument("--table", action="store_true", help="train nothing; judge the nets there are")
    options = parser.parse_args(arguments)
    counts = {REFERENCE: options.references, CLEAN: options.clean}
    counts |= dict.fromkeys(TRIGGERS, options.each) | dict.fromkeys(FURTHER, options.further)
    file, start = options.out / f"backdoor_scan_nets-v{VERSION}.jsonl", time.monotonic()

    def tell(done: int) -> None:
        print(f"\r{done:,} nets, {time.monotonic() - start:,.0f} s", end="", file=sys.stderr, flush=True)

    if not options.table:
        try:
            run(counts, options.workers, file, tell)
        except KeyboardInterrupt:
            print("\nbroken off; the same command goes on from here", file=sys.stderr)
            return 130
    text = tables(read(file))
    (options.out / "backdoor_scan_rates.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
