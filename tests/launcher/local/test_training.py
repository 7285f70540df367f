"""Training jobs over the API, in the pushed image: what they see, what comes of them,
and every way to end badly.
"""

from __future__ import annotations

import gzip
import json
import resource
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher.local import stack
from launcher.local.errors import LocalError
from tests.launcher.local.account import Account, docker

QUICK = {"num_round": "5", "features": "none", "hidden_share": "0"}
ENDLESS = {**QUICK, "num_round": "100000"}
LOGS = "/aws/sagemaker/TrainingJobs"


def test_a_job_runs_the_image_and_leaves_its_artifacts(account: Account) -> None:
    request = account.job("good", QUICK)
    metric = {"Name": "test:rmse", "Regex": r"metric test:rmse=([0-9.]+)"}
    request["AlgorithmSpecification"]["MetricDefinitions"] = [metric]
    job = account.train(request)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == (
        "Completed",
        "Completed",
    ), job.get("FailureReason")
    stages = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"]
        == "s3://ratings/jobs/good/output/model.tar.gz"
    )
    assert "manifest.json" in account.archive("jobs/good/output/model.tar.gz")
    evaluation = json.loads(
        account.archive("jobs/good/output/output.tar.gz")["evaluation.json"]
    )
    assert job["FinalMetricDataList"][0]["Value"] == pytest.approx(
        evaluation["test"]["rmse"], abs=1e-6
    )
    assert any(
        "metric test:rmse=" in line for line in account.log(LOGS, "good/algo-1-")
    )
    assert account.containers() == []


def test_hosts_train_one_model_from_their_shards(account: Account) -> None:
    header, *lines = account.read("data/ratings.csv").decode().splitlines()
    account.put("sharded/movies.csv", account.read("data/movies.csv"))
    for number in range(2):
        account.put(
            f"sharded/ratings-{number}.csv",
            "\n".join([header, *lines[number::2], ""]).encode(),
        )
    settings = {**QUICK, "features": "statistics,factors"}
    for name, n_hosts, distribution in (
        ("one-host", 1, "FullyReplicated"),
        ("two-hosts", 2, "ShardedByS3Key"),
    ):
        request = account.job(name, settings)
        request["ResourceConfig"]["InstanceCount"] = n_hosts
        request["InputDataConfig"] = [
            account.channel(prefix="sharded/", distribution=distribution)
        ]
        job = account.train(request)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    one, two = (
        account.archive(f"jobs/{name}/output/model.tar.gz")
        for name in ("one-host", "two-hosts")
    )
    assert two["features.npz"] == one["features.npz"]
    assert any(
        "the model is written by algo-1" in line
        for line in account.log(LOGS, "two-hosts/algo-2-")
    )


