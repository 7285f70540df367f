"""How failures are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from xgboost.core import XGBoostError

from train.errors import JobError, is_out_of_memory


def test_memory_that_runs_out_is_told_from_other_failures() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**60, dtype=np.int8)
    assert is_out_of_memory(caught.value)
    # XGBoost has no error of its own for this.
    assert is_out_of_memory(XGBoostError("std::bad_alloc"))
    assert not is_out_of_memory(XGBoostError("Check failed: label"))
    assert not is_out_of_memory(JobError("no memory of this job"))
