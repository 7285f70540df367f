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
