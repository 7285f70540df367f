"""How many workers serve: as many as the container's processors and memory are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MIB = 2**20

# What a worker takes for itself and for a piece of a body (rows, features, answer, and
# XGBoost if contributions are asked for). Then what it takes for each MiB of the
# longest body, as it arrives and where it is copied. `benchmarks.body_memory` measures.
WORKER_MIB = 112
BODY_FACTOR = 4
# What a model takes for each byte of its files. Measured on the default model of
# ml-latest-small: 1.4 once it is loaded, 2.4 once XGBoost has explained a rating.
MODEL_FACTOR = 3


def choose_workers(cpus: int, memory: int, shared: int, max_body_mib: int) -> int:
    """As many workers as there are processors, or fewer if memory is short.

    Args:
        cpus: processors.
        memory: bytes for all workers.
        shared: bytes of those that the workers share.
        max_body_mib: the longest body, in MiB.

    Returns:
        The number of workers, at least 1.
    """
    bytes_per_worker = (WORKER_MIB + BODY_FACTOR * max_body_mib) * MIB
    fitting = (memory - shared) // bytes_per_worker
    return max(1, min(cpus, fitting))


def is_serverless(environment: Mapping[str, str], shm: Path = Path("/dev/shm")) -> bool:
    """Whether this is a serverless endpoint.

    Those run where AWS Lambda's functions do. They have Lambda's variables, or at least
    no shared memory.
    """
    return "AWS_LAMBDA_FUNCTION_NAME" in environment or not shm.is_dir()
