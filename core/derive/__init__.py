"""Attributes derived from the pictures themselves: skin tone for grouping, and measures of the picture as controls."""
