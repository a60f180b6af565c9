"""Probes of forged faces: how well they are told from genuine ones, and what they do. Importing registers them."""

from . import detection, forged_expressions, localisation, made_forgeries

__all__ = ["detection", "forged_expressions", "localisation", "made_forgeries"]
