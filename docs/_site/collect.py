"""Which measurements each probe gives, collected from run folders: ``python docs/_site/collect.py RUN ...``.

A probe does not list its measurements beforehand: they depend on the task, the classes and the parameters. So the page
of a probe names those that real audits gave, with the direction that is better. Of every probe only runs by its present
version count. What an earlier call collected for the same version is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from countenance.core.probes import registered_probes

FILE = Path(__file__).with_name("measured.json")


def collect(runs: list[Path]) -> dict[str, dict[str, object]]:
    """Return by probe its version and the direction of each metric."""
    known = registered_probes()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    found = {name: entry for name, entry in kept.items() if name in known and entry["version"] == known[name].version}
    for run in runs:
        for result in json.loads((run / "results.json").read_text(encoding="utf-8"))["probes"]:
            name = result["probe"]
            if result["status"] != "ok" or name not in known or result["version"] != known[name].version:
                continue
            metrics = found.setdefault(name, {"version": result["version"], "metrics": {}})["metrics"]
            metrics |= {measurement["metric"]: measurement["direction"] for measurement in result["measurements"]}
    for entry in found.values():
        entry["metrics"] = dict(sorted(entry["metrics"].items()))
    return dict(sorted(found.items()))


if __name__ == "__main__":
    text = json.dumps(collect([Path(argument) for argument in sys.argv[1:]]), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")
