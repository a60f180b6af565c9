"""Robustness probes: what a perturbation within stated bounds does to the model. Importing registers them."""

from .adversarial import AdversarialParams, adversarial

__all__ = ["AdversarialParams", "adversarial"]
