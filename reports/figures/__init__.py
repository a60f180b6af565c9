"""Figures of the report as plotly graph objects; they draw what results hold and measure nothing."""
