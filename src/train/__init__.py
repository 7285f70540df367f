"""The training job: from raw MovieLens files under ``/opt/ml`` to an evaluated
artifact.
"""
