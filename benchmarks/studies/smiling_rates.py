"""The published rates of the smiling detector of Mitchell et al. 2019 (Model Cards, figure 2), and what they imply.

The figure shows, on the test split of CelebA, four error rates of a detector of smiles by gender and age (two binary
attributes of CelebA) with 95 % bootstrap intervals. The numbers were read off its vector drawing, to about 0.0005.
"""

from __future__ import annotations

from dataclasses import dataclass

METRICS = ("fpr", "fnr", "fdr", "for")
ALL = "all"


@dataclass(frozen=True)
class Published:
    """One row of the figure.

    Attributes:
        name: as in the figure.
        prevalence: share of smiling faces that FDR and FOR imply.
        fpr: false positive rate, and so on.
        fnr: false negative rate.
        fdr: false discovery rate.
        omission: false omission rate (FOR).
        width: length of the drawn interval, which is the same in all four panels.
    """

    name: str
    prevalence: float
    fpr: float
    fnr: float
    fdr: float
    omission: float
    width: float

    def rate(self, metric: str) -> float:
        """Return one of :data:`METRICS`."""
        return self.omission if metric == "for" else float(getattr(self, metric))

    @property
    def implied(self) -> tuple[float, float]:
        """FDR and FOR that FPR, FNR and prevalence give."""
        false_positive = self.fpr * (1 - self.prevalence)
        false_negative = self.fnr * self.prevalence
        answered = false_positive + (1 - self.fnr) * self.prevalence
        return false_positive / answered, false_negative / (1 - answered)


ROWS = (
    Published("old-male", 0.404, 0.0784, 0.0946, 0.1133, 0.0650, 0.0374),
    Published("old-female", 0.681, 0.0934, 0.0536, 0.0441, 0.1124, 0.0227),
    Published("young-female", 0.541, 0.0641, 0.0668, 0.0551, 0.0776, 0.0117),
    Published("young-male", 0.399, 0.0487, 0.1042, 0.0757, 0.0679, 0.0240),
    Published("old", 0.513, 0.0823, 0.0731, 0.0776, 0.0776, 0.0207),
    Published("young", 0.496, 0.0583, 0.0763, 0.0603, 0.0739, 0.0111),
    Published("male", 0.401, 0.0600, 0.1006, 0.0906, 0.0668, 0.0205),
    Published("female", 0.563, 0.0675, 0.0643, 0.0530, 0.0816, 0.0107),
    Published(ALL, 0.501, 0.0640, 0.0755, 0.0646, 0.0748, 0.0094),
)
BY_NAME = {row.name: row for row in ROWS}
INTERSECTIONS = tuple(row.name for row in ROWS[:4])
FACES = 19_962
SHARES = {"old-male": 0.138, "old-female": 0.090, "young-female": 0.527, "young-male": 0.245}
"""Share of each intersection among the faces, by which the prevalences of the wider groups come out as published.

Old is .404 w + .681 (1 - w) = .513, so w = .606 of the old are male; likewise .317 of the young. Males are then .606 a
+ .317 (1 - a) = .383 of all, the share by which .401 and .563 make .501, so a = .228 are old.
"""
