"""Probes of tampering: triggers, poisoned training data, backdoored weights. Importing registers them."""

from .data_scan import probe as data_scan

__all__ = ["data_scan"]