def test_a_piped_job(account: Account) -> None:
    request = account.job("piped", QUICK)
    request["InputDataConfig"] = [account.channel(InputMode="Pipe")]
    job = account.train(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    evaluation = json.loads(
        account.archive("jobs/piped/output/output.tar.gz")["evaluation.json"]
    )
    assert (
        evaluation["data"]["n_ratings"]
        == len(account.read("data/ratings.csv").splitlines()) - 1
    )


def test_a_job_fails_with_the_reason_that_it_wrote(account: Account) -> None:
    job = account.train(account.job("bad-settings", {**QUICK, "eta": "2"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "AlgorithmError: eta is '2', expected a number above 0 to 1"
    )
    assert job["FailureReason"].endswith("exit code: 1")
    assert account.keys("jobs/bad-settings/") == []
    assert account.containers() == []


def test_a_long_reason_is_cut(account: Account) -> None:
    script = (
        "open('/opt/ml/output/failure', 'w').write('x' * 5000); raise SystemExit(3)"
    )
    job = account.train(account.script("long-reason", script))
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith("x, exit code: 3")


def test_a_killed_container_fails_the_job(account: Account) -> None:
    account.client("sagemaker").create_training_job(**account.job("killed", ENDLESS))
    account.until_logged("killed", "round 1 of")
    docker("kill", *account.containers())
    job = account.finished("killed")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "AlgorithmError: , exit code: 137",
    )


def test_a_stop_keeps_the_model_so_far(account: Account) -> None:
    account.client("sagemaker").create_training_job(**account.job("stopped", ENDLESS))
    account.until_logged("stopped", "round 1 of")
    account.client("sagemaker").stop_training_job(TrainingJobName="stopped")
    job = account.finished("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    evaluation = json.loads(
        account.archive("jobs/stopped/output/output.tar.gz")["evaluation.json"]
    )
    assert evaluation["booster"]["stopped"] is True
    assert "manifest.json" in account.archive("jobs/stopped/output/model.tar.gz")


def test_a_job_that_ignores_sigterm_is_killed(account: Account) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    account.client("sagemaker").create_training_job(**account.script("deaf", script))
    account.until_logged("deaf", "deaf")
    account.client("sagemaker").stop_training_job(TrainingJobName="deaf")
    job = account.finished("deaf")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert account.containers() == []


def test_the_longest_run_is_kept_to(account: Account) -> None:
    condition = {"MaxRuntimeInSeconds": 1}
    job = account.train(
        account.script(
            "too-long", "import time; time.sleep(600)", StoppingCondition=condition
        )
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == (
        "Stopped",
        "MaxRuntimeExceeded",
    )


# What a container sees

TREE = """
import json, os, pathlib
root = pathlib.Path('/opt/ml')
files = {str(p.relative_to(root)): p.read_text() for p in root.glob('input/**/*') if p.is_file()}
environment = {name: os.environ[name] for name in ('TRAINING_JOB_NAME', 'TRAINING_JOB_ARN', 'AWS_REGION', 'OWN')}
host = json.loads(files['input/config/resourceconfig.json'])['current_host']
(root / 'model' / f'{host}.json').write_text(json.dumps({'files': files, 'environment': environment}))
"""


MEET = """
import socket, time
def met():
    try: return socket.create_connection(('algo-1', 9999))
    except OSError: return time.sleep(0.1)
if host == 'algo-1': socket.create_server(('', 9999)).accept()
else:
    while not met(): pass
"""


@pytest.fixture(scope="module")
def parts(account: Account) -> None:
    """Four small objects under one prefix."""
    for name in ("a.csv", "b.csv", "deep/c.csv", "d.csv"):
        account.put(f"parts/{name}", f"content of {name}\n".encode())


@pytest.mark.usefixtures("parts")
def test_file_mode_lays_everything_out(account: Account) -> None:
    channel = account.channel("training", "parts/", ContentType="text/csv")
    request = account.script(
        "tree", TREE, InputDataConfig=[channel], Environment={"OWN": "a=b c"}
    )
    request["CheckpointConfig"] = {"S3Uri": "s3://ratings/checkpoints/tree"}
    assert account.train(request)["TrainingJobStatus"] == "Completed"
    seen = json.loads(account.archive("jobs/tree/output/model.tar.gz")["algo-1.json"])
    files = seen["files"]
    assert files["input/data/training/deep/c.csv"] == "content of deep/c.csv\n"
    assert len([name for name in files if name.startswith("input/data/training/")]) == 4
    assert json.loads(files["input/config/hyperparameters.json"]) == {
        "script": json.dumps(TREE)
    }
    assert json.loads(files["input/config/inputdataconfig.json"]) == {
        "training": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }
    assert json.loads(files["input/config/checkpointconfig.json"]) == {
        "LocalPath": "/opt/ml/checkpoints"
    }
    assert seen["environment"] == {
        "TRAINING_JOB_NAME": "tree",
        "TRAINING_JOB_ARN": "arn:aws:sagemaker:us-east-1:123456789012:training-job/tree",
        "AWS_REGION": "us-east-1",
        "OWN": "a=b c",
    }


@pytest.mark.usefixtures("parts")
def test_several_hosts_see_their_shards_and_each_other(account: Account) -> None:
    request = account.script("shards", TREE + MEET, Environment={"OWN": ""})
    request["InputDataConfig"] = [
        account.channel("training", "parts/", distribution="ShardedByS3Key")
    ]
    request["ResourceConfig"]["InstanceCount"] = 2
    job = account.train(request)
    assert job["TrainingJobStatus"] == "Completed", job
    archive = account.archive("jobs/shards/output/model.tar.gz")
    hosts = {
        name: json.loads(archive[f"{name}.json"])["files"]
        for name in ("algo-1", "algo-2")
    }
    shards = [
        {name[len("input/data/training/") :] for name in files if "/data/" in name}
        for files in hosts.values()
    ]
    assert shards == [{"a.csv", "d.csv"}, {"b.csv", "deep/c.csv"}]
    resources = json.loads(hosts["algo-2"]["input/config/resourceconfig.json"])
    assert (resources["current_host"], resources["hosts"]) == (
        "algo-2",
        ["algo-1", "algo-2"],
    )
    assert resources["network_interface_name"] == "eth0"
    assert (
        docker(
            "network", "ls", "--quiet", "--filter", f"label={account.settings.label}"
        ).stdout
        == ""
    )


def test_a_failed_host_ends_the_others(account: Account) -> None:
    script = (
        "import json, time, pathlib\n"
        "if json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host'] == 'algo-1': time.sleep(600)\n"
        "pathlib.Path('/opt/ml/output/failure').write_text('the second host has no disk')\n"
        "raise SystemExit(1)\n"
    )
    request = account.script("one-fails", script)
    request["ResourceConfig"]["InstanceCount"] = 2
    job = account.train(request)
    assert (
        job["FailureReason"]
        == "AlgorithmError: the second host has no disk, exit code: 1"
    )
    assert account.containers() == []


@pytest.mark.usefixtures("parts")
def test_fast_file_is_read_only(account: Account) -> None:
    script = (
        "import pathlib\n"
        "channel = pathlib.Path('/opt/ml/input/data/training')\n"
        "text = (channel / 'a.csv').read_text()\n"
        "try: (channel / 'new').write_text('')\n"
        "except OSError as error: pathlib.Path('/opt/ml/model/seen').write_text(text + error.strerror)\n"
    )
    channel = account.channel("training", "parts/", InputMode="FastFile")
    job = account.train(account.script("fast", script, InputDataConfig=[channel]))
    assert job["TrainingJobStatus"] == "Completed", job
    assert (
        account.archive("jobs/fast/output/model.tar.gz")["seen"]
        == b"content of a.csv\nRead-only file system"
    )


def test_a_pipe_gives_every_epoch_anew(account: Account) -> None:
    for name in ("1.gz", "2.gz"):
        account.put(f"packed/{name}", gzip.compress(f"rows of {name}\n".encode()))
    script = (
        "import pathlib\n"
        "data = pathlib.Path('/opt/ml/input/data')\n"
        "epochs = [(data / f'training_{epoch}').read_text() for epoch in range(3)]\n"
        "pathlib.Path('/opt/ml/model/seen').write_text('|'.join(epochs))\n"
    )
    channel = account.channel(
        "training", "packed/", InputMode="Pipe", CompressionType="Gzip"
    )
    job = account.train(account.script("pipe", script, InputDataConfig=[channel]))
    assert job["TrainingJobStatus"] == "Completed", job
    epoch = "rows of 1.gz\nrows of 2.gz\n"
    assert account.archive("jobs/pipe/output/model.tar.gz")[
        "seen"
    ].decode() == "|".join([epoch] * 3)


def test_the_training_toolkit_reads_the_same_layout(account: Account) -> None:
    script = (
        "import json, pathlib\n"
        "from sagemaker_training.environment import Environment\n"
        "e = Environment()\n"
        "seen = dict(hosts=e.hosts, current=e.current_host, channels=e.channel_input_dirs, job=e.job_name,\n"
        "            hyperparameters=e.hyperparameters, interface=e.network_interface_name, model=e.model_dir)\n"
        "pathlib.Path('/opt/ml/model/seen').write_text(json.dumps(seen))\n"
    )
    job = account.train(
        account.script(
            "toolkit", script, HyperParameters={"eta": "0.5", "split": "tutorial"}
        )
    )
    assert job["TrainingJobStatus"] == "Completed", job
    assert json.loads(account.archive("jobs/toolkit/output/model.tar.gz")["seen"]) == {
        "hosts": ["algo-1"],
        "current": "algo-1",
        "channels": {"training": "/opt/ml/input/data/training"},
        "job": "toolkit",
        "hyperparameters": {"eta": 0.5, "split": "tutorial", "script": script},
        "interface": "eth0",
        "model": "/opt/ml/model",
    }


# Checkpoints


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(account: Account) -> None:
    script = (
        "import pathlib, sys, time\n"
        "here = pathlib.Path('/opt/ml/checkpoints')\n"
        "found = sorted(p.name for p in here.iterdir())\n"
        "(here / 'first').write_text('1')\n"
        "(here / 'gone').write_text('1')\n"
        "print('waiting', flush=True)\n"
        "if not found: time.sleep(2); (here / 'gone').unlink(); print('deleted', flush=True); time.sleep(600)\n"
        "pathlib.Path('/opt/ml/model/found').write_text(' '.join(found))\n"
    )
    request = account.script("spot", script, EnableManagedSpotTraining=True)
    request["StoppingCondition"] = {
        "MaxRuntimeInSeconds": 300,
        "MaxWaitTimeInSeconds": 300,
    }
    request["CheckpointConfig"] = {"S3Uri": "s3://ratings/checkpoints/spot"}
    account.client("sagemaker").create_training_job(**request)
    account.until_logged("spot", "deleted")
    assert sorted(account.keys("checkpoints/spot/")) == ["first", "gone"]
    interrupt(account, "spot")
    job = account.finished("spot")
    stages = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    attempt = ["Starting", "Downloading", "Training"]
    assert stages == [*attempt, "Interrupted", *attempt, "Uploading", "Completed"]
    assert account.archive("jobs/spot/output/model.tar.gz")["found"] == b"first"


def interrupt(account: Account, name: str) -> None:
    stack.interrupt(account.settings, name)


def test_only_a_running_spot_job_is_interrupted(account: Account) -> None:
    account.train(account.script("no-spot", ""))
    with pytest.raises(
        LocalError, match="only a running managed spot job is interrupted"
    ):
        interrupt(account, "no-spot")


# What is refused


def refused(account: Account, request: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        account.client("sagemaker").create_training_job(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("members", "message"),
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
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.none",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "InstanceType is 'ml.none', expected one of",
        ),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 21,
                    "VolumeSizeInGB": 1,
                }
            },
            "limit 'ml.m5.large for training job usage' is 20 Instances",
        ),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.p3.2xlarge",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "limit 'ml.p3.2xlarge for training job usage' is 0 Instances",
        ),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        (
            {
                "StoppingCondition": {
                    "MaxRuntimeInSeconds": 10,
                    "MaxWaitTimeInSeconds": 20,
                }
            },
            "EnableManagedSpotTraining",
        ),
        (
            {"EnableManagedSpotTraining": True},
            "managed spot training needs a MaxWaitTimeInSeconds",
        ),
    ],
)
def test_a_request_that_sagemaker_refuses(
    account: Account, members: dict[str, Any], message: str
) -> None:
    code, said = refused(account, account.job("refused", QUICK, **members))
    assert code == (
        "ResourceLimitExceeded" if "Instances" in message else "ValidationException"
    )
    assert message in said


