"""Attacks on verification models: importing registers the probe."""

from . import probe

__all__ = ["probe"]
