"""Channels, and the objects that belong to them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launcher.local.errors import FailureReasonError
from launcher.local.input_channels import (
    InputChannel,
    InputObject,
    channels_of,
    objects_in_manifest,
    objects_of,
    objects_under_prefix,
)
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri

BUCKET = "channels"


@pytest.fixture(scope="module")
def service_clients(settings: StackSettings) -> ServiceClients:
    """Of a stack with some objects in a bucket."""
    found = ServiceClients(settings)
    found.client("s3").create_bucket(Bucket=BUCKET)
    for key in ("data/b.csv", "data/a.csv", "data/deep/c.csv", "database.csv"):
        found.write(b"", S3Uri(BUCKET, key))
    found.client("s3").put_object(Bucket=BUCKET, Key="data/folder/")
    return found


def entry(uri: str = "s3://channels/data", **members: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {
        "ChannelName": "training",
        "DataSource": {"S3DataSource": source},
        **members,
    }


@pytest.mark.parametrize(
    ("prefix", "paths"),
    [
        ("data/", ["a.csv", "b.csv", "deep/c.csv"]),
        ("data/a.csv", ["a.csv"]),
        ("data/d", ["deep/c.csv"]),
        # The prefix ends within a name, so that other folders and files belong to it.
        (
            "data",
            ["data/a.csv", "data/b.csv", "data/deep/c.csv", "database.csv"],
        ),
        ("", ["data/a.csv", "data/b.csv", "data/deep/c.csv", "database.csv"]),
        ("none", []),
    ],
)
def test_paths_begin_after_the_folder_of_the_prefix(
    service_clients: ServiceClients, prefix: str, paths: list[str]
) -> None:
    found = objects_under_prefix(service_clients, f"s3://{BUCKET}/{prefix}")
    assert [each.path for each in found] == paths


def test_a_key_with_several_slashes_leads_nowhere_else(
    service_clients: ServiceClients,
) -> None:
    key = "slashes//etc/passwd"
    service_clients.write(b"", S3Uri(BUCKET, key))
    try:
        for prefix in ("slashes", "slashes/"):
            (found,) = objects_under_prefix(service_clients, f"s3://{BUCKET}/{prefix}")
            assert found == InputObject(S3Uri(BUCKET, key), "etc/passwd")
    finally:
        service_clients.delete(S3Uri(BUCKET, key))


def test_a_manifest_lists_objects_in_its_own_order(
    service_clients: ServiceClients,
) -> None:
    manifest = S3Uri(BUCKET, "manifests/one.json")
    names = ["b.csv", "deep/c.csv"]
    document = [{"prefix": "s3://channels/data/"}, *names]
    service_clients.write(json.dumps(document).encode(), manifest)
    found = objects_in_manifest(service_clients, str(manifest))
    assert found == [InputObject(S3Uri(BUCKET, f"data/{name}"), name) for name in names]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"[3]",
        b'[{"prefix": "s3://channels/"}, 3]',
        b'[{"prefix": "s3://channels/"}, "../../a.csv"]',
        b'[{"prefix": "s3://channels/"}, "/a.csv"]',
        b"[" * 200_000,
    ],
)
def test_an_odd_manifest_fails_the_job(
    service_clients: ServiceClients, text: bytes
) -> None:
    service_clients.write(text, S3Uri(BUCKET, "odd.manifest"))
    with pytest.raises(FailureReasonError, match=r"Invalid manifest s3://channels/odd"):
        objects_in_manifest(service_clients, "s3://channels/odd.manifest")
    service_clients.delete(S3Uri(BUCKET, "odd.manifest"))


def test_a_channel_without_objects_fails(service_clients: ServiceClients) -> None:
    channel = InputChannel(entry("s3://channels/none"), "File")
    with pytest.raises(
        FailureReasonError, match="No S3 objects found under s3://channels/none"
    ):
        objects_of(service_clients, channel.source)


def test_the_objects_of_a_bucket_that_is_absent_fail(
    service_clients: ServiceClients,
) -> None:
    with pytest.raises(
        FailureReasonError, match="list s3://nowhere/data: The specified bucket"
    ):
        objects_under_prefix(service_clients, "s3://nowhere/data")


def test_only_a_sharded_channel_is_divided_between_hosts() -> None:
    objects = [InputObject(S3Uri(BUCKET, name), name) for name in "abcde"]
    whole = InputChannel(entry(), "File")
    assert whole.shard(objects, 1, 2) == objects

    sharded_entry = entry()
    source = sharded_entry["DataSource"]["S3DataSource"]
    source["S3DataDistributionType"] = "ShardedByS3Key"
    sharded = InputChannel(sharded_entry, "File")
    first = sharded.shard(objects, 0, 2)
    second = sharded.shard(objects, 1, 2)
    assert [each.path for each in first] == ["a", "c", "e"]
    assert [each.path for each in second] == ["b", "d"]


def test_a_channel_has_the_mode_of_its_job_unless_it_has_its_own() -> None:
    job = {
        "AlgorithmSpecification": {"TrainingInputMode": "Pipe"},
        "InputDataConfig": [entry(), entry(InputMode="FastFile")],
    }
    assert [channel.mode for channel in channels_of(job)] == ["Pipe", "FastFile"]
