"""Drawn faces with known truth, reference nets with planted faults, and the demonstration made of them."""
