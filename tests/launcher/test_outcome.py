from __future__ import annotations

from dataclasses import replace

from launcher.outcome import outcome_text
from launcher.s3_uri import S3Uri
from movielens.evaluation import confusion_table, evaluation_table
from tests.examples import EVALUATION

ARCHIVE = S3Uri("bucket", "jobs/job/output/output.tar.gz")


def test_a_job_ends_with_figures_confusion_and_its_report() -> None:
    text = outcome_text("job", EVALUATION, ARCHIVE)
    assert EVALUATION.test is not None
    assert text.splitlines()[0] == "job"
    assert evaluation_table(EVALUATION.figures) in text
    assert confusion_table(EVALUATION.test) in text
    assert text.endswith(
        "report  `launcher report job` opens it, from\n"
        "        s3://bucket/jobs/job/output/output.tar.gz"
    )


def test_without_test_rows_the_confusion_is_that_of_the_training_rows() -> None:
    untested = replace(EVALUATION, test=None)
    assert confusion_table(EVALUATION.train) in outcome_text("job", untested, ARCHIVE)
