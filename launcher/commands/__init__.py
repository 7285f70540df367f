"""One function a command: read the state, plan, perform, show. Imported when its
command runs, not before.
"""
