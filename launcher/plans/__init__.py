"""Planners: pure functions from the configuration and what there is to actions.

The actions are those of `launcher.requests`.
"""
