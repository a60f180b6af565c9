"""Probes of tampering: triggers, poisoned training data, backdoored weights. Importing registers them."""

from .data_scan import probe as data_scan
from .known_triggers import probe as known_triggers
from .poison_drill import probe as poison_drill
from .poisoned_forgery import probe as trigger_sensitivity
from .scan import probe as backdoor_scan

__all__ = ["backdoor_scan", "data_scan", "known_triggers", "poison_drill", "trigger_sensitivity"]