def test_a_name_is_used_once(account: Account) -> None:
    account.train(account.script("twice", ""))
    code, message = refused(account, account.script("twice", ""))
    assert code == "ResourceInUse"
    assert "already exists" in message


def test_an_image_that_is_not_there(account: Account) -> None:
    for image, message in (
        (
            account.image.replace("/halfstar@", "/nowhere@"),
            "Cannot find repository: nowhere",
        ),
        (account.image.partition("@")[0] + ":v9", "not found"),
        ("public.example/halfstar:v1", "Invalid image URI"),
    ):
        request = account.job("no-image", QUICK)
        request["AlgorithmSpecification"]["TrainingImage"] = image
        code, said = refused(account, request)
        assert code == "ValidationException"
        assert message in said


def test_data_that_is_not_there(account: Account) -> None:
    for prefix in ("nothing/", "data/none.csv"):
        code, message = refused(
            account,
            account.job(
                "no-data", QUICK, InputDataConfig=[account.channel(prefix=prefix)]
            ),
        )
        assert (code, "No S3 objects found" in message) == ("ValidationException", True)


def test_an_absent_job(account: Account) -> None:
    with pytest.raises(
        ClientError, match=r"ValidationException.*Requested resource not found"
    ):
        account.client("sagemaker").describe_training_job(TrainingJobName="absent")


