"""Gates: a limit on measurements, and the verdict pass, fail, inconclusive or not measured."""

from .judging import floors, gap_verdict, judge, judge_all, matching, told_gap
from .names import gate_id, gate_ids, outcome_ids

__all__ = [
    "floors",
    "gap_verdict",
    "gate_id",
    "gate_ids",
    "judge",
    "judge_all",
    "matching",
    "outcome_ids",
    "told_gap",
]
