"""Pipe mode: FIFOs that give a channel's objects, a new one for each epoch."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.local.input_channels import InputChannel, InputObject, objects_of
from launcher.local.pipe_feeder import PipeFeeder
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri

BUCKET = "pipes"


@pytest.fixture(scope="module")
def service_clients(settings: StackSettings) -> ServiceClients:
    """Of a stack with plain and compressed objects."""
    found = ServiceClients(settings)
    found.client("s3").create_bucket(Bucket=BUCKET)
    for name in ("a", "b"):
        rows = f"rows of {name}\n".encode()
        found.write(rows, S3Uri(BUCKET, f"plain/{name}"))
        found.write(gzip.compress(rows), S3Uri(BUCKET, f"packed/{name}"))
    found.write(bytes(2**20), S3Uri(BUCKET, "long/a"))
    return found


def feed(
    service_clients: ServiceClients, folder: str, data_dir: Path, **members: Any
) -> Iterator[None]:
    """Feed the objects of a folder until the generator is closed."""
    uri = f"s3://{BUCKET}/{folder}/"
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    entry = {"ChannelName": "training", "DataSource": {"S3DataSource": source}}
    channel = InputChannel({**entry, **members}, "Pipe")
    objects: list[InputObject] = objects_of(service_clients, channel.source)
    feeder = PipeFeeder(service_clients, channel, objects, data_dir)
    feeder.start()
    try:
        yield
    finally:
        feeder.stop()


@pytest.fixture
def plain(service_clients: ServiceClients, tmp_path: Path) -> Iterator[None]:
    yield from feed(service_clients, "plain", tmp_path)


@pytest.fixture
def packed(service_clients: ServiceClients, tmp_path: Path) -> Iterator[None]:
    yield from feed(service_clients, "packed", tmp_path, CompressionType="Gzip")


@pytest.fixture
def long(service_clients: ServiceClients, tmp_path: Path) -> Iterator[None]:
    yield from feed(service_clients, "long", tmp_path)


@pytest.mark.usefixtures("plain")
def test_every_epoch_has_a_pipe_with_all_objects(tmp_path: Path) -> None:
    for epoch in range(3):
        text = (tmp_path / f"training_{epoch}").read_text()
        assert text == "rows of a\nrows of b\n"


@pytest.mark.usefixtures("packed")
def test_compressed_objects_are_decompressed(tmp_path: Path) -> None:
    assert (tmp_path / "training_0").read_text() == "rows of a\nrows of b\n"


@pytest.mark.usefixtures("long")
def test_a_reader_may_stop_before_the_end(tmp_path: Path) -> None:
    with (tmp_path / "training_0").open("rb") as pipe:
        assert pipe.read(10) == bytes(10)
    assert len((tmp_path / "training_1").read_bytes()) == 2**20
