"""Probes of tampering: triggers, poisoned training data, backdoored weights. Importing registers them."""

__all__: list[str] = []
