"""Group metrics of tables too large for memory: read in batches, kept as one line of counts per person."""
