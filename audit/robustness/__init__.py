"""Robustness probes: what a perturbation within stated bounds does to the model. Importing registers them."""

from . import adversarial

__all__ = ["adversarial"]
