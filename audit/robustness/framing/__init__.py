"""Is the answer the same when the face is cut out a little differently?"""

from .probe import framing

__all__ = ["framing"]
