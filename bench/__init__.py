"""Benchmarks: ratios and counts measured in one run, so that a slow machine tells the same as a fast one."""
