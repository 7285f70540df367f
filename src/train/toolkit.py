"""What the training toolkit imports and calls, in its own process.

Every failure becomes the toolkit's ``ClientError``. The toolkit writes its text to
``/opt/ml/output/failure`` as it is, so the cause comes first.
"""

from __future__ import annotations

import traceback

from sagemaker_training.errors import ClientError

from movielens.errors import HalfstarError
from train.job import TrainingJob, base_directory
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
        # Importing XGBoost takes a while, and a job with a bad configuration needn't
        # wait for it.
        from train.pipeline import train

        train(job, stop)
    except HalfstarError as error:
        raise ClientError(str(error)) from error
    except Exception as error:
        # The toolkit itself would put the traceback before the cause.
        raise ClientError(
            f"unexpected {type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        ) from error
