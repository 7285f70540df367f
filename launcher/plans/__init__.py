"""Planners: from the configuration and the state of the world to actions. Pure; none of
them talks to anybody.
"""
