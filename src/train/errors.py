"""What a job may fail of beside its data and hyperparameters."""

from __future__ import annotations

from movielens.errors import HalfstarError


class JobError(HalfstarError):
    """A job that asks for what this version doesn't do, whose directories can't be
    used, or whose hosts are gone.
    """
