"""Attacks where a face can really be touched: makeup, glasses, stickers, smooth changes. Importing registers them."""

from .probe import reachable_attacks

__all__ = ["reachable_attacks"]
