"""Checkpoints are kept in S3 while a job runs, and restored before it runs again."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.local.checkpoint_sync import CheckpointSync
from launcher.local.errors import FailureReasonError
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri
from tests.launcher.local.stack_user import poll

BUCKET = "checkpoints"


@pytest.fixture(scope="module")
def service_clients(settings: StackSettings) -> ServiceClients:
    found = ServiceClients(settings)
    found.client("s3").create_bucket(Bucket=BUCKET)
    return found


# The root of a bucket is last, as the other keys are in it too.
@pytest.mark.parametrize("key", ["job", "folder/", ""])
def test_what_one_run_leaves_the_next_one_finds(
    service_clients: ServiceClients, tmp_path: Path, key: str
) -> None:
    remote = S3Uri(BUCKET, key)
    first = CheckpointSync(service_clients, remote, tmp_path / "first")
    first.restore()
    first.start()
    (tmp_path / "first" / "deep").mkdir()
    (tmp_path / "first" / "deep" / "model").write_text("1")
    first.stop()

    second = CheckpointSync(service_clients, remote, tmp_path / "second")
    second.restore()
    assert (tmp_path / "second" / "deep" / "model").read_text() == "1"


def test_changes_and_deletions_are_synced_while_the_job_runs(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    remote = S3Uri(BUCKET, "running")
    sync = CheckpointSync(service_clients, remote, tmp_path)
    sync.restore()
    (tmp_path / "model").write_text("1")
    sync.start()
    poll(lambda: service_clients.objects(remote) != [])
    (tmp_path / "model").write_text("22")
    poll(lambda: service_clients.read(remote / "model") == b"22")
    (tmp_path / "model").unlink()
    poll(lambda: service_clients.objects(remote) == [])
    sync.stop()


def test_links_of_a_container_are_not_uploaded(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    remote = S3Uri(BUCKET, "links")
    directory = tmp_path / "checkpoints"
    sync = CheckpointSync(service_clients, remote, directory)
    sync.restore()
    (directory / "link").symlink_to(tmp_path / "secret")
    sync.start()
    sync.stop()
    assert service_clients.objects(remote) == []


def test_a_bucket_that_is_absent_fails_the_job(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    sync = CheckpointSync(service_clients, S3Uri("nowhere", "job"), tmp_path)
    (tmp_path / "model").write_text("1")
    sync.start()
    with pytest.raises(FailureReasonError, match="Failed to upload to s3://nowhere"):
        sync.stop()