def test_a_finished_job_is_not_stopped(account: Account) -> None:
    account.train(account.script("finished", ""))
    with pytest.raises(ClientError, match="is in status Completed"):
        account.client("sagemaker").stop_training_job(TrainingJobName="finished")


def test_lists_filter_sort_and_page(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    for name in ("list-b", "list-a", "list-c"):
        account.train(
            account.script(name, "", Tags=[{"Key": "halfstar", "Value": name}])
        )
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
    arn = sagemaker.describe_training_job(TrainingJobName="list-a")["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "other", "Value": "1"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["halfstar"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "other", "Value": "1"}
    ]


def test_no_output_bucket_fails_the_job(account: Account) -> None:
    job = account.train(
        account.script(
            "no-bucket", "", OutputDataConfig={"S3OutputPath": "s3://nowhere/jobs"}
        )
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert (
        "Failed to upload to s3://nowhere/jobs/no-bucket/output/model.tar.gz"
        in job["FailureReason"]
    )


def test_a_full_disk_fails_the_job(account: Account) -> None:
    service = account.settings.processes[-1].pid
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel lets no file of the service grow beyond this, as on a full disk.
    resource.prlimit(service, resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        job = account.train(account.job("full", QUICK))
    finally:
        resource.prlimit(service, resource.RLIMIT_FSIZE, before)
    assert job["TrainingJobStatus"] == "Failed"
    assert (
        "Failed to download s3://ratings/data/movies.csv to this disk"
        in job["FailureReason"]
    )
    assert account.containers() == []
    assert not (account.settings.directory / "jobs" / "full").exists()


def test_plain_output(account: Account) -> None:
    script = "import pathlib; pathlib.Path('/opt/ml/model/a.txt').write_text('a')"
    output = {"S3OutputPath": "s3://ratings/jobs", "CompressionType": "NONE"}
    job = account.train(account.script("plain", script, OutputDataConfig=output))
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"]
        == "s3://ratings/jobs/plain/output/model/"
    )
    assert account.keys("jobs/plain/output/") == ["model/a.txt"]
