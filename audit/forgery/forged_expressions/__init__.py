"""Whether a forged face changes the expression that a model states."""

from .probe import forged_expressions

__all__ = ["forged_expressions"]
