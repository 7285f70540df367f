"""Where the models of a multi-model endpoint may be, and how large they are there.

A request names a directory. It may not make the server read anything else, or say what
else there is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from movielens.artifact import FILES
from movielens.manifest import MANIFEST
from movielens.regular_files import LeadsOutError, directory_below, regular_size
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

    Attributes:
        root: such as ``/opt/ml/models``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, url: str) -> Place:
        """Look at the directory that a request names, without opening a file.

        What is there may have changed when it is read, so it must be read with the root
        as ``below`` (`movielens.artifact.read`).

        Raises:
            HttpError: 404 if there is no such directory; 400 if it isn't below the
                root, if a link leads out of there, or if it has no manifest.
        """
        self._check_text(url)
        try:
            path = directory_below(Path(url), self.root)
        except LeadsOutError:
            raise self._elsewhere(url) from None
        except OSError:
            raise HttpError(404, f"no directory {_shown(url)}") from None

        sizes = self._sizes(url, path)
        if MANIFEST not in sizes:
            raise HttpError(
                400,
                f"no {MANIFEST} in {_shown(url)}: unpack the model.tar.gz of a "
                "training job there",
            )
        return Place(path, sum(sizes.values()))

    def _sizes(self, url: str, path: Path) -> dict[str, int]:
        """The sizes of the files that are there, by name."""
        sizes = {}
        for name in FILES:
            try:
                sizes[name] = regular_size(path / name, self.root)
            except FileNotFoundError:
                continue
            except LeadsOutError:
                raise self._elsewhere(url) from None
            except OSError as error:
                reason = error.strerror or error
                raise HttpError(400, f"{name} in {_shown(url)}: {reason}") from None
        return sizes

    def _check_text(self, url: str) -> None:
        """Refuse what can't be below the root, before anything is looked at."""
        path = Path(url)
        try:
            is_path = len(os.fsencode(url)) <= _LONGEST and "\0" not in url
        except UnicodeEncodeError:  # half a surrogate
            is_path = False
        if not is_path or self.root not in path.parents or ".." in path.parts:
            raise self._elsewhere(url)

    def _elsewhere(self, url: str) -> HttpError:
        return HttpError(
            400,
            f"{_shown(url)} isn't below {self.root}, or a link in it leads out of "
            "there; put the model's own files there",
        )


def _shown(url: str) -> str:
    return repr(url[:_LONGEST_SHOWN])
