"""The stack's own S3 and IAM as jobs use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.service_clients import ServiceClients, parse_s3_uri
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri
from tests.launcher.local.conftest import STATEMENT

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


def create_role(
    service_clients: ServiceClients, name: str, statement: dict[str, Any]
) -> str:
    document = {"Version": "2012-10-17", "Statement": statement}
    made = service_clients.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(document)
    )
    return str(made["Role"]["Arn"])


def test_a_role_that_trusts_sagemaker_may_be_assumed(
    service_clients: ServiceClients,
) -> None:
    services = ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]
    several = {**STATEMENT, "Principal": {"Service": services}}
    service_clients.check_role(create_role(service_clients, "several", several))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lambda-role", {"Principal": {"Service": "lambda.amazonaws.com"}}),
        ("account-role", {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
        ("denied", {"Effect": "Deny"}),
    ],
)
def test_a_role_that_does_not_trust_sagemaker_is_refused(
    service_clients: ServiceClients, name: str, changed: dict[str, Any]
) -> None:
    arn = create_role(service_clients, name, {**STATEMENT, **changed})
    with pytest.raises(RefusedError, match=f"Could not assume role {arn}"):
        service_clients.check_role(arn)


def test_an_address_that_is_not_in_s3_is_refused() -> None:
    with pytest.raises(RefusedError, match="'gs://bucket' is no S3 URI"):
        parse_s3_uri("gs://bucket")
