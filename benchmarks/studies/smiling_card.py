"""Rebuild the smiling detector's card: ``python -m benchmarks.studies.smiling_card [--picture FILE.png] [--seed N]``.

Predictions with the published rates are simulated, audited by the product from a table, and drawn with the product's
own forest figure. Faces per group follow from the published prevalences, so that intervals are of the published order;
1,000 people stand behind the faces, as many as CelebA's test split is said to have, and each has errors of their own.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml

from countenance.core.api import run
from countenance.core.results import AuditResults, Estimate, Measurement
from countenance.reports.figures.forest import ForestRow, forest
from countenance.reports.html import json_for_script, plotly_script

from .people import beta_binomial
from .smiling_rates import ALL, BY_NAME, FACES, INTERSECTIONS, METRICS, ROWS, SHARES, Published

PEOPLE = 1000
ALIKE = 0.02
NAMES = {
    "fpr": "False positive rate",
    "fnr": "False negative rate",
    "fdr": "False discovery rate",
    "for": "False omission rate",
}
BLOCKS = {ALL: "all", **dict.fromkeys(INTERSECTIONS, "gender and age")}


def simulate(seed: int) -> pd.DataFrame:
    """Return predictions with the published rates: errors of one person are alike (intraclass correlation 0.02)."""
    rng = np.random.default_rng(seed)
    parts, first = [], 0
    for name in INTERSECTIONS:
        row, faces, people = BY_NAME[name], round(FACES * SHARES[name]), round(PEOPLE * SHARES[name])
        subject = first + np.sort(rng.integers(0, people, faces))
        smiling = rng.random(faces) < row.prevalence
        missed = beta_binomial(rng, subject, row.fnr, ALIKE) == 1
        raised = beta_binomial(rng, subject, row.fpr, ALIKE) == 1
        said = np.where(smiling, ~missed, raised)
        share = np.where(said, rng.uniform(0.5, 1, faces), rng.uniform(0, 0.5, faces))
        age, gender = name.split("-")
        part = pd.DataFrame({"subject": subject, "label": np.where(smiling, "smiling", "other"), "p_smiling": share})
        parts.append(part.assign(age=age, gender=gender, everyone=ALL))
        first += people
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "face_id", [f"f{face}" for face in range(len(table))])
    return table.assign(p_other=1 - table["p_smiling"])


def audit(table: pd.DataFrame, folder: Path) -> AuditResults:
    """Audit a table of predictions by gender, age and both."""
    table.to_parquet(folder / "predictions.parquet", index=False)
    attributes = {name: {"assigned_by": "annotator"} for name in ("gender", "age", "everyone")}
    metrics = [*METRICS, "recall", "base_rate"]
    plan = {
        "name": "smiling detector, simulated",
        "seed": 1,
        "target": {"predictions": "predictions.parquet", "task": "expression", "classes": ["other", "smiling"]},
        "data": {"subject": "subject", "attributes": attributes, "intersections": [["gender", "age"]]},
        "probes": [{"probe": "group_metrics", "metrics": metrics, "labels": ["smiling"], "gaps": ["fpr", "recall"]}],
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    return run(folder / "audit.yaml")


def measured(results: AuditResults, metric: str, row: Published) -> Measurement:
    """Return what the audit says of one row of the published figure."""
    place = {"label": "smiling"}
    for part in row.name.split("-"):
        place[{"old": "age", "young": "age", "male": "gender", "female": "gender", ALL: "everyone"}[part]] = part
    pairs = ",".join(f"{name}={place[name]}" for name in sorted(place))
    return results[f"group_metrics/{metric}[{pairs}]"]


def comparison(results: AuditResults) -> str:
    """Return a table in Markdown: published and simulated rates, prevalence and n."""
    lines = [
        "| group | faces | people | smiling | "
        + " | ".join(f"{m.upper()} published | simulated" for m in METRICS)
        + " |"
    ]
    lines.append("|---" * (4 + 2 * len(METRICS)) + "|")
    for row in ROWS:
        base = measured(results, "base_rate", row).estimate
        cells = [row.name, f"{base.n:,}", f"{base.subjects:,}", f"{base.value:.3f} ({row.prevalence:.3f})"]
        for metric in METRICS:
            found = measured(results, metric, row).estimate
            cells += [f"{row.rate(metric):.4f}", f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gaps(results: AuditResults) -> str:
    """Return a table in Markdown of the tested gaps: with bounds, beside what chance gives."""
    lines = ["| gap in | between groups of | largest [95 %] | by chance | adjusted p | would have been shown from |"]
    lines.append("|---|---|---|---|---|---|")
    for metric in ("fpr", "recall"):
        for attribute in ("gender", "age", "age&gender"):
            of = f"[attribute={attribute},label=smiling]"
            gap = results[f"group_metrics/{metric}.gap{of}"].estimate
            chance = results[f"group_metrics/{metric}.gap.null_permuted{of}"].estimate
            p = results[f"group_metrics/{metric}.gap.p_adjusted{of}"].estimate.value
            size = results[f"group_metrics/{metric}.gap.detectable{of}"].estimate
            named = {"fpr": "FPR", "recall": "recall (and FNR)"}[metric]
            shown = f"{size.value:.3f}" if size.value is not None else "none"
            cells = [named, attribute, f"{gap.value:.3f} [{gap.low:.3f}, {gap.high:.3f}]", f"{chance.value:.3f}"]
            lines.append(f"| {' | '.join(cells)} | {p:.2g} | {shown} |")
    return "\n".join(lines)


def page(results: AuditResults) -> str:
    """Return a page with the four panels, drawn by the figure of the report."""
    panels = []
    for metric in METRICS:
        rows = []
        for row in ROWS:
            found = measured(results, metric, row)
            published = Measurement.of("published", metric, Estimate(value=row.rate(metric)))
            base = measured(results, "base_rate", row).estimate.value
            block = BLOCKS.get(row.name, "gender or age")
            rows.append(ForestRow(f"{row.name}, {base:.0%} smile", block, (found, published)))
        panel = forest(metric, rows, ("simulated, with 95 % interval", "published"), NAMES[metric])
        panels.append((NAMES[metric], panel.drawing))
    boxes = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<div id="d{place}" style="height:{drawing.height}px"></div></figure>'
        for place, (title, drawing) in enumerate(panels)
    )
    data = json_for_script([drawing.as_json() for _, drawing in panels])
    return (
        "<!doctype html><meta charset=utf-8><style>body{margin:12px;background:#fff;font:15px system-ui,sans-serif;"
        "display:grid;grid-template-columns:1fr 1fr;gap:14px 26px}figure{margin:0}figcaption{font-weight:600}</style>"
        f"{boxes}<script>{plotly_script()}</script><script>const all={data};"
        "Promise.all(all.map((one,k)=>Plotly.newPlot('d'+k,one.data,one.layout,{staticPlot:true,displayModeBar:false}))).then(()=>document.body.dataset.drawn='yes')"
        "</script>"
    )


def photograph(html: str, out: Path) -> None:
    """Write a picture of a page; needs playwright and a Chromium."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1180, "height": 900})
        shown.goto(file.as_uri())
        shown.wait_for_selector("body[data-drawn=yes]", timeout=120_000)
        shown.screenshot(path=str(out), full_page=True)
        browser.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print published beside simulated rates, and draw the picture if a file is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.smiling_card", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated predictions")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="where to draw the four panels")
    asked = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        results = audit(simulate(asked.seed), Path(folder))
    print(f"{comparison(results)}\n\n{gaps(results)}")
    if asked.picture is not None:
        photograph(page(results), asked.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
