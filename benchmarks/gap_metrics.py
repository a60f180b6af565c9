"""Gaps of one data set in every kind of metric, and the cluster bootstrap beside fairlearn's.

    python -m benchmarks gap_metrics

50,000 faces of about 6,100 people in 126 groups, 1,000 permutations of people, one thread. The values of the groups
are compared with scikit-learn's before timing. fairlearn's bootstrap draws faces, not people; it is timed with few
replicates and scaled to 1,000, which is in its favour, since what it does before the first replicate is left out.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

import numpy as np
from benchmarks.studies.people import Floats, Integers, beta_binomial, draw_people
from benchmarks.timing import Timed, side_by_side, tell
from sklearn.metrics import accuracy_score, roc_auc_score

from countenance.core.probes import PairedScores, Scores, StatisticName
from countenance.core.statistics.bootstrap import cluster_bootstrap
from countenance.core.statistics.gap_questions import close
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

FACES, PEOPLE, PERMUTATIONS, REPLICATES = 50_000, 6_500, 1_000, 1_000
SHARES = (
    (0.55, 0.45),
    (0.30, 0.19, 0.15, 0.13, 0.10, 0.08, 0.05),
    (0.2, 0.18, 0.15, 0.13, 0.11, 0.09, 0.07, 0.04, 0.03),
)
FEW, MORE, ROUNDS = 1, 4, 3
COUNT, TOGETHER, BOOTSTRAP = "gap in accuracy", "gaps in accuracy, AUROC, ECE and CCC", "cluster bootstrap"
SECONDS = {COUNT: 2.0, TOGETHER: 10.0}
FASTER = 1_000


@dataclass(frozen=True, eq=False)
class Data:
    """Faces of people in groups: person, group, the two numbers of each statistic, and whether an answer is right."""

    person: Integers
    group: Integers
    pairs: dict[StatisticName, tuple[Floats, Floats]]
    right: Floats

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.group.max()) + 1


def draw(seed: int = 0) -> Data:
    """Return the data set: groups are all combinations of 2, 7 and 9 values with unequal shares."""
    rng = np.random.default_rng(seed)
    person = draw_people(rng, PEOPLE)[:FACES]
    people = int(person.max()) + 1
    group = np.zeros(people, dtype=np.int64)
    for shares in SHARES:
        group = group * len(shares) + rng.choice(len(shares), people, p=shares)
    _, group = np.unique(group, return_inverse=True)
    shared = rng.standard_normal(people)[person]
    truth = 0.5 * shared + rng.standard_normal(len(person))
    predicted = 0.7 * truth + 0.3 * shared + 0.5 * rng.standard_normal(len(person))
    positive = (rng.random(len(person)) < 0.4).astype(np.float64)
    confidence = rng.uniform(0.3, 1, len(person))
    right = beta_binomial(rng, person, 0.7, 0.3)
    pairs: dict[StatisticName, tuple[Floats, Floats]] = {
        "auroc": (positive, positive + 0.5 * shared + rng.standard_normal(len(person))),
        "ccc": (truth, predicted),
        "pcc": (truth, predicted),
        "rmse": (truth, predicted),
        "ece": (right, confidence),
    }
    return Data(person, group.reshape(-1)[person], pairs, right)


def main() -> None:
    """Print every comparison; less speed than promised, or another value, is an error."""
    data = draw()
    print(f"{len(data.person):,} faces, {int(data.person.max()) + 1:,} people, {data.groups} groups")
    check_values(data)
    timed = gaps(data)
    for name, promised in SECONDS.items():
        print(f"{name}: {timed[name].cpu:.2f} s of CPU time; {promised:.0f} s promised")
        assert timed[name].cpu <= promised, f"{name} took {timed[name].cpu:.2f} s"
    bootstraps(data)


def check_values(data: Data) -> None:
    """Compare what the groups show as they are with scikit-learn."""
    labels = np.zeros(int(data.person.max()) + 1, dtype=np.int64)
    labels[data.person] = data.group
    first, second = data.pairs["auroc"]
    found = PAIRED["auroc"].under_labellings(first, second, data.person, labels[None], data.groups)
    for group in range(data.groups):
        rows = data.group == group
        if 0 < first[rows].mean() < 1:
            expected = roc_auc_score(first[rows], second[rows])
            assert abs(found.value[0, group] - expected) < 1e-9, f"AUROC of group {group}"


def gaps(data: Data) -> dict[str, Timed]:
    """Time whole gap analyses, and of each statistic alone what the groups show under as many labellings."""
    groups, rows = build_groups({"group": data.group}, ["group"]), np.arange(len(data.person))
    accuracy = Scores("accuracy", rows, data.right, None, "rate", (0, 1), "higher", gaps=True)
    others = [
        PairedScores(name, name, rows, *data.pairs[name], "higher", gaps=True) for name in ("auroc", "ece", "ccc")
    ]
    labels = np.zeros(int(data.person.max()) + 1, dtype=np.int64)
    labels[data.person] = data.group
    dealt = np.random.default_rng(0).permuted(np.broadcast_to(labels, (PERMUTATIONS, len(labels))), axis=1)

    def analysis(*scores: Scores | PairedScores) -> object:
        slicer = Slicer(data.person, [groups], StatisticsRules(), 0, PERMUTATIONS)
        return close([question for each in scores for question in slicer.ask(each, "benchmark")])

    def paired(name: StatisticName) -> object:
        return PAIRED[name].under_labellings(*data.pairs[name], data.person, dealt, data.groups)

    ways = {COUNT: lambda: analysis(accuracy), TOGETHER: lambda: analysis(accuracy, *others)}
    ways |= {f"{name}, {PERMUTATIONS:,} labellings": lambda name=name: paired(name) for name in data.pairs}
    timed = side_by_side(ways, ROUNDS)
    tell(
        f"Gap analysis, {PERMUTATIONS:,} permutations; statistics: values and errors under the labellings", timed, COUNT
    )
    return timed


def bootstraps(data: Data) -> None:
    """Time the bootstrap of accuracy by group beside fairlearn's, with scikit-learn's metric and with a plain mean."""
    from fairlearn.metrics import MetricFrame

    columns = np.stack([data.right, np.ones(len(data.right))], axis=1)
    ones = np.ones(len(data.right))

    def ours() -> object:
        random = np.random.default_rng(0)
        return cluster_bootstrap(columns, data.person, data.group, data.groups, random, replicates=REPLICATES)

    def theirs(metric: object, replicates: int) -> object:
        return MetricFrame(
            metrics=metric,
            y_true=ones,
            y_pred=data.right,
            sensitive_features=data.group,
            n_boot=replicates,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )

    def mean(true: Floats, predicted: Floats) -> float:
        return float((true == predicted).mean())

    metrics = {"scikit-learn's accuracy": accuracy_score, "a plain mean": mean}
    ways = {BOOTSTRAP: ours}
    for name, metric in metrics.items():
        for replicates in (FEW, MORE):
            ways[f"{name}, {replicates} of fairlearn's"] = lambda m=metric, r=replicates: theirs(m, r)
    timed = side_by_side(ways, ROUNDS)
    version = importlib.metadata.version("fairlearn")
    tell(f"Accuracy by group, {REPLICATES:,} replicates here and few of fairlearn {version}", timed, BOOTSTRAP)
    for name in metrics:
        few, more = (timed[f"{name}, {replicates} of fairlearn's"].cpu for replicates in (FEW, MORE))
        scaled = (more - few) / (MORE - FEW) * REPLICATES
        ratio = scaled / timed[BOOTSTRAP].cpu
        print(
            f"fairlearn with {name}: {scaled:.0f} s for {REPLICATES:,} replicates, scaled; {ratio:,.0f} times as long"
        )
        assert ratio >= FASTER, f"{ratio:,.0f} times as fast, and {FASTER:,} was promised"


if __name__ == "__main__":
    main()
