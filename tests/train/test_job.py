from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from movielens.channel import Channel
from movielens.errors import DataError, HyperparameterError
from train.errors import JobError
from train.hosts import Hosts
from train.job import TrainingJob, prepare

MakeJob = Callable[..., Path]


def configure(base_dir: Path, name: str, value: Any) -> None:
    (base_dir / "input" / "config" / name).write_text(json.dumps(value))


def test_a_declared_job(make_job: MakeJob) -> None:
    base_dir = make_job({"eta": "0.3"})
    job = TrainingJob.at(base_dir)
    assert job.channels == (
        Channel("training", base_dir / "input" / "data" / "training"),
    )
    assert job.hosts == Hosts(("algo-1",), "algo-1")
    assert job.validation is None
    assert job.model_dir == base_dir / "model"
    assert job.output_data_dir == base_dir / "output" / "data"
    assert job.hyperparameters.eta == 0.3


def test_a_bare_directory_becomes_a_job(tmp_path: Path) -> None:
    for channel in ("training", "movies", "validation", "code"):
        (tmp_path / "input" / "data" / channel).mkdir(parents=True)
    prepare(tmp_path)
    job = TrainingJob.at(tmp_path)
    assert {channel.name for channel in job.channels} == {"training", "movies"}
    assert job.validation == Channel(
        "validation", tmp_path / "input" / "data" / "validation"
    )
    assert job.model is None
    assert job.model_dir.is_dir()
    assert job.output_data_dir.is_dir()


def test_preparing_keeps_the_platforms_files_and_drops_an_old_failure(
    make_job: MakeJob,
) -> None:
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
    "resources",
    [
        {"hosts": "algo-1", "current_host": "algo-1"},
        {"hosts": None},
        {"hosts": ["algo-1"]},
        {},
    ],
)
def test_hosts_that_are_no_list_of_names_are_refused(
    make_job: MakeJob, resources: dict[str, Any]
) -> None:
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
    configure(
        base_dir, "inputdataconfig.json", {"movies": {"TrainingInputMode": "File"}}
    )
    with pytest.raises(DataError, match=r"no channel named training \(found movies\)"):
        TrainingJob.at(base_dir)


def test_channels_are_as_declared(make_job: MakeJob) -> None:
    base_dir = make_job()
    declared = {
        "training": {
            "TrainingInputMode": "Pipe",
            "S3DistributionType": "ShardedByS3Key",
            "RecordWrapperType": "None",
        },
        "model": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"},
    }
    configure(base_dir, "inputdataconfig.json", declared)
    job, data = TrainingJob.at(base_dir), base_dir / "input" / "data"
    assert job.channels == (
        Channel("training", data / "training_0", is_pipe=True, is_sharded=True),
    )
    assert job.model == Channel("model", data / "model")


def test_recordio_is_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(
        base_dir,
        "inputdataconfig.json",
        {"training": {"RecordWrapperType": "RecordIO"}},
    )
    with pytest.raises(JobError, match="channel training comes in RecordIO"):
        TrainingJob.at(base_dir)


def test_hosts_are_sorted_and_of_all_instance_groups(make_job: MakeJob) -> None:
    base_dir = make_job()
    groups = [
        {
            "instance_group_name": "data",
            "instance_type": "ml.m5.large",
            "hosts": ["algo-3", "algo-1"],
        },
        {
            "instance_group_name": "more",
            "instance_type": "ml.c5.large",
            "hosts": ["algo-2"],
        },
    ]
    resources = {
        "current_host": "algo-2",
        "current_group_name": "more",
        "hosts": ["algo-3", "algo-1", "algo-2"],
    }
    configure(base_dir, "resourceconfig.json", {**resources, "instance_groups": groups})
    # A group may have no channel at all.
    configure(base_dir, "inputdataconfig.json", {"other": {}})
    job = TrainingJob.at(base_dir)
    assert job.hosts == Hosts(("algo-1", "algo-2", "algo-3"), "algo-2")
    assert (job.hosts.rank, job.hosts.is_first, job.channels) == (1, False, ())


def test_a_host_that_is_not_among_them(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(
        base_dir, "resourceconfig.json", {"current_host": "algo-9", "hosts": ["algo-1"]}
    )
    with pytest.raises(JobError, match="current_host algo-9, which is not among hosts"):
        TrainingJob.at(base_dir)


def test_hyperparameters_are_parsed(make_job: MakeJob) -> None:
    with pytest.raises(HyperparameterError, match="did you mean eta"):
        TrainingJob.at(make_job({"etaa": "0.1"}))
