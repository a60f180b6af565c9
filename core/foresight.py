"""What is done once faces and model are loaded and before any prediction is made: derive, and tell what is in vain."""

from __future__ import annotations

import logging
from dataclasses import replace

from .derive.deriving import with_derived
from .plan import Plan
from .progress import Reporter
from .setup import Material
from .statistics.rules import StatisticsRules

LOG = logging.getLogger("countenance")


def prepared(material: Material, plan: Plan, rules: StatisticsRules, reporter: Reporter) -> Material:
    """Derive the attributes that the plan asks for.

    Args:
        material: faces, target and predictions as loaded.
        plan: the plan.
        rules: level of confidence and smallest number of people.
        reporter: is told what was derived.

    Raises:
        PlanError: when the landmarks cannot give what the plan asks to derive.
    """
    faces, derived = with_derived(
        material.faces, plan.data, rules, lambda unit, total: reporter.progress("pictures", unit, total)
    )
    for note in derived:
        LOG.info("%s", note)
    return replace(material, faces=faces, notes=(*material.notes, *derived))
