"""Measurements beside others on the same data, in the same run.

Ratios are what counts: absolute times depend on the machine.
"""
