"""Gates: a limit on measurements, and the verdict pass, fail, inconclusive or not measured."""

from .bounds import Bounds
from .change import PairedChange
from .gaps import gap_verdict, told_gap
from .judged import told_limit
from .judging import judge, judge_all, judge_plan
from .matching import floors, matching
from .names import gate_id, gate_ids, outcome_ids
from .rules import gate_faults
from .waivers import told_verdict, unneeded, waived_gate, with_waivers

__all__ = [
    "Bounds",
    "PairedChange",
    "floors",
    "gap_verdict",
    "gate_faults",
    "gate_id",
    "gate_ids",
    "judge",
    "judge_all",
    "judge_plan",
    "matching",
    "outcome_ids",
    "told_gap",
    "told_limit",
    "told_verdict",
    "unneeded",
    "waived_gate",
    "with_waivers",
]
