"""Lets ``python -m countenance.cli`` be the command."""

from __future__ import annotations

from . import main

main()
