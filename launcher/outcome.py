"""What a training job has come to, for people: its figures, and where its report is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launcher.s3_uri import S3Uri

if TYPE_CHECKING:
    from movielens.evaluation import Evaluation


def outcome_text(name: str, evaluation: Evaluation, archive: S3Uri) -> str:
    """The end of a job in the terminal.

    Args:
        name: of the job.
        evaluation: which the job has left.
        archive: the ``output.tar.gz`` that has its report.
    """
    from movielens.evaluation import confusion_table, evaluation_table

    return "\n".join(
        (
            name,
            "",
            evaluation_table(evaluation.figures),
            "",
            confusion_table(evaluation.test or evaluation.train),
            "",
            f"report  `launcher report {name}` opens it, from",
            f"        {archive}",
        )
    )
