"""Faces made by a generator that the model answers wrongly. Importing registers the probe."""

from . import probe

__all__ = ["probe"]
