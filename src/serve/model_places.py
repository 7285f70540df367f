"""Where the models of a multi-model endpoint may be, and how large they are there.

A request names a directory. It may not make the server read anything else, or say what
else there is.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from movielens.artifact import FILES
from movielens.manifest import MANIFEST
from serve.errors import HttpError

# Linux takes no longer paths. Error messages show less.
_LONGEST = 4095
_LONGEST_SHOWN = 200


class Place(NamedTuple):
    """A directory with a model's files.

    Attributes:
        path: without links.
        n_bytes: the size of the files.
    """

    path: Path
    n_bytes: int


class ModelPlaces:
    """The directories below a root.

    Args:
        root: such as ``/opt/ml/models``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, url: str) -> Place:
        """Look at the directory that a request names, without opening a file.

        Raises:
            HttpError: 404 if there is no such directory; 400 if it isn't below the
                root, if a link leads out of there, or if it has no manifest.
        """
        self._check_text(url)
        path = self._resolved(url, Path(url))
        if not path.is_dir():
            raise HttpError(404, f"no directory {_shown(url)}")

        sizes = {}
        for name in FILES:
            file = self._resolved(url, path / name)
            if file.exists():
                sizes[name] = _size(file, f"{name} in {_shown(url)}")
        if MANIFEST not in sizes:
            raise HttpError(
                400,
                f"no {MANIFEST} in {_shown(url)}: unpack the model.tar.gz of a "
                "training job there",
            )
        return Place(path, sum(sizes.values()))

    def _check_text(self, url: str) -> None:
        """Refuse what can't be below the root, before anything is looked at."""
        path = Path(url)
        try:
            is_path = len(os.fsencode(url)) <= _LONGEST and "\0" not in url
        except UnicodeEncodeError:  # half a surrogate
            is_path = False
        if not is_path or not _is_below(path, self._root) or ".." in path.parts:
            raise self._elsewhere(url)

    def _resolved(self, url: str, path: Path) -> Path:
        """The path without links."""
        resolved = Path(os.path.realpath(path))
        if not _is_below(resolved, Path(os.path.realpath(self._root))):
            raise self._elsewhere(url)
        return resolved

    def _elsewhere(self, url: str) -> HttpError:
        return HttpError(
            400,
            f"{_shown(url)} isn't below {self._root}, or a link in it leads out of "
            "there; put the model's own files there",
        )


def _is_below(path: Path, root: Path) -> bool:
    return root in path.parents


def _size(file: Path, name: str) -> int:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise HttpError(400, f"{name} is no regular file")
    return status.st_size


def _shown(url: str) -> str:
    return repr(url[:_LONGEST_SHOWN])
