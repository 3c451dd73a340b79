"""Labelled queries in, measures, statistics and reports out; data sets and sweeps below."""
