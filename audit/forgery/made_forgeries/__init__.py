"""The probe ``made_forgeries``: does a detector see simple forgeries of the very faces it is audited on?"""

from .probe import made_forgeries

__all__ = ["made_forgeries"]
