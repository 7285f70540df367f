"""The services' process: ``python -m launcher.local.service DIRECTORY``.

moto's server answers for S3, ECR's repositories, IAM, STS and CloudWatch Logs; what
concerns images, jobs and endpoints is made real in front of it. The process ends with
the containers that it started.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from launcher.local.api import Api, Operation, Route
from launcher.local.cloud import Cloud
from launcher.local.docker import Docker
from launcher.local.endpoints import Endpoints
from launcher.local.images import Images
from launcher.local.invocation import Invocations
from launcher.local.models import Models
from launcher.local.packages import Packages
from launcher.local.platform import Platform
from launcher.local.registry import Registry
from launcher.local.settings import Settings
from launcher.local.training import TrainingJobs
from launcher.local.transform import TransformJobs
from launcher.local.tuning import TuningJobs
from launcher.ports import LOOPBACK


def application(settings: Settings) -> Api:
    """All services of a stack."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )

    cloud = Cloud(settings)
    images = Images(settings, Registry(settings), cloud)
    platform = Platform(settings, Docker(settings), cloud, images)
    training, models = TrainingJobs(platform), Models(platform)
    endpoints = Endpoints(platform, models)
    invocations = Invocations(platform, endpoints)
    tags = {
        name: _if_owned(platform, operation)
        for name, operation in platform.tags.operations.items()
    }
    tuning, transform = TuningJobs(platform, training), TransformJobs(platform, models)
    parts = (training, tuning, models, endpoints, transform, Packages(settings))
    sagemaker: dict[str, Operation] = {
        name: call for part in parts for name, call in part.operations.items()
    }
    operations: dict[tuple[str, str], Operation] = {
        **{("ecr", name): operation for name, operation in images.operations.items()},
        **{
            ("service-quotas", name): operation
            for name, operation in platform.quotas.operations.items()
        },
        **{
            ("sagemaker", name): operation
            for name, operation in {**sagemaker, **tags}.items()
        },
    }
    routes: dict[str, Route] = {
        "POST /endpoints/([^/]+)/invocations": invocations.invoke,
        "POST /endpoints/([^/]+)/async-invocations": invocations.invoke_later,
        "POST /_local/interrupt/(.+)": _interruption(training),
    }
    return Api(
        settings, DomainDispatcherApplication(create_backend_app), operations, routes
    )


def _interruption(training: TrainingJobs) -> Route:
    def interrupt(_request: Request, job: str) -> Response:
        training.interrupt(job)
        return Response(status=204)

    return interrupt


def _if_owned(platform: Platform, operation: Operation) -> Operation:
    return lambda request: operation(request) if platform.tags.owns(request) else None


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; the exit code."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    settings = Settings.load(Path(arguments[0]))
    server = make_server(
        LOOPBACK,
        settings.port,
        application(settings),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    signal.signal(signal.SIGTERM, _exit)
    try:
        server.serve_forever()
    finally:
        Docker(settings).remove_all()
    return 0


def _exit(_number: int, _frame: Any) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
