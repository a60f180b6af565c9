"""Probes of forged faces: how well they are told from genuine ones, and what they do. Importing registers them."""

__all__: list[str] = []
