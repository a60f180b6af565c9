"""Robustness probes: what a perturbation within stated bounds does to the model."""
