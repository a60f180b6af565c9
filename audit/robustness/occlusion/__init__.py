"""What hiding part of a face does to the answer: patches, regions and drawn objects."""

from .probe import occlusion

__all__ = ["occlusion"]
