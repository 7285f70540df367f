"""Keeps a host's checkpoints and their place in S3 the same while a job runs: files
that are written or deleted on the host are written or deleted in S3.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from launcher.local.archives import is_plain
from launcher.local.errors import FailureReasonError
from launcher.local.service_clients import ServiceClients
from launcher.s3_uri import S3Uri
from movielens.regular_files import LeadsOutError

_ROUND_SECONDS = 1.0


class CheckpointSync(threading.Thread):
    """Uploads one host's checkpoints, from a thread of its own."""

    def __init__(self, clients: ServiceClients, remote: S3Uri, directory: Path) -> None:
        super().__init__(daemon=True, name="checkpoints")
        self._clients = clients
        self._remote = remote
        self._directory = directory
        # Size and time of change of each file that S3 has.
        self._synced: dict[str, tuple[int, int]] = {}
        self._stopped = threading.Event()

    def restore(self) -> None:
        """Download what S3 has, before the container starts."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._clients.download_folder(self._remote / "", self._directory)
        self._synced = self._local_files()

    def stop(self) -> None:
        """Upload what is left, and end.

        Raises:
            FailureReasonError: if S3 refuses it.
        """
        self._stopped.set()
        self.join()
        self._sync()

    def run(self) -> None:
        """Upload again and again, until it is stopped."""
        while not self._stopped.wait(_ROUND_SECONDS):
            # If S3 refuses files, `stop` finds that too, and the job then fails.
            with contextlib.suppress(FailureReasonError):
                self._sync()

    def _sync(self) -> None:
        local = self._local_files()
        for name, state in local.items():
            if self._synced.get(name) == state:
                continue
            try:
                # The container may have put a link in its place, which isn't followed.
                self._clients.upload(
                    self._directory / name,
                    self._remote / name,
                    below=self._directory,
                )
            except (FileNotFoundError, NotADirectoryError, LeadsOutError):
                # Replaced or deleted since it was listed; the next round sees that.
                continue
            self._synced[name] = state

        for name in self._synced.keys() - local.keys():
            self._clients.delete(self._remote / name)
            del self._synced[name]

    def _local_files(self) -> dict[str, tuple[int, int]]:
        """Size and time of the last change, by path."""
        found = {}
        for path in self._directory.rglob("*"):
            # The container may delete a file between the two calls.
            with contextlib.suppress(FileNotFoundError):
                if is_plain(path) and path.is_file():
                    status = path.stat()
                    name = str(path.relative_to(self._directory))
                    found[name] = (status.st_size, status.st_mtime_ns)
        return found
