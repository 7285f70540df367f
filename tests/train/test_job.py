"""A job as it is found in its base directory, prepared and read."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from movielens.channel import Channel
from movielens.errors import DataError, HyperparameterError
from tests.train.conftest import configure
from train.errors import JobError
from train.hosts import Hosts
from train.job import TrainingJob, prepare

MakeJob = Callable[..., Path]


def test_a_declared_job_is_read(make_job: MakeJob) -> None:
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
def test_configuration_that_is_no_json_object_is_named(
    make_job: MakeJob, text: str
) -> None:
    base_dir = make_job()
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(text)
    with pytest.raises(JobError, match=r"hyperparameters\.json"):
        prepare(base_dir)


CONFIGURATION = [
    "hyperparameters",
    "inputdataconfig",
    "resourceconfig",
    "checkpointconfig",
]


@pytest.mark.parametrize("name", CONFIGURATION)
def test_a_byte_order_mark_is_read_over(make_job: MakeJob, name: str) -> None:
    base_dir = make_job({"eta": "0.3"})
    configure(base_dir, "checkpointconfig", {"LocalPath": "/opt/ml/checkpoints"})
    prepare(base_dir)
    without_mark = TrainingJob.at(base_dir)

    path = base_dir / "input" / "config" / f"{name}.json"
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert TrainingJob.at(base_dir) == without_mark
    prepare(base_dir)
    assert TrainingJob.at(base_dir) == without_mark


@pytest.mark.parametrize(
    "name", ["hyperparameters", "inputdataconfig", "resourceconfig"]
)
def test_preparing_removes_the_mark_at_which_the_toolkit_fails(
    make_job: MakeJob, name: str
) -> None:
    base_dir = make_job({"eta": "0.3"})
    prepare(base_dir)
    path = base_dir / "input" / "config" / f"{name}.json"
    text = path.read_bytes()
    path.write_bytes(codecs.BOM_UTF8 + text)
    prepare(base_dir)
    assert path.read_bytes() == text


@pytest.mark.parametrize("name", CONFIGURATION)
@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_other_encodings_are_refused_in_one_line(
    make_job: MakeJob, name: str, encoding: str
) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / f"{name}.json"
    path.write_bytes('{"hosts": ["a"]}'.encode(encoding))
    expected = f"{path} is UTF-16 or UTF-32, expected UTF-8: save it as UTF-8"
    with pytest.raises(JobError) as caught:
        prepare(base_dir)
    assert str(caught.value) == expected


def test_broken_utf_8_is_refused_with_its_place(make_job: MakeJob) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / "hyperparameters.json"
    path.write_bytes(b'{"eta": "\xff"}')
    with pytest.raises(
        JobError, match=r"isn't UTF-8 \(invalid start byte at byte 10\)"
    ):
        prepare(base_dir)


def test_a_configuration_that_is_too_deep_is_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / "hyperparameters.json"
    path.write_text('{"a":' * 100_000)
    with pytest.raises(JobError, match=r"can't read .*hyperparameters\.json as JSON"):
        prepare(base_dir)


def test_a_mark_in_a_file_that_cannot_be_written_is_read_over(
    make_job: MakeJob,
) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / "hyperparameters.json"
    # Not even root can write to a sealed file.
    sealed = os.memfd_create("hyperparameters", os.MFD_ALLOW_SEALING)
    os.write(sealed, codecs.BOM_UTF8 + b'{"eta": "0.3"}')
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    path.unlink()
    path.symlink_to(f"/proc/self/fd/{sealed}")
    try:
        stand_in = prepare(base_dir)
        assert TrainingJob.at(base_dir).hyperparameters.eta == 0.3
    finally:
        os.close(sealed)
    assert stand_in != base_dir
    config = stand_in / "input" / "config"
    assert (config / "hyperparameters.json").read_text() == '{"eta": "0.3"}'
    shutil.rmtree(stand_in)


def test_a_writable_directory_needs_no_stand_in(make_job: MakeJob) -> None:
    base_dir = make_job()
    assert prepare(base_dir) == base_dir


def test_for_an_input_that_cannot_be_written_to_another_directory_stands_in(
    tmp_path: Path,
) -> None:
    (tmp_path / "input" / "data" / "training").mkdir(parents=True)
    # A directory in which not even root can make a file.
    (tmp_path / "input" / "config").symlink_to("/proc/self/attr")
    stand_in = prepare(tmp_path)
    job = TrainingJob.at(tmp_path)
    assert job.channels == (
        Channel("training", tmp_path / "input" / "data" / "training"),
    )
    assert len(job.hosts) == 1

    # All that the toolkit needs is there, and its output is ours.
    config = stand_in / "input" / "config"
    found = {path.name: json.loads(path.read_text()) for path in config.iterdir()}
    assert found == {
        "hyperparameters.json": {},
        "inputdataconfig.json": {},
        "resourceconfig.json": {
            "current_host": job.hosts.current,
            "hosts": [job.hosts.current],
        },
    }
    assert (stand_in / "input" / "data" / "training").is_dir()
    for name in ("model", "output"):
        (stand_in / name / "file").write_text(name)
        assert (tmp_path / name / "file").read_text() == name
    shutil.rmtree(stand_in)
    assert (tmp_path / "model" / "file").exists()


@pytest.mark.parametrize("name", CONFIGURATION)
def test_configuration_that_is_no_regular_file_is_refused(
    make_job: MakeJob, name: str
) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / f"{name}.json"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(JobError, match=rf"{name}\.json: it is no regular file"):
        prepare(base_dir)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"eta": NaN}', "JSON has no NaN"),
        ('{"eta": ' + "9" * 5000 + "}", "has 5000 digits"),
        ('{"eta": "\\ud800"}', "half of a surrogate pair"),
        ('{"eta": ' + "[" * 200_000, "nested more than 100 levels"),
        ('{"eta": ' + "[" * 500 + "]" * 500 + "}", "nested more than 100 levels"),
        ('{"eta": "' + "[" * 200_000 + '"}', "hyperparameter eta has too many br"),
    ],
)
def test_json_that_could_do_harm_is_refused(
    make_job: MakeJob, text: str, expected: str
) -> None:
    base_dir = make_job()
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(text)
    with pytest.raises(JobError, match=expected):
        prepare(base_dir)


def test_hosts_that_cannot_be_used_are_refused_before_the_job(
    make_job: MakeJob,
) -> None:
    base_dir = make_job()
    configure(base_dir, "resourceconfig", {"hosts": None})
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
    configure(base_dir, "inputdataconfig", {"movies": {"TrainingInputMode": "File"}})
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
    configure(base_dir, "inputdataconfig", declared)
    job = TrainingJob.at(base_dir)
    data = base_dir / "input" / "data"
    assert job.channels == (
        Channel("training", data / "training_0", is_pipe=True, is_sharded=True),
    )
    assert job.model == Channel("model", data / "model")


def test_recordio_is_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(
        base_dir,
        "inputdataconfig",
        {"training": {"RecordWrapperType": "RecordIO"}},
    )
    with pytest.raises(JobError, match="channel training comes in RecordIO"):
        TrainingJob.at(base_dir)


def test_the_hosts_of_all_instance_groups_take_part(make_job: MakeJob) -> None:
    base_dir = make_job()
    groups = [
        {"instance_group_name": "data", "hosts": ["algo-3", "algo-1"]},
        {"instance_group_name": "more", "hosts": ["algo-2"]},
    ]
    resources = {
        "current_host": "algo-2",
        "current_group_name": "more",
        "hosts": ["algo-3", "algo-1", "algo-2"],
        "instance_groups": groups,
    }
    configure(base_dir, "resourceconfig", resources)
    job = TrainingJob.at(base_dir)
    assert job.hosts == Hosts(("algo-1", "algo-2", "algo-3"), "algo-2")


def test_one_of_several_hosts_may_have_no_channel(make_job: MakeJob) -> None:
    base_dir = make_job()
    resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    configure(base_dir, "resourceconfig", resources)
    configure(base_dir, "inputdataconfig", {"other": {}})
    assert TrainingJob.at(base_dir).channels == ()


@pytest.mark.parametrize(
    ("declared", "expected"),
    [("/opt/ml/checkpoints", "ml/checkpoints"), ("{tmp}/elsewhere", "elsewhere")],
)
def test_checkpoints_go_where_the_platform_says(
    make_job: MakeJob, tmp_path: Path, declared: str, expected: str
) -> None:
    base_dir = make_job()
    path = declared.format(tmp=tmp_path)
    configure(base_dir, "checkpointconfig", {"LocalPath": path})
    assert TrainingJob.at(base_dir).checkpoint_dir == tmp_path / expected


def test_without_the_platform_a_checkpoint_directory_is_enough(
    make_job: MakeJob,
) -> None:
    base_dir = make_job()
    assert TrainingJob.at(base_dir).checkpoint_dir is None
    (base_dir / "checkpoints").mkdir()
    assert TrainingJob.at(base_dir).checkpoint_dir == base_dir / "checkpoints"


def test_a_checkpoint_path_that_is_no_text_is_refused(make_job: MakeJob) -> None:
    base_dir = make_job()
    configure(base_dir, "checkpointconfig", {"LocalPath": 3})
    with pytest.raises(JobError, match="LocalPath 3, expected a path"):
        TrainingJob.at(base_dir)


def test_hyperparameters_are_parsed(make_job: MakeJob) -> None:
    with pytest.raises(HyperparameterError, match="did you mean eta"):
        TrainingJob.at(make_job({"etaa": "0.1"}))
