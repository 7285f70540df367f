"""Measurements beside peers on the same data, in one run: ratios rather than absolutes."""
