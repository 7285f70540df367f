"""Measurements beside others on the same data, in one run: ratios rather than
absolutes.
"""
