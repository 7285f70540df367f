"""The ``train`` command: what ``docker run IMAGE train`` runs, as process 1.

It makes the base directory look like SageMaker's, then hands over to the training
toolkit. The toolkit imports `train.toolkit` and calls its ``main`` in this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys

MODULE_VARIABLE = "SAGEMAKER_TRAINING_MODULE"
WAITING_VARIABLE = "OMP_WAIT_POLICY"
SPINS_VARIABLE = "GOMP_SPINCOUNT"
SPINS = "1000"


def main() -> None:
    """Train.

    Exits with 0 when the model is written, otherwise with 1; then ``output/failure``
    says why.
    """
    # Process 1 ignores SIGTERM unless it has a handler. Nothing is lost before the job
    # has begun, so leave at once.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))

    # These import NumPy, whose linear algebra reads its variable when it is loaded. Its
    # products are small, and its threads would spin while they wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from movielens.errors import HalfstarError
    from train.failure import explain_failure, printable, write_failure
    from train.job import BASE_DIR_VARIABLE, FAILURE, SUCCESS, base_directory, prepare

    base_dir = base_directory()
    try:
        toolkit_dir = prepare(base_dir)
    except HalfstarError as error:
        write_failure(base_dir / FAILURE, str(error))
        sys.exit(printable(str(error)))

    # Set even if it is the default: otherwise the toolkit makes up a directory in the
    # home directory.
    os.environ[BASE_DIR_VARIABLE] = str(toolkit_dir)
    os.environ.setdefault(MODULE_VARIABLE, "train.toolkit:main")
    # XGBoost's threads wait for each other hundreds of times a round, mostly for some
    # microseconds. To sleep and to be woken takes longer, so they spin. But not for
    # long: another process may want the same cores. OpenMP reads this when it is
    # loaded, so it must be set before.
    if WAITING_VARIABLE not in os.environ:
        os.environ.setdefault(SPINS_VARIABLE, SPINS)

    # Creates directories when it is imported, so the base directory must be set. It
    # isn't asked for later; our own code always looks at the true one.
    from sagemaker_training import trainer

    os.environ[BASE_DIR_VARIABLE] = str(base_dir)
    with contextlib.suppress(SystemExit):
        trainer.train()

    # The toolkit's own exit code isn't reliable: it is 0 if the failure file can't be
    # written, and an error number of the system for some other failures.
    has_succeeded = (base_dir / SUCCESS).exists()
    if not has_succeeded:
        explain_failure(base_dir / FAILURE)
    if toolkit_dir != base_dir:
        shutil.rmtree(toolkit_dir, ignore_errors=True)
    sys.exit(0 if has_succeeded else 1)


if __name__ == "__main__":
    main()
