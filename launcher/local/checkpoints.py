"""Keeps a directory and a place in S3 the same while a job runs: what is written or
deleted here is so there.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from launcher.local.cloud import Cloud
from launcher.local.errors import JobError
from launcher.s3_uri import S3Uri

_SECONDS = 1.0


class Checkpoints:
    """The checkpoints of one host."""

    def __init__(self, cloud: Cloud, where: S3Uri, directory: Path) -> None:
        self._cloud = cloud
        self._where = where
        self._directory = directory
        self._known: dict[str, tuple[int, int]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, daemon=True, name="checkpoints"
        )

    def restore(self) -> None:
        """Download what there is, before the container starts."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for key, _ in self._cloud.keys(
            S3Uri(self._where.bucket, f"{self._where.key.rstrip('/')}/")
        ):
            name = key[len(self._where.key.rstrip("/")) + 1 :]
            self._cloud.download(S3Uri(self._where.bucket, key), self._directory / name)
        self._known = self._present()

    def start(self) -> None:
        """Begin to upload."""
        self._thread.start()

    def stop(self) -> None:
        """Upload what is left, and end.

        Raises:
            JobError: if the bucket doesn't take it.
        """
        self._stopped.set()
        self._thread.join()
        self._sync()

    def _run(self) -> None:
        while not self._stopped.wait(_SECONDS):
            # A bucket that doesn't take it is reported by the last round, whose error
            # the job sees.
            with contextlib.suppress(JobError):
                self._sync()

    def _sync(self) -> None:
        present = self._present()
        for name, state in present.items():
            if self._known.get(name) == state:
                continue
            try:
                self._cloud.upload(self._directory / name, self._where / name)
            except (
                FileNotFoundError
            ):  # replaced or deleted meanwhile; the next round sees that
                continue
            self._known[name] = state
        for name in self._known.keys() - present.keys():
            self._cloud.delete(self._where / name)
            del self._known[name]

    def _present(self) -> dict[str, tuple[int, int]]:
        """Size and time of last change of each file."""
        found = {}
        for path in self._directory.rglob("*"):
            try:
                if path.is_file():
                    status = path.stat()
                    found[str(path.relative_to(self._directory))] = (
                        status.st_size,
                        status.st_mtime_ns,
                    )
            except FileNotFoundError:
                continue
        return found
