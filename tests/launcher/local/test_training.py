"""Training jobs over the API, in the pushed image: what they see, what they leave, and
every way to fail.
"""

from __future__ import annotations

import gzip
import json
import resource
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher.docker import run_docker
from launcher.local import stack
from launcher.local.errors import LocalError
from tests.launcher.local.stack_user import QUICK, TRAINING_LOGS, StackUser

ENDLESS = {**QUICK, "num_round": "100000"}


def states(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def test_a_job_runs_the_image_and_leaves_its_artifacts(user: StackUser) -> None:
    request = user.job("good", QUICK)
    metric = {"Name": "test:rmse", "Regex": r"metric test:rmse=([0-9.]+)"}
    request["AlgorithmSpecification"]["MetricDefinitions"] = [metric]
    job = user.train(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["SecondaryStatus"] == "Completed"
    assert states(job) == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    artifacts = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts == "s3://ratings/jobs/good/output/model.tar.gz"
    assert "manifest.json" in user.archive("jobs/good/output/model.tar.gz")
    rmse = user.evaluation("good")["test"]["rmse"]
    (final,) = job["FinalMetricDataList"]
    assert final["Value"] == pytest.approx(rmse, abs=1e-6)
    log = user.log(TRAINING_LOGS, "good/algo-1-")
    assert any("metric test:rmse=" in line for line in log)
    assert user.containers() == []


def test_several_hosts_train_the_same_model_from_their_shards(user: StackUser) -> None:
    header, *lines = user.read("data/ratings.csv").decode().splitlines()
    user.put("sharded/movies.csv", user.read("data/movies.csv"))
    for number in range(2):
        shard = "\n".join([header, *lines[number::2], ""])
        user.put(f"sharded/ratings-{number}.csv", shard.encode())

    def features(name: str, n_hosts: int, distribution: str) -> bytes:
        hyperparameters = {**QUICK, "features": "statistics,factors"}
        request = user.job(name, hyperparameters)
        request["ResourceConfig"]["InstanceCount"] = n_hosts
        channel = user.channel("sharded/", distribution=distribution)
        request["InputDataConfig"] = [channel]
        job = user.train(request)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        return user.archive(f"jobs/{name}/output/model.tar.gz")["features.npz"]

    one_host = features("one-host", 1, "FullyReplicated")
    two_hosts = features("two-hosts", 2, "ShardedByS3Key")
    assert two_hosts == one_host
    log = user.log(TRAINING_LOGS, "two-hosts/algo-2-")
    assert any("the model is written by algo-1" in line for line in log)


def test_a_job_reads_every_row_from_a_pipe(user: StackUser) -> None:
    request = user.job("piped", QUICK)
    request["InputDataConfig"] = [user.channel(InputMode="Pipe")]
    job = user.train(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    n_rows = len(user.read("data/ratings.csv").splitlines()) - 1
    assert user.evaluation("piped")["data"]["n_ratings"] == n_rows


def test_a_job_fails_with_the_reason_that_it_wrote(user: StackUser) -> None:
    job = user.train(user.job("bad-settings", {**QUICK, "eta": "2"}))
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith(
        "AlgorithmError: eta is '2', expected a number above 0 to 1"
    )
    assert reason.endswith("exit code: 1")
    assert user.keys("jobs/bad-settings/") == []
    assert user.containers() == []


def test_a_long_reason_is_cut(user: StackUser) -> None:
    script = (
        "open('/opt/ml/output/failure', 'w').write('x' * 5000); raise SystemExit(3)"
    )
    job = user.train(user.script("long-reason", script))
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith("x, exit code: 3")


def test_a_killed_container_fails_the_job(user: StackUser) -> None:
    user.start(user.job("killed", ENDLESS))
    user.until_logged("killed", "round 1 of")
    run_docker("kill", *user.containers())
    job = user.finished("killed")
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith("AlgorithmError: the job ended before it could say why")
    assert reason.endswith("exit code: 137")


def test_a_stopped_job_keeps_the_model_so_far(user: StackUser) -> None:
    user.start(user.job("stopped", ENDLESS))
    user.until_logged("stopped", "round 1 of")
    user.client("sagemaker").stop_training_job(TrainingJobName="stopped")
    job = user.finished("stopped")
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "Stopped"
    assert user.evaluation("stopped")["booster"]["stopped"] is True
    assert "manifest.json" in user.archive("jobs/stopped/output/model.tar.gz")


def test_a_job_that_ignores_sigterm_is_killed(user: StackUser) -> None:
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    user.start(user.script("deaf", script))
    user.until_logged("deaf", "deaf")
    user.client("sagemaker").stop_training_job(TrainingJobName="deaf")
    job = user.finished("deaf")
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "Stopped"
    assert user.containers() == []


def test_a_job_is_stopped_when_its_time_is_up(user: StackUser) -> None:
    condition = {"MaxRuntimeInSeconds": 1}
    script = "import time; time.sleep(600)"
    job = user.train(user.script("too-long", script, StoppingCondition=condition))
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


# What a container sees

# Every host keeps what it sees as a file of the model.
KEEP_WHAT_IS_SEEN = """
import json, os, pathlib
root = pathlib.Path('/opt/ml')
files = {}
for path in root.glob('input/**/*'):
    if path.is_file():
        files[str(path.relative_to(root))] = path.read_text()
names = ('TRAINING_JOB_NAME', 'TRAINING_JOB_ARN', 'AWS_REGION', 'OWN')
environment = {name: os.environ[name] for name in names}
host = json.loads(files['input/config/resourceconfig.json'])['current_host']
seen = json.dumps({'files': files, 'environment': environment})
(root / 'model' / f'{host}.json').write_text(seen)
"""
# The first host waits until the other one connects to it by its name.
MEET_THE_OTHER_HOST = """
import socket, time
def has_met():
    try: return socket.create_connection(('algo-1', 9999))
    except OSError: return time.sleep(0.1)
if host == 'algo-1': socket.create_server(('', 9999)).accept()
else:
    while not has_met(): pass
"""


@pytest.fixture(scope="module")
def parts(user: StackUser) -> None:
    """Four small objects under one prefix."""
    for name in ("a.csv", "b.csv", "deep/c.csv", "d.csv"):
        user.put(f"parts/{name}", f"content of {name}\n".encode())


@pytest.mark.usefixtures("parts")
def test_file_mode_lays_everything_out(user: StackUser) -> None:
    request = user.script(
        "tree",
        KEEP_WHAT_IS_SEEN,
        InputDataConfig=[user.channel("parts/", ContentType="text/csv")],
        Environment={"OWN": "a=b c"},
        CheckpointConfig={"S3Uri": user.uri("checkpoints/tree")},
    )
    assert user.train(request)["TrainingJobStatus"] == "Completed"

    seen = json.loads(user.archive("jobs/tree/output/model.tar.gz")["algo-1.json"])
    files = seen["files"]
    data = [name for name in files if name.startswith("input/data/training/")]
    assert len(data) == 4
    assert files["input/data/training/deep/c.csv"] == "content of deep/c.csv\n"

    def document(name: str) -> Any:
        return json.loads(files[f"input/config/{name}.json"])

    script = json.dumps(KEEP_WHAT_IS_SEEN)
    assert document("hyperparameters") == {"script": script}
    assert document("inputdataconfig") == {
        "training": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }
    assert document("checkpointconfig") == {"LocalPath": "/opt/ml/checkpoints"}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/tree"
    assert seen["environment"] == {
        "TRAINING_JOB_NAME": "tree",
        "TRAINING_JOB_ARN": arn,
        "AWS_REGION": "us-east-1",
        "OWN": "a=b c",
    }


@pytest.mark.usefixtures("parts")
def test_several_hosts_see_their_shards_and_each_other(user: StackUser) -> None:
    script = KEEP_WHAT_IS_SEEN + MEET_THE_OTHER_HOST
    request = user.script("shards", script, Environment={"OWN": ""})
    channel = user.channel("parts/", distribution="ShardedByS3Key")
    request["InputDataConfig"] = [channel]
    request["ResourceConfig"]["InstanceCount"] = 2
    job = user.train(request)
    assert job["TrainingJobStatus"] == "Completed", job

    archive = user.archive("jobs/shards/output/model.tar.gz")

    def files(host: str) -> dict[str, str]:
        return dict(json.loads(archive[f"{host}.json"])["files"])

    def data(host: str) -> set[str]:
        folder = "input/data/training/"
        return {
            name.removeprefix(folder) for name in files(host) if name.startswith(folder)
        }

    assert data("algo-1") == {"a.csv", "d.csv"}
    assert data("algo-2") == {"b.csv", "deep/c.csv"}
    resources = json.loads(files("algo-2")["input/config/resourceconfig.json"])
    assert resources["current_host"] == "algo-2"
    assert resources["hosts"] == ["algo-1", "algo-2"]
    assert resources["network_interface_name"] == "eth0"

    label = f"label={user.settings.label}"
    networks = run_docker("network", "ls", "--quiet", "--filter", label)
    assert networks.stdout == ""


def test_a_failed_host_ends_the_others(user: StackUser) -> None:
    script = (
        "import json, pathlib, time\n"
        "config = json.load(open('/opt/ml/input/config/resourceconfig.json'))\n"
        "if config['current_host'] == 'algo-1': time.sleep(600)\n"
        "failure = pathlib.Path('/opt/ml/output/failure')\n"
        "failure.write_text('the second host has no disk')\n"
        "raise SystemExit(1)\n"
    )
    request = user.script("one-fails", script)
    request["ResourceConfig"]["InstanceCount"] = 2
    job = user.train(request)
    expected = "AlgorithmError: the second host has no disk, exit code: 1"
    assert job["FailureReason"] == expected
    assert user.containers() == []


@pytest.mark.usefixtures("parts")
def test_fast_file_mode_is_read_only(user: StackUser) -> None:
    script = (
        "import pathlib\n"
        "channel = pathlib.Path('/opt/ml/input/data/training')\n"
        "text = (channel / 'a.csv').read_text()\n"
        "try: (channel / 'new').write_text('')\n"
        "except OSError as error: text += error.strerror\n"
        "pathlib.Path('/opt/ml/model/seen').write_text(text)\n"
    )
    channel = user.channel("parts/", InputMode="FastFile")
    job = user.train(user.script("fast", script, InputDataConfig=[channel]))
    assert job["TrainingJobStatus"] == "Completed", job
    seen = user.archive("jobs/fast/output/model.tar.gz")["seen"]
    assert seen == b"content of a.csv\nRead-only file system"


def test_a_pipe_gives_the_same_data_in_every_epoch(user: StackUser) -> None:
    for name in ("1.gz", "2.gz"):
        user.put(f"packed/{name}", gzip.compress(f"rows of {name}\n".encode()))
    script = (
        "import pathlib\n"
        "data = pathlib.Path('/opt/ml/input/data')\n"
        "epochs = [(data / f'training_{epoch}').read_text() for epoch in range(3)]\n"
        "pathlib.Path('/opt/ml/model/seen').write_text('|'.join(epochs))\n"
    )
    channel = user.channel("packed/", InputMode="Pipe", CompressionType="Gzip")
    job = user.train(user.script("pipe", script, InputDataConfig=[channel]))
    assert job["TrainingJobStatus"] == "Completed", job
    seen = user.archive("jobs/pipe/output/model.tar.gz")["seen"].decode()
    assert seen.split("|") == ["rows of 1.gz\nrows of 2.gz\n"] * 3


def test_the_training_toolkit_reads_the_same_directory(user: StackUser) -> None:
    script = (
        "import json, pathlib\n"
        "from sagemaker_training.environment import Environment\n"
        "e = Environment()\n"
        "seen = dict(hosts=e.hosts, current=e.current_host,\n"
        "            channels=e.channel_input_dirs, job=e.job_name,\n"
        "            hyperparameters=e.hyperparameters,\n"
        "            interface=e.network_interface_name, model=e.model_dir)\n"
        "pathlib.Path('/opt/ml/model/seen').write_text(json.dumps(seen))\n"
    )
    hyperparameters = {"eta": "0.5", "split": "tutorial"}
    job = user.train(user.script("toolkit", script, HyperParameters=hyperparameters))
    assert job["TrainingJobStatus"] == "Completed", job
    seen = json.loads(user.archive("jobs/toolkit/output/model.tar.gz")["seen"])
    assert seen == {
        "hosts": ["algo-1"],
        "current": "algo-1",
        "channels": {"training": "/opt/ml/input/data/training"},
        "job": "toolkit",
        "hyperparameters": {"eta": 0.5, "split": "tutorial", "script": script},
        "interface": "eth0",
        "model": "/opt/ml/model",
    }


# Checkpoints


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(user: StackUser) -> None:
    # In its first attempt the job deletes a checkpoint again, and then waits.
    script = (
        "import pathlib, time\n"
        "here = pathlib.Path('/opt/ml/checkpoints')\n"
        "found = sorted(p.name for p in here.iterdir())\n"
        "(here / 'first').write_text('1')\n"
        "(here / 'gone').write_text('1')\n"
        "if not found:\n"
        "    time.sleep(2)\n"
        "    (here / 'gone').unlink()\n"
        "    print('deleted', flush=True)\n"
        "    time.sleep(600)\n"
        "pathlib.Path('/opt/ml/model/found').write_text(' '.join(found))\n"
    )
    request = user.script(
        "spot",
        script,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 300},
        CheckpointConfig={"S3Uri": user.uri("checkpoints/spot")},
    )
    user.start(request)
    user.until_logged("spot", "deleted")
    assert sorted(user.keys("checkpoints/spot/")) == ["first", "gone"]
    stack.interrupt(user.settings, "spot")

    job = user.finished("spot")
    attempt = ["Starting", "Downloading", "Training"]
    assert states(job) == [*attempt, "Interrupted", *attempt, "Uploading", "Completed"]
    assert user.archive("jobs/spot/output/model.tar.gz")["found"] == b"first"


def test_only_a_running_spot_job_is_interrupted(user: StackUser) -> None:
    user.train(user.script("no-spot", ""))
    with pytest.raises(
        LocalError, match="only a running managed spot job is interrupted"
    ):
        stack.interrupt(user.settings, "no-spot")


# What is refused


def refusal(user: StackUser, request: dict[str, Any]) -> tuple[str, str]:
    """The code and the message of the error that a request gets."""
    with pytest.raises(ClientError) as caught:
        user.start(request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def instances(instance_type: str, count: int = 1) -> dict[str, Any]:
    resources = {
        "InstanceType": instance_type,
        "InstanceCount": count,
        "VolumeSizeInGB": 1,
    }
    return {"ResourceConfig": resources}


MAX_WAIT = {"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 20}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"TrainingJobName": "under_score"},
            "TrainingJobName is 'under_score', which doesn't match",
        ),
        ({"TrainingJobName": "x" * 64}, "TrainingJobName has 64 characters"),
        (
            {"HyperParameters": {"eta": "x" * 2501}},
            "HyperParameters.eta has 2501 characters",
        ),
        (
            {"HyperParameters": {str(i): "" for i in range(101)}},
            "HyperParameters has 101 entries",
        ),
        (instances("ml.none"), "InstanceType is 'ml.none', expected one of"),
        (
            instances("ml.m5.large", count=21),
            "limit 'ml.m5.large for training job usage' is 20 Instances",
        ),
        (
            instances("ml.p3.2xlarge"),
            "limit 'ml.p3.2xlarge for training job usage' is 0 Instances",
        ),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        ({"StoppingCondition": MAX_WAIT}, "EnableManagedSpotTraining"),
        (
            {"EnableManagedSpotTraining": True},
            "managed spot training needs a MaxWaitTimeInSeconds",
        ),
    ],
)
def test_a_request_that_sagemaker_refuses_is_refused(
    user: StackUser, members: dict[str, Any], expected: str
) -> None:
    code, message = refusal(user, user.job("refused", QUICK, **members))
    is_quota = "Instances" in expected
    assert code == ("ResourceLimitExceeded" if is_quota else "ValidationException")
    assert expected in message


def test_a_name_is_used_once(user: StackUser) -> None:
    user.train(user.script("twice", ""))
    code, message = refusal(user, user.script("twice", ""))
    assert code == "ResourceInUse"
    assert "already exists" in message


def test_an_image_that_is_not_in_the_registry_is_refused(user: StackUser) -> None:
    def refused(image: str, expected: str) -> None:
        request = user.job("no-image", QUICK)
        request["AlgorithmSpecification"]["TrainingImage"] = image
        code, message = refusal(user, request)
        assert code == "ValidationException"
        assert expected in message

    elsewhere = user.image.replace("/halfstar@", "/nowhere@")
    refused(elsewhere, "Cannot find repository: nowhere")
    refused(user.image.partition("@")[0] + ":v9", "not found")
    refused("public.example/halfstar:v1", "Invalid image URI")


@pytest.mark.parametrize("prefix", ["nothing/", "data/none.csv"])
def test_a_prefix_without_objects_is_refused(user: StackUser, prefix: str) -> None:
    request = user.job("no-data", QUICK, InputDataConfig=[user.channel(prefix)])
    code, message = refusal(user, request)
    assert code == "ValidationException"
    assert "No S3 objects found" in message


def test_an_absent_job_is_not_described(user: StackUser) -> None:
    with pytest.raises(
        ClientError, match=r"ValidationException.*Requested resource not found"
    ):
        user.describe("absent")


def test_a_finished_job_is_not_stopped(user: StackUser) -> None:
    user.train(user.script("finished", ""))
    with pytest.raises(ClientError, match="is in status Completed"):
        user.client("sagemaker").stop_training_job(TrainingJobName="finished")


def test_lists_are_filtered_sorted_and_paged(user: StackUser) -> None:
    sagemaker = user.client("sagemaker")
    for name in ("list-b", "list-a", "list-c"):
        user.train(user.script(name, ""))
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="list-",
        SortBy="Name",
        SortOrder="Ascending",
        StatusEquals="Completed",
        MaxResults=2,
    )
    found = [
        [job["TrainingJobName"] for job in page["TrainingJobSummaries"]]
        for page in pages
    ]
    assert found == [["list-a", "list-b"], ["list-c"]]


