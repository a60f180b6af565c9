"""Heatmaps of real detectors against what was changed in London faces: the figures of docs/forgery-localisation.md.

    python -m benchmarks.forgery_localisation_london

Reads ../shared/models and ../shared/data/london_forged beside the repository. The masks there are white in the bounding
box of what was changed, but black inside it: they are turned within the box first, in a folder of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml
from PIL import Image

import countenance
from countenance.core.results import AuditResults

ROOT = Path(__file__).resolve().parents[1]
PLAN = ROOT / "tests" / "plans" / "london_localisation.yaml"
DETECTORS = ("forgery_deepfakes", "forgery_face2face")
FURTHER = ["layercam", "occlusion"]
COLUMNS = {
    "pixel_auroc": "pixel AUROC",
    "pixel_auroc.null_genuine": "genuine photo",
    "pixel_auroc.null_centre": "spot in the middle",
    "pixel_auroc.null_other_masks": "others' masks",
    "mask_iou": "IoU",
    "mask_iou.null_ones": "all ones",
    "mask_iou_at_area": "IoU at equal area",
    "mask_energy": "energy inside",
}


def put_right(folder: Path, data: Path) -> None:
    """Write the masks and a manifest that names them."""
    table = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    for row, name in enumerate(table["mask"]):
        if name:
            around = np.asarray(Image.open(data / name)) > 127
            ys, xs = np.nonzero(around)
            turned = np.zeros_like(around)
            box = (slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1))
            turned[box] = ~around[box]
            file = folder / f"{row}.png"
            Image.fromarray(turned.astype(np.uint8) * 255).save(file)
            table.loc[row, "mask"] = str(file)
    table["path"] = [str((data / path).resolve()) for path in table["path"]]
    table.to_csv(folder / "manifest.csv", index=False)


def main() -> None:
    """Print a table for each detector."""
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    shared = (PLAN.parent / plan["data"]["manifest"]).resolve().parents[2]
    for detector in sys.argv[1:] or DETECTORS:
        with TemporaryDirectory() as folder:
            put_right(Path(folder), shared / "data" / "london_forged")
            plan["data"]["manifest"] = str(Path(folder) / "manifest.csv")
            plan["target"]["checkpoint"] = str(shared / "models" / f"{detector}.safetensors")
            plan["target"]["factory"] = f"{shared / 'models' / 'nets.py'}:ForgeryNet"
            plan["probes"] = [{"probe": "forgery_localisation", "also": FURTHER}]
            plan["run"] = {"cache": False}
            file = Path(folder) / "plan.yaml"
            file.write_text(yaml.safe_dump(plan), encoding="utf-8")
            results = countenance.run(file)
        show(detector, results)


def show(detector: str, results: AuditResults) -> None:
    """Print what the heatmaps of one detector came to."""
    told = {item.key.partition("/")[2]: item.estimate for item in results.measurements()}
    kinds = sorted({item.slice["method"] for item in results.measurements() if set(item.slice) == {"method"}})
    print(f"\n{detector}\n\n| | {' | '.join(COLUMNS.values())} | change inside the masks |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    places = [(kind, f"[method={kind}]") for kind in kinds] + [("all", "")]
    places += [(f"all, {method}", f"@explained_by={method}") for method in FURTHER]
    for name, place in places:
        cells = []
        for metric in (*COLUMNS, "mask_holds_change"):
            each = told.get(metric + place)
            if each is None or each.value is None:
                cells.append("–")
            elif ".null_" in metric or each.low is None:
                cells.append(f"{each.value:.3f}")
            else:
                cells.append(f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]")
        print(f"| {name} | {' | '.join(cells)} |")
    for finding in results.findings():
        print(f"- {finding.severity}: {finding.claim}")


if __name__ == "__main__":
    main()
