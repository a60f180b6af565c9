"""Does the model know when it is shown what it was not made for?"""

from .probe import open_set

__all__ = ["open_set"]
