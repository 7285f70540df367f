from __future__ import annotations

from tests.launcher.conftest import Launcher


def test_the_options_limit_the_search(prepared: Launcher) -> None:
    options = ("-p", "eta=0.1", "--max-jobs", "4", "--dry-run")
    result = prepared("--set", "image=i", "tune", *options)
    create = result.json["plan"][0]["parameters"]
    assert create["HyperParameterTuningJobConfig"]["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 4,
        "MaxParallelTrainingJobs": 2,
    }
    assert create["TrainingJobDefinition"]["StaticHyperParameters"] == {"eta": "0.1"}
