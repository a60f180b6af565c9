"""Probes of forged faces: how well they are told from genuine ones, and what they do. Importing registers them."""

from . import detection, localisation

__all__ = ["detection", "localisation"]
