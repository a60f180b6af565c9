"""The self-contained HTML report and its figures, made from a run folder."""
