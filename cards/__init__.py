"""The model card: nine sections built from a run folder and the author's statements."""
