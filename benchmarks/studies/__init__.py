"""Rates over seeds: how often an interval covers, a finding is right or wrong. ``python -m benchmarks.studies``.

One seed gives one row of a CSV file; rows give rates with intervals; rates give a table for the docs. A run that was
broken off goes on where it stopped.
"""
