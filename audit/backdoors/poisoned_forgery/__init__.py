"""Poisoned Forgery Face: triggers that a small shift changes much, how they are put on faces, and a probe for them."""
