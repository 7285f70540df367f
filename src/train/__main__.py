"""The ``train`` command: what ``docker run IMAGE train`` executes, as PID 1.

It makes the base directory look like SageMaker's, then hands over to the training
toolkit, which imports `train.toolkit` and calls its ``main`` in this very process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from movielens.errors import HalfstarError
from train.job import BASE_DIR_VARIABLE, base_directory, prepare

MODULE_VARIABLE = "SAGEMAKER_TRAINING_MODULE"


def main() -> None:
    """Train; exits 0 when the model is written, otherwise 1 with the cause in
    ``output/failure``.
    """
    # PID 1 ignores SIGTERM unless it has a handler. Nothing is lost before the job has
    # begun, so leave at once.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    base_dir = base_directory()
    try:
        prepare(base_dir)
    except HalfstarError as error:
        with contextlib.suppress(OSError):
            (base_dir / "output" / "failure").write_text(str(error))
        sys.exit(str(error))
    # Set even where it is the default: the toolkit invents a directory of its own in
    # the home directory otherwise.
    os.environ[BASE_DIR_VARIABLE] = str(base_dir)
    os.environ.setdefault(MODULE_VARIABLE, "train.toolkit:main")
    # XGBoost's threads spin while they wait for each other, which costs many times the
    # work itself as soon as another process wants the same cores. Read when the OpenMP
    # library is loaded, so it must be set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from sagemaker_training import (
        trainer,
    )  # creates directories when imported, so not before the base directory is set

    trainer.train()


if __name__ == "__main__":
    main()
