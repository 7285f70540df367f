"""What the training toolkit imports and calls, in its own process.

Every failure is written to ``/opt/ml/output/failure``, with the cause first, and then
becomes the toolkit's ``ClientError``. The toolkit leaves a failure file that is there
as it is.

A process that is killed can't write anything. So the file is there while the job runs,
with the most likely cause, and is removed when the job has done its work.
"""

from __future__ import annotations

import traceback

from sagemaker_training.errors import ClientError

from movielens.errors import HalfstarError
from movielens.signature import signing_key
from train.errors import MORE_MEMORY, is_out_of_memory
from train.failure import printable, write_failure
from train.job import FAILURE, TrainingJob, base_directory
from train.stop import StopSignal
from train.watch import USUAL_PATIENCE, Patience

KILLED = (
    "the job ended before it could say why, most likely because memory ran out: see in "
    f"the log how far it came, and {MORE_MEMORY}"
)


def main(patience: Patience = USUAL_PATIENCE) -> None:
    """Run the job in `train.job.base_directory`.

    Args:
        patience: how long hosts wait for each other.

    Raises:
        ClientError: whatever went wrong.
    """
    failure_file = base_directory() / FAILURE
    write_failure(failure_file, KILLED)
    stop = StopSignal()
    stop.listen()
    try:
        job = TrainingJob.at(base_directory())
        # What can't sign the model needn't train one.
        signing_key()
        # Importing XGBoost takes a while, and a job with a bad configuration needn't
        # wait for it.
        from train.pipeline import train

        train(job, stop, patience)
    except HalfstarError as error:
        raise _failed(str(error)) from error
    except KeyboardInterrupt as error:
        raise _failed("interrupted by SIGINT") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise _failed(f"memory ran out ({error}): {MORE_MEMORY}") from error
        # The toolkit itself would put the traceback before the cause.
        raise _failed(
            f"unexpected {type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        ) from error
    failure_file.unlink(missing_ok=True)


def _failed(reason: str) -> ClientError:
    """What to raise for a failure, whose reason is written first."""
    write_failure(base_directory() / FAILURE, reason)
    return ClientError(printable(reason))