def test_tags_are_added_listed_and_deleted(user: StackUser) -> None:
    sagemaker = user.client("sagemaker")
    tags = [{"Key": "halfstar", "Value": "tagged"}]
    arn = user.train(user.script("tagged", "", Tags=tags))["TrainingJobArn"]
    other = {"Key": "other", "Value": "1"}
    sagemaker.add_tags(ResourceArn=arn, Tags=[other])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["halfstar"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [other]


def test_a_job_without_an_output_bucket_fails(user: StackUser) -> None:
    output = {"S3OutputPath": "s3://nowhere/jobs"}
    job = user.train(user.script("no-bucket", "", OutputDataConfig=output))
    assert job["TrainingJobStatus"] == "Failed"
    target = "s3://nowhere/jobs/no-bucket/output/model.tar.gz"
    assert f"Failed to upload to {target}" in job["FailureReason"]


def test_a_full_disk_fails_the_job(user: StackUser) -> None:
    (service,) = stack.processes(user.settings)["service"].pids()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel lets no file of the service grow beyond this, as on a full disk.
    resource.prlimit(service, resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        job = user.train(user.job("full", QUICK))
    finally:
        resource.prlimit(service, resource.RLIMIT_FSIZE, (soft, hard))
    assert job["TrainingJobStatus"] == "Failed"
    expected = "Failed to download s3://ratings/data/movies.csv to this disk"
    assert expected in job["FailureReason"]
    assert user.containers() == []
    assert not (user.settings.work / "jobs" / "full").exists()


def test_output_can_be_uploaded_without_an_archive(user: StackUser) -> None:
    script = "import pathlib; pathlib.Path('/opt/ml/model/a.txt').write_text('a')"
    output = {"S3OutputPath": user.uri("jobs"), "CompressionType": "NONE"}
    job = user.train(user.script("plain", script, OutputDataConfig=output))
    artifacts = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts == "s3://ratings/jobs/plain/output/model/"
    assert user.keys("jobs/plain/output/") == ["model/a.txt"]
