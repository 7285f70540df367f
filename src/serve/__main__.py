"""The ``serve`` command: what ``docker run IMAGE serve`` executes, as process 1.

A model is loaded and has passed its self-test before the port is bound, so an answer
from ``/ping`` means that the model is good. A fault that the user can mend is one line
on stderr and exit code 1.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from movielens.errors import HalfstarError
from movielens.machine import cpus, memory_bytes
from movielens.signature import signing_key
from serve.resources import MIB, MODEL_FACTOR, choose_workers, is_serverless
from serve.settings import ServeSettings, SettingsError

if TYPE_CHECKING:
    import socket

    from serve.app import Api
    from serve.operations.instruments import Instruments
    from serve.operations.observer import Observer
    from serve.served_model import ServedModel
    from serve.supervisor import Desk

_log = logging.getLogger("serve")

# What a process takes before it has a model.
_BASE_BYTES = 64 * MIB


class _Prepared(NamedTuple):
    """What is ready to be served.

    Attributes:
        directory: where the models are, for the log.
        make_application: makes what answers the requests, in the process that does so.
        workers: the number of such processes.
        description: for the log.
        desk: where workers leave reports and tasks; None if they have none.
        model: as in `serve.operations.report.Report`.
    """

    directory: Path
    make_application: Callable[[], Api]
    workers: int
    description: str
    desk: Desk | None = None
    model: Mapping[str, str] = MappingProxyType({})


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight and exit 0."""
    # A crash in a library leaves a trace in the log.
    faulthandler.enable()
    # Until the workers start, nothing that is imported or loaded is garbage.
    gc.disable()
    # Process 1 has no default handlers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # The libraries read these when they are loaded. Requests run in parallel anyway,
    # and idle threads would not survive the fork.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        _serve(ServeSettings.from_environment(os.environ))
    except HalfstarError as error:
        sys.exit(f"serve: {error}")


def _serve(settings: ServeSettings) -> None:
    # These take a while to import, which bad settings needn't wait for.
    from serve.privileges import become
    from serve.server import bind, make_server
    from serve.supervisor import Supervisor

    # Every model is checked with it; a bad one is said at once.
    signing_key()
    prepare = _many_models if settings.is_multi_model else _one_model
    prepared = prepare(settings)
    try:
        sockets = bind(settings.port, prepared.workers)
    except OSError as error:
        raise SettingsError(
            f"can't listen on port {settings.port}: {error.strerror}; "
            "set SAGEMAKER_BIND_TO_PORT"
        ) from None
    instruments = _instruments(settings, prepared)
    _log.info(
        "serving %s on port %d: %s",
        prepared.directory,
        settings.port,
        prepared.description,
    )
    # Models that are loaded by request may be in files that only root can read.
    if settings.user is not None and not settings.is_multi_model:
        become(settings.user)
    # What is loaded stays. Collections that visited it would make the workers copy it.
    gc.freeze()

    def work(bound: socket.socket, watch: int) -> None:
        gc.enable()
        if instruments is not None and bound is instruments.bound:
            instruments.export(bound, watch)
            return
        application = prepared.make_application()
        observer: Observer | None = None
        if instruments is not None:
            observer = instruments.observer(application, sockets.index(bound))
        server = make_server(
            application,
            watch,
            settings.client_limits,
            settings.arrived_bytes,
            observer,
        )
        try:
            server.run(sockets=[bound])
        finally:
            if observer is not None:
                observer.flush()

    if instruments is None or instruments.bound is None:
        Supervisor(sockets, work, desk=prepared.desk).run()
    else:
        Supervisor([*sockets, instruments.bound], work, desk=prepared.desk).run()
        instruments.close()


def _instruments(settings: ServeSettings, prepared: _Prepared) -> Instruments | None:
    """What counts and logs the requests; None if nothing is to."""
    operations = settings.operations
    if not operations.is_observed:
        return None
    from serve.operations.instruments import Instruments

    try:
        return Instruments(settings, prepared.workers, prepared.model)
    except OSError as error:
        raise SettingsError(
            f"can't listen on port {operations.metrics_port}: {error.strerror}; "
            "set HALFSTAR_METRICS_PORT"
        ) from None


def _one_model(settings: ServeSettings) -> _Prepared:
    from serve.app import Application
    from serve.served_model import load

    began = time.monotonic()
    served = load(settings.model_dir)
    seconds = time.monotonic() - began

    model = served.model
    shared_bytes = _BASE_BYTES + MODEL_FACTOR * served.artifact.n_bytes
    most_workers = 1 if is_serverless(os.environ) else cpus()
    workers = settings.workers or choose_workers(
        most_workers, memory_bytes(), shared_bytes, settings.max_body_mib
    )
    description = (
        f"{len(model.class_values)} classes, {len(model.movies)} movies, "
        f"{len(model.spec.users.ids)} users, loaded in {seconds:.2f} s, "
        f"{workers} workers"
    )
    application = Application(served, settings)
    return _Prepared(
        settings.model_dir,
        lambda: application,
        workers,
        description,
        model=_described(served) if settings.operations.is_exported else {},
    )


def _described(served: ServedModel) -> dict[str, str]:
    from serve.operations.report import describe_model

    return describe_model(served.artifact.manifest)


def _many_models(settings: ServeSettings) -> _Prepared:
    """One worker, because a request loads a model in the process that it reaches.

    XGBoost proves each model, in a process that is forked. So it is imported before.
    """
    import xgboost  # noqa: F401

    from serve.model_places import ModelPlaces
    from serve.models import ModelLimits, Models
    from serve.multi_model import MultiModelApplication
    from serve.registry import open_line

    memory = settings.models_mib * MIB or memory_bytes() // 2
    registry, line = open_line()

    def make_application() -> Api:
        models = Models(
            ModelPlaces(settings.models_dir),
            ModelLimits(memory),
            line,
            registry.models,
        )
        return MultiModelApplication(models, settings)

    description = f"models by request, up to {memory // MIB} MiB of them"
    root = settings.models_dir
    return _Prepared(root, make_application, 1, description, registry)


if __name__ == "__main__":
    main()
