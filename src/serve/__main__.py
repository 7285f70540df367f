"""The ``serve`` command: what ``docker run IMAGE serve`` executes, as PID 1.

The model is loaded and has passed its self-test before the port is bound, so that
whoever gets an answer from ``/ping`` can rely on it. A fault that the user can mend is
one line on stderr and exit code 1.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from movielens.errors import HalfstarError
from serve.resources import MIB, choose_workers, cpus, is_serverless, memory_bytes
from serve.settings import Settings, SettingsError

if TYPE_CHECKING:
    import socket

    from serve.app import Api

_log = logging.getLogger("serve")

# What a process has before it has a model.
_BASE_BYTES = 64 * MIB


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun and exit 0."""
    gc.disable()  # until the workers start: nothing that is imported or loaded is garbage
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # as PID 1 there is no default handler
        signal.signal(number, lambda *_: sys.exit(0))
    # Read when the libraries are loaded. Each request has a thread anyway, and idle
    # ones would not outlive the fork.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        _serve(Settings.from_environment(os.environ))
    except HalfstarError as error:
        sys.exit(f"serve: {error}")


def _serve(settings: Settings) -> None:
    from serve.server import bind, make_server
    from serve.supervisor import Supervisor

    application, workers, words = (
        _many_models(settings) if settings.is_multi_model else _one_model(settings)
    )
    try:
        sockets = bind(settings.port, workers)
    except OSError as error:
        raise SettingsError(
            f"can't listen on port {settings.port}: {error.strerror}; set SAGEMAKER_BIND_TO_PORT"
        ) from None
    _log.info("serving %s on port %d: %s", settings.model_dir, settings.port, words)
    gc.freeze()  # what is loaded is here to stay, so that no collection need visit it and unshare its memory

    def work(bound: socket.socket, watch: int) -> None:
        gc.enable()
        make_server(application, watch).run(sockets=[bound])

    Supervisor(sockets, work).run()


def _one_model(settings: Settings) -> tuple[Api, int, str]:
    from serve.app import Application
    from serve.served_model import load

    began = time.monotonic()
    served = load(settings.model_dir)
    model, seconds = served.model, time.monotonic() - began
    shared = _BASE_BYTES + 3 * served.artifact.n_bytes
    most = 1 if is_serverless(os.environ) else cpus()
    workers = settings.workers or choose_workers(
        most, memory_bytes(), shared, settings.max_body_mib
    )
    counts = len(model.class_values), len(model.movies), len(model.spec.users.ids)
    words = "{} classes, {} movies, {} users, loaded in {:.2f} s, {} workers".format(
        *counts, seconds, workers
    )
    return Application(served, settings), workers, words


def _many_models(settings: Settings) -> tuple[Api, int, str]:
    """One worker, since a model that is loaded by request is loaded in the process that
    got the request.
    """
    from serve.models import Models
    from serve.multi_model import MultiModelApplication

    memory = settings.models_mib * MIB or memory_bytes() // 2
    models = Models(memory)
    return (
        MultiModelApplication(models, settings),
        1,
        f"models by request, up to {memory // MIB} MiB of them",
    )


if __name__ == "__main__":
    main()
