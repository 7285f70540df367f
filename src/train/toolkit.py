"""What the training toolkit imports and calls, in its own process.

Every failure is written to ``/opt/ml/output/failure``, with the cause first, and then
becomes the toolkit's ``ClientError``. The toolkit leaves a failure file that is there
as it is.
"""

from __future__ import annotations

import traceback

from sagemaker_training.errors import ClientError

from movielens.errors import HalfstarError
from movielens.signature import signing_key
from train.failure import printable, write_failure
from train.job import FAILURE, TrainingJob, base_directory
from train.stop import StopSignal


def main() -> None:
    """Run the job in `train.job.base_directory`.

    Raises:
        ClientError: whatever went wrong.
    """
    stop = StopSignal()
    stop.listen()
    try:
        job = TrainingJob.at(base_directory())
        # What can't sign the model needn't train one.
        signing_key()
        # Importing XGBoost takes a while, and a job with a bad configuration needn't
        # wait for it.
        from train.pipeline import train

        train(job, stop)
    except HalfstarError as error:
        raise _failed(str(error)) from error
    except Exception as error:
        # The toolkit itself would put the traceback before the cause.
        raise _failed(
            f"unexpected {type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        ) from error


def _failed(reason: str) -> ClientError:
    """What to raise for a failure, whose reason is written first."""
    write_failure(base_directory() / FAILURE, reason)
    return ClientError(printable(reason))
