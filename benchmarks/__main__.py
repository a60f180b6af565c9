"""``python -m benchmarks``: every side-by-side timing, or the ones named."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

NOT_TIMINGS = {
    "__main__",
    "backdoor_scan_calibration",
    "data_scan_london",
    "forgery_localisation_london",
    "poison_drill_london",
    "published_corruptions",
    "timing",
}


def main() -> None:
    """Run the timings named on the command line, all of them without a name."""
    known = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in NOT_TIMINGS)
    wanted = sys.argv[1:] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"there is no timing {', '.join(unknown)}; there is {', '.join(known)}")
    for name in wanted:
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
