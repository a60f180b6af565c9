"""Where a model's evidence lies: canonical face, masks, attribution, alignment scores and their probes.

Importing this package registers its probes.
"""

from __future__ import annotations

from .checks.explanation_checks import explanation_checks
from .heatmaps.global_heatmaps import global_heatmaps
from .units.au_alignment import au_alignment

__all__ = ["au_alignment", "explanation_checks", "global_heatmaps"]
