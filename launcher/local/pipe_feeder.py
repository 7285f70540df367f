"""Pipe mode: a channel's objects one after the other through a FIFO, and a new FIFO for
each epoch.

``CHANNEL_0`` is there before the container starts, and each next FIFO as soon as the
one before it is being read, so no reader has to wait for one to appear.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from launcher.local.input_channels import InputChannel, InputObject
from launcher.local.service_clients import ServiceClients

_POLL_SECONDS = 0.02
# zlib's parameter for gzip's format.
_GZIP_WINDOW = 31


class PipeFeeder(threading.Thread):
    """Feeds one channel of one host until it is stopped.

    Args:
        clients: to read from S3.
        channel: that the objects belong to.
        objects: this host's, in order.
        data_dir: the host's ``input/data``.
    """

    def __init__(
        self,
        clients: ServiceClients,
        channel: InputChannel,
        objects: Sequence[InputObject],
        data_dir: Path,
    ) -> None:
        super().__init__(daemon=True, name=f"pipe-{channel.name}")
        self._clients = clients
        self._channel = channel
        self._objects = objects
        self._data_dir = data_dir
        self._stopped = threading.Event()
        self._make_fifo(0)

    def run(self) -> None:
        """Feed epoch after epoch."""
        epoch = 0
        while True:
            # Waits until somebody reads.
            fifo = os.open(self._path(epoch), os.O_WRONLY)
            if self._stopped.is_set():
                os.close(fifo)
                return
            self._make_fifo(epoch + 1)
            try:
                for chunk in self._chunks():
                    _write_all(fifo, chunk)
            except BrokenPipeError:
                # The reader has seen enough of this epoch.
                pass
            finally:
                os.close(fifo)
            self._path(epoch).unlink(missing_ok=True)
            epoch += 1

    def stop(self) -> None:
        """End the thread. The container must have ended, so that no write waits."""
        self._stopped.set()
        while self.is_alive():
            for path in self._data_dir.glob(f"{self._channel.name}_*"):
                # The thread may be done with it by now.
                with suppress(FileNotFoundError):
                    # A reader for a moment, in place of the container.
                    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self.join(_POLL_SECONDS)

    def _chunks(self) -> Iterator[bytes]:
        for entry in self._objects:
            chunks = self._clients.chunks(entry.source)
            if not self._channel.is_compressed:
                yield from chunks
                continue
            decompressor = zlib.decompressobj(wbits=_GZIP_WINDOW)
            for chunk in chunks:
                yield decompressor.decompress(chunk)
            yield decompressor.flush()

    def _path(self, epoch: int) -> Path:
        return self._data_dir / f"{self._channel.name}_{epoch}"

    def _make_fifo(self, epoch: int) -> None:
        os.mkfifo(self._path(epoch), 0o666)


def _write_all(fifo: int, data: bytes) -> None:
    """Write without a buffer, which would try again to write what nobody reads."""
    rest = memoryview(data)
    while rest:
        n_written = os.write(fifo, rest)
        rest = rest[n_written:]
