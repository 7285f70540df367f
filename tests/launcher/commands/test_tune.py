from __future__ import annotations

from tests.launcher.commands.conftest import IMAGE
from tests.launcher.conftest import Launcher


def test_the_options_limit_the_search(prepared: Launcher) -> None:
    options = ("-p", "eta=0.1", "--max-jobs", "4", "--dry-run")
    result = prepared(*IMAGE, "tune", *options)
    create = result.json["plan"][0]["parameters"]
    assert create["HyperParameterTuningJobConfig"]["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 4,
        "MaxParallelTrainingJobs": 2,
    }
    assert create["TrainingJobDefinition"]["StaticHyperParameters"] == {"eta": "0.1"}


def test_a_tuning_job_ends_with_its_best_training_job(prepared: Launcher) -> None:
    started = prepared(*IMAGE, "tune")
    assert started.code == 0, started.err
    assert "Completed (1 completed, 0 running)" in started.err
    assert "`launcher deploy` serves the best model" in started.err
    shown = prepared(*IMAGE, "tune")
    assert "is done already" in shown.err
    assert shown.out == started.out


def test_how_much_a_search_can_come_to_is_said_before_it_starts(
    prepared: Launcher,
) -> None:
    said = prepared(*IMAGE, "tune", "--max-jobs", "4", "--detach").err
    assert (
        "at most 4.0 instance hours: 4 training jobs, 2 at a time,\n"
        "each up to 3,600 s on 1 x ml.m5.large\n" in said
    )


def test_a_metric_that_no_job_reports_is_wrong_input(prepared: Launcher) -> None:
    result = prepared(*IMAGE, "tune", "--objective", "rmse")
    assert result.code == 2
    assert "tuning.objective is 'rmse', expected one of" in result.err
