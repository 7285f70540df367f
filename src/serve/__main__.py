"""The ``serve`` command: what ``docker run IMAGE serve`` executes, as PID 1.

The model is loaded and has answered once before the port is bound, so that whoever gets an answer from ``/ping`` can
rely on it. A fault that the user can mend is one line on stderr and exit code 1.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from movielens.errors import HalfstarError
from movielens.queries import RatingQueries
from serve.settings import Settings, SettingsError

if TYPE_CHECKING:
    from movielens.model import Model

_log = logging.getLogger("serve")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun and exit 0."""
    # uvicorn raises the signal again once it has drained. PID 1 has no default handler, and a stop isn't a failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # Read when XGBoost is loaded; more threads than one make a single row slower, and each request has its own anyway.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _serve(Settings.from_environment(os.environ))
    except HalfstarError as error:
        sys.exit(f"serve: {error}")


def _serve(settings: Settings) -> None:
    from serve.app import Application
    from serve.server import bind, make_server

    began = time.monotonic()
    model = _load(settings.model_dir)
    seconds = time.monotonic() - began
    try:
        bound = bind(settings.port)
    except OSError as error:
        raise SettingsError(
            f"can't listen on port {settings.port}: {error.strerror}; set SAGEMAKER_BIND_TO_PORT"
        ) from None
    counts = len(model.class_values), len(model.movies), len(model.spec.users.ids)
    _log.info(
        "serving %s on port %d: %d classes, %d movies, %d users, loaded in %.2f s",
        *(settings.model_dir, settings.port, *counts, seconds),
    )
    gc.freeze()  # the catalogue is here to stay, so that no collection need visit it
    with bound:
        make_server(Application(model, settings)).run(sockets=[bound])


def _load(model_dir: Path) -> Model:
    """The model, warm: its first prediction costs more than the others."""
    from movielens.artifact import load

    model = load(model_dir)
    model.predict(RatingQueries(np.array([1]), np.array([1]), np.array([np.nan])))
    return model


if __name__ == "__main__":
    main()
