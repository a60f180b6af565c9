"""Robustness probes: what a perturbation within stated bounds does to the model. Importing registers them."""

from . import adversarial, corruptions, framing, generated, occlusion, open_set, reachable, verification

__all__ = ["adversarial", "corruptions", "framing", "generated", "occlusion", "open_set", "reachable", "verification"]
