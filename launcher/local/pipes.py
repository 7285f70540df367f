"""Pipe mode: a channel's objects one after the other through a FIFO, a new FIFO for
each epoch.

``NAME_0`` is there before the container starts and ``NAME_1`` as soon as the first is
being read, so that no reader has to wait for one to appear.
"""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from launcher.local.cloud import Cloud
from launcher.local.layout import Channel, Item

_POLL_SECONDS = 0.02


class Pipe(threading.Thread):
    """Feeds one channel of one host until it is stopped."""

    def __init__(
        self, cloud: Cloud, channel: Channel, items: list[Item], data_dir: Path
    ) -> None:
        super().__init__(daemon=True, name=f"pipe-{channel.name}")
        self._cloud = cloud
        self._channel = channel
        self._items = items
        self._data_dir = data_dir
        self._stopped = threading.Event()
        self._make(0)

    def run(self) -> None:
        """Feed epoch after epoch."""
        epoch = 0
        while (pipe := self._opened(self._path(epoch))) is not None:
            self._make(epoch + 1)
            with os.fdopen(pipe, "wb") as file:
                try:
                    for chunk in self._chunks():
                        file.write(chunk)
                except BrokenPipeError:  # the reader has seen enough
                    file.detach()
                    os.close(pipe)
            self._path(epoch).unlink(missing_ok=True)
            epoch += 1

    def stop(self) -> None:
        """End the thread: the container is gone by now, so that no write waits for it."""
        self._stopped.set()
        self.join()

    def _chunks(self) -> Iterator[bytes]:
        for item in self._items:
            if not self._channel.is_compressed:
                yield from self._cloud.chunks(item.where)
                continue
            unpacker = zlib.decompressobj(wbits=31)  # gzip's own format
            yield from (
                unpacker.decompress(chunk) for chunk in self._cloud.chunks(item.where)
            )
            yield unpacker.flush()

    def _path(self, epoch: int) -> Path:
        return self._data_dir / f"{self._channel.name}_{epoch}"

    def _make(self, epoch: int) -> None:
        os.mkfifo(self._path(epoch), 0o666)

    def _opened(self, path: Path) -> int | None:
        """The FIFO for writing, once somebody reads it."""
        while not self._stopped.is_set():
            try:
                pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody reads it yet
                    raise
                self._stopped.wait(_POLL_SECONDS)
            else:
                os.set_blocking(pipe, True)
                return pipe
        return None
