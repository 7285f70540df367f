"""The training job: from raw MovieLens files under ``/opt/ml`` to an artifact.

`train.pipeline` is the straight line through it.
"""
