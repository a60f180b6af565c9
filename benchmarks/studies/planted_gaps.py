"""Does an audit find a planted gap, biased labels and a hidden slice, and stay silent at the twin without them?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import countenance
from countenance.core.probes import Scores
from countenance.core.results import AuditResults
from countenance.core.statistics.gap_questions import close
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer
from countenance.synth.planted_gaps import CLASSES, PLANTS, Effort, Plant, planted_table, write_planted

from .runner import Outcome, Row, Study

PROBES: tuple[str | dict[str, object], ...] = (
    {"probe": "group_metrics", "metrics": ["accuracy", "recall"], "labels": ["neutral"]},
    "representation",
    {"probe": "reweighted_gaps", "metrics": ["accuracy", "fpr"], "labels": ["happy"]},
    "hidden_slices",
)
SLICE = "glasses: yes, light: dim"
PLACEBOS = 10
PLACEBO_SHARES = {3: (0.45, 0.35, 0.2), 6: (0.35, 0.25, 0.15, 0.1, 0.08, 0.07)}
LEVEL = 0.05


def audit(plant: Plant, seed: int, effort: Effort | None = None) -> AuditResults:
    """Audit one table of predictions with everything that speaks of groups."""
    with TemporaryDirectory() as folder:
        plan = write_planted(planted_table(plant, seed, effort), Path(folder), PROBES, seed=seed)
        results = countenance.run(plan)
    for probe in results.probes:
        if probe.status != "ok":
            raise RuntimeError(f"{probe.id} of the table with {plant}, seed {seed}: {probe.reason}")
    return results


def said(results: AuditResults) -> dict[str, bool]:
    """Return what an audit finds: in the places where something is planted, and anywhere."""
    found = {probe.id: [one for one in probe.findings if one.severity != "note"] for probe in results.probes}
    keys = {name: {key for one in findings for key in one.evidence} for name, findings in found.items()}
    slices = {key for key in keys["hidden_slices"] if key.startswith("hidden_slices/error_rate[")}
    neutral = {f"group_metrics/recall.{gap}[attribute=gender,label=neutral]" for gap in ("gap", "worst_vs_rest")}
    measured = {item.metric: item.estimate.value for item in results.probes[0].measurements}
    placebo = [value for name, value in measured.items() if name.endswith("placebo.p_adjusted") and value is not None]
    exactly = {f"hidden_slices/error_rate[slice={SLICE.replace(',', '%2C')}]"}
    return {
        "gap: accuracy by skin tone (group_metrics)": "group_metrics/accuracy.gap[attribute=skin_tone]"
        in keys["group_metrics"],
        "gap: accuracy by skin tone, reweighted (reweighted_gaps)": (
            "reweighted_gaps/accuracy.reweighted.gap[attribute=skin_tone]" in keys["reweighted_gaps"]
        ),
        "gap: some slice of dark skin (hidden_slices)": any("skin_tone: dark" in key for key in slices),
        "labels: happy or neutral goes with gender (representation)": any(
            f"representation/label_excess[gender={gender},label={label}]" in keys["representation"]
            for gender in ("female", "male")
            for label in ("happy", "neutral")
        ),
        "labels: recall of neutral by gender (group_metrics)": bool(keys["group_metrics"] & neutral),
        "slice: glasses in dim light exactly (hidden_slices)": bool(slices & exactly),
        "slice: accuracy by glasses or by light (group_metrics)": any(
            f"group_metrics/accuracy.gap[attribute={name}]" in keys["group_metrics"] for name in ("glasses", "light")
        ),
        "any finding (group_metrics)": bool(found["group_metrics"]),
        "any finding (representation)": bool(found["representation"]),
        "any finding (reweighted_gaps)": bool(found["reweighted_gaps"]),
        "any finding (hidden_slices)": bool(found["hidden_slices"]),
        "any question of the report's placebo (group_metrics)": bool(placebo) and min(placebo) <= LEVEL,
    }


def placebos(seed: int) -> dict[int, float]:
    """Return the share of random groups of people that are called a gap in accuracy, by how many groups there are.

    The table has a true gap between other groups; each placebo is asked alone.
    """
    table = planted_table("gap", seed)
    answers = table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    right = (np.asarray(CLASSES, dtype=object)[answers] == table["label"]).to_numpy(float)
    person = table["subject"].factorize()[0].astype(np.int64)
    rng = np.random.default_rng([seed, 1])
    flagged: dict[int, float] = {}
    for groups, shares in PLACEBO_SHARES.items():
        found = []
        for place in range(PLACEBOS):
            codes = rng.choice(groups, int(person.max()) + 1, p=shares)[person]
            grouping = build_groups({"placebo": codes.astype(str)}, ["placebo"])
            slicer = Slicer(person, [grouping], StatisticsRules(), seed * PLACEBOS + place, 999)
            scores = Scores("accuracy", np.arange(len(right)), right, kind="rate", direction="higher", gaps=True)
            gap = close(slicer.ask(scores, "placebo"))[0].gap
            if isinstance(gap, Gap):
                found.append(gap.largest.p <= LEVEL)
        flagged[groups] = float(np.mean(found)) if found else float("nan")
    return flagged


def simulate(seed: int) -> Row:
    """Return what is found in every table of a seed, and how many placebos are called a gap."""
    row: dict[Outcome, float] = {}
    for plant in PLANTS:
        for cell, found in said(audit(plant, seed)).items():
            row[Outcome(cell, plant)] = float(found)
    for groups, share in placebos(seed).items():
        row[Outcome(f"{PLACEBOS} placebos of {groups} groups, each alone", "gap")] = share
    return row


STUDY = Study(
    name="planted_gaps",
    version=2,
    title="A planted gap, biased labels, a hidden slice, and nothing",
    about="For each seed 600 people with 2 to 20 faces are drawn, and four tables of predictions of them: with a gap "
    "(accuracy 15 points lower on dark skin), with biased labels (80 % of the mild smiles of women called neutral), "
    "with a hidden slice (25 points lower on glasses in dim light, even over glasses and over light) and with nothing. "
    "Every table is audited by the product; a cell counts the tables in which it finds what the cell says.",
    simulate=simulate,
)
