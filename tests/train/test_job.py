from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from movielens.errors import DataError, HyperparameterError
from train.job import JobError, TrainingJob, prepare

MakeJob = Callable[..., Path]


def configure(base_dir: Path, name: str, value: Any) -> None:
    (base_dir / "input" / "config" / name).write_text(json.dumps(value))


def test_a_declared_job(make_job: MakeJob) -> None:
    base_dir = make_job({"eta": "0.3"})
    job = TrainingJob.at(base_dir)
    assert job.channels == {"training": base_dir / "input" / "data" / "training"}
    assert job.validation is None
    assert job.model_dir == base_dir / "model"
    assert job.output_data_dir == base_dir / "output" / "data"
    assert job.hyperparameters.eta == 0.3


def test_a_bare_directory_becomes_a_job(tmp_path: Path) -> None:
    for channel in ("training", "movies", "validation", "code"):
        (tmp_path / "input" / "data" / channel).mkdir(parents=True)
    prepare(tmp_path)
    job = TrainingJob.at(tmp_path)
    assert set(job.channels) == {"training", "movies"}
    assert job.validation == tmp_path / "input" / "data" / "validation"
    assert job.model_dir.is_dir()
    assert job.output_data_dir.is_dir()


def test_preparing_keeps_the_platforms_files_and_drops_an_old_failure(make_job: MakeJob) -> None:
    base_dir = make_job({"eta": "0.3"})
    (base_dir / "output").mkdir()
    (base_dir / "output" / "failure").write_text("of an earlier run")
    prepare(base_dir)
    assert not (base_dir / "output" / "failure").exists()
    assert TrainingJob.at(base_dir).hyperparameters.eta == 0.3


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_configuration_that_is_no_object_is_named(make_job: MakeJob, text: str) -> None:
    base_dir = make_job()
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(text)
    with pytest.raises(JobError, match=r"hyperparameters\.json"):
        prepare(base_dir)


@pytest.mark.parametrize(
    "resources", [{"hosts": "algo-1", "current_host": "algo-1"}, {"hosts": None}, {"hosts": ["algo-1"]}, {}]
)
def test_hosts_that_are_no_list_of_names_are_refused(make_job: MakeJob, resources: dict[str, Any]) -> None:
    base_dir = make_job()
    configure(base_dir, "resourceconfig.json", resources)
    with pytest.raises(JobError, match="expected a list of names and a name"):
        prepare(base_dir)


def test_an_earlier_runs_model_does_not_outlive_it(make_job: MakeJob) -> None:
    base_dir = make_job()
    (base_dir / "model").mkdir()
    (base_dir / "model" / "manifest.json").touch()
    prepare(base_dir)
    assert list((base_dir / "model").iterdir()) == []


def test_no_channel_says_what_was_found(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(base_dir, "inputdataconfig.json", {"movies": {"TrainingInputMode": "File"}})
    with pytest.raises(DataError, match=r"no channel named training \(found movies\)"):
        TrainingJob.at(base_dir)


def test_pipe_mode_is_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(base_dir, "inputdataconfig.json", {"training": {"TrainingInputMode": "Pipe"}})
    with pytest.raises(JobError, match="channel training comes in Pipe mode"):
        TrainingJob.at(base_dir)


def test_several_hosts_are_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(base_dir, "resourceconfig.json", {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]})
    with pytest.raises(JobError, match=r"2 hosts \(algo-1, algo-2\)"):
        TrainingJob.at(base_dir)


def test_hyperparameters_are_parsed(make_job: MakeJob) -> None:
    with pytest.raises(HyperparameterError, match="did you mean eta"):
        TrainingJob.at(make_job({"etaa": "0.1"}))
