"""How a job may fail, besides bad data and bad hyperparameters."""

from __future__ import annotations

from movielens.errors import HalfstarError


class JobError(HalfstarError):
    """A job that can't run.

    It asks for something that isn't supported, its directories can't be used, or other
    hosts are gone.
    """
