"""How a job may fail, besides bad data and bad hyperparameters."""

from __future__ import annotations

from movielens.errors import HalfstarError


class JobError(HalfstarError):
    """A job that can't run.

    It asks for something that isn't supported, its directories can't be used, or other
    hosts are gone.
    """


# What to do when memory ran out.
MORE_MEMORY = "choose an instance with more memory, or set tree_rows lower"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. XGBoost says so in its own words.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("x"))
        (True, False)
    """
    return isinstance(error, MemoryError) or "std::bad_alloc" in str(error)
