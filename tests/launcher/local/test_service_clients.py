"""The stack's own S3 as jobs use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.service_clients import ServiceClients, parse_s3_uri
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri
from tests.launcher.local.stack_user import clients

BUCKET = "clients"
ABSENT = S3Uri(BUCKET, "absent")


@pytest.fixture(scope="module")
def service_clients(settings: StackSettings) -> ServiceClients:
    found = ServiceClients(settings)
    found.client("s3").create_bucket(Bucket=BUCKET)
    return found


def test_what_was_written_is_listed_read_and_downloaded(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    target = S3Uri(BUCKET, "written/rows.csv")
    service_clients.write(b"1,318\n", target)
    assert service_clients.objects(S3Uri(BUCKET, "written/")) == [target]
    assert service_clients.read(target) == b"1,318\n"
    assert b"".join(service_clients.chunks(target, size=4)) == b"1,318\n"
    service_clients.download(target, tmp_path / "deep" / "rows.csv")
    assert (tmp_path / "deep" / "rows.csv").read_bytes() == b"1,318\n"
    service_clients.delete(target)
    assert service_clients.objects(target) == []


def test_what_a_key_encrypts_says_so(
    settings: StackSettings, service_clients: ServiceClients, tmp_path: Path
) -> None:
    key = clients(settings)("kms").create_key()["KeyMetadata"]["KeyId"]
    file = tmp_path / "rows.csv"
    file.write_bytes(b"1,318\n")
    targets = [S3Uri(BUCKET, "written"), S3Uri(BUCKET, "uploaded")]
    service_clients.write(b"1,318\n", targets[0], key)
    service_clients.upload(file, targets[1], key)
    for target in targets:
        found = clients(settings)("s3").head_object(Bucket=BUCKET, Key=target.key)
        assert found["ServerSideEncryption"] == "aws:kms"
        assert found["SSEKMSKeyId"].endswith(key)


def test_an_absent_object_is_a_failure_reason(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    reason = f"ClientError: Failed to download {ABSENT}"
    with pytest.raises(FailureReasonError, match=reason):
        service_clients.read(ABSENT)
    with pytest.raises(FailureReasonError, match=reason):
        service_clients.download(ABSENT, tmp_path / "file")


def test_a_key_that_leads_out_of_its_folder_is_not_downloaded(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    outside = S3Uri(BUCKET, "data/../../escaped")
    folder = tmp_path / "folder"
    with pytest.raises(FailureReasonError, match="its key leads out of the folder"):
        service_clients.download(outside, folder / "../../escaped")
    assert not folder.exists()


def test_a_key_that_is_a_folder_of_another_is_a_failure_reason(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    for key in ("folder", "folder/file"):
        service_clients.write(b"", S3Uri(BUCKET, key))
    service_clients.download(S3Uri(BUCKET, "folder"), tmp_path / "folder")
    with pytest.raises(FailureReasonError, match="folder/file to this disk: File exi"):
        service_clients.download(
            S3Uri(BUCKET, "folder/file"), tmp_path / "folder" / "file"
        )


def test_a_file_is_not_uploaded_if_a_link_leads_out_of_its_directory(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    directory = tmp_path / "checkpoints"
    directory.mkdir()
    (directory / "link").symlink_to("../secret")
    target = S3Uri(BUCKET, "link")
    with pytest.raises(OSError, match="it isn't below"):
        service_clients.upload(directory / "link", target, below=directory)
    assert service_clients.objects(target) == []


def test_an_absent_bucket_is_a_failure_reason(
    service_clients: ServiceClients, tmp_path: Path
) -> None:
    nowhere = S3Uri("nowhere", "file")
    file = tmp_path / "file"
    file.touch()
    reason = "ClientError: Failed to upload to s3://nowhere/file"
    with pytest.raises(FailureReasonError, match=reason):
        service_clients.write(b"", nowhere)
    with pytest.raises(FailureReasonError, match=reason):
        service_clients.upload(file, nowhere)


def test_an_address_that_is_not_in_s3_is_refused() -> None:
    with pytest.raises(RefusedError, match="'gs://bucket' is no S3 URI"):
        parse_s3_uri("gs://bucket")
