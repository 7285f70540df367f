"""The services' process: ``python -m launcher.local.service DIRECTORY``.

moto's server answers for S3, ECR's repositories, IAM, STS and CloudWatch Logs. The
gateway before it makes images, jobs and endpoints real. When the process ends, so do
the containers that it started.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import NoReturn

from werkzeug.wrappers import Request, Response

from launcher.local.ecr_images import EcrImages
from launcher.local.endpoints import Endpoints
from launcher.local.engine import DockerEngine
from launcher.local.gateway import Gateway, Route
from launcher.local.invocation import Invocations
from launcher.local.model_catalog import ModelCatalog
from launcher.local.model_packages import ModelPackages
from launcher.local.operation import HasOperations, Operation
from launcher.local.registry import RegistryServer
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.local.stack_parts import StackParts
from launcher.local.training import TrainingJobs
from launcher.local.transform import TransformJobs
from launcher.local.tuning import TuningJobs
from launcher.ports import LOOPBACK


def application(settings: StackSettings) -> Gateway:
    """All services of a stack."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )

    engine = DockerEngine(settings)
    clients = ServiceClients(settings)
    images = EcrImages(settings, RegistryServer(settings), clients)
    parts = StackParts(settings, engine, clients, images)

    catalog = ModelCatalog(parts)
    endpoints = Endpoints(parts, catalog)
    training = TrainingJobs(parts)
    transform = TransformJobs(parts, catalog)
    tuning = TuningJobs(parts, training)
    packages = ModelPackages(settings.region)
    jobs: list[HasOperations] = [training, transform, tuning]
    hosting: list[HasOperations] = [catalog, endpoints]
    by_service: dict[str, list[HasOperations]] = {
        "ecr": [images],
        "service-quotas": [parts.quotas],
        "sagemaker": [*jobs, *hosting, packages, parts.tags],
    }
    operations: dict[tuple[str, str], Operation] = {}
    for service, owners in by_service.items():
        for owner in owners:
            for name, operation in owner.operations.items():
                operations[service, name] = operation

    invocations = Invocations(parts, endpoints)
    routes: dict[str, Route] = {
        "POST /endpoints/([^/]+)/invocations": invocations.invoke,
        "POST /endpoints/([^/]+)/async-invocations": invocations.invoke_later,
        "POST /_local/interrupt/(.+)": _interruption(training),
    }
    moto = DomainDispatcherApplication(create_backend_app)
    return Gateway(settings, moto, operations, routes)


def _interruption(training: TrainingJobs) -> Route:
    """The stack's own route, behind ``launcher local interrupt``."""

    def interrupt(_request: Request, job: str) -> Response:
        training.interrupt(job)
        return Response(status=204)

    return interrupt


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM.

    Args:
        arguments: the stack's directory.

    Returns:
        The exit code.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # It logs every request.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    settings = StackSettings.load(Path(arguments[0]))
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
        DockerEngine(settings).remove_all()
    return 0


def _exit(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
