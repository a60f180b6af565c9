"""The probe ``forgery_detection``: how well a detector tells forged faces from genuine ones."""

from .probe import forgery_detection

__all__ = ["forgery_detection"]
