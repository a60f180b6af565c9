"""Mean heatmaps on the canonical face, their scores against masks of expressions, and the nulls of those."""
