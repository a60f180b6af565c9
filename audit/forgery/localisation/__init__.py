"""Whether the heatmap of a detector of forgeries shows where a face was changed."""

from .probe import forgery_localisation

__all__ = ["forgery_localisation"]
