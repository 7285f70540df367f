"""The services' process: ``python -m launcher.local.service DIRECTORY``.

moto's server answers for S3, ECR's repositories, IAM, STS, CloudWatch, KMS and VPCs.
The gateway before it makes images, jobs and endpoints real. When the process ends, so
do the containers that it started.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from launcher.local.access import check_access
from launcher.local.autoscaling import Autoscaling
from launcher.local.cloudwatch import cloudwatch
from launcher.local.ecr_images import EcrImages
from launcher.local.endpoints import Endpoints
from launcher.local.engine import DockerEngine
from launcher.local.errors import invalid
from launcher.local.gateway import Gateway, Region, Route, WsgiApplication
from launcher.local.invocation import Invocations
from launcher.local.model_packages import ModelPackages
from launcher.local.models import ModelCatalog
from launcher.local.operation import Operation, Parameters
from launcher.local.policies import offer_simulation
from launcher.local.quotas import list_quotas
from launcher.local.registry import RegistryServer
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.local.stack_parts import StackParts
from launcher.local.training import TrainingJobs
from launcher.local.transform import TransformJobs
from launcher.local.tuning import TuningJobs
from launcher.ports import LOOPBACK

# Objects of S3 up to this size are kept in memory.
_IN_MEMORY_BYTES = 16 * 1024


def application(settings: StackSettings) -> Gateway:
    """All services of a stack."""
    _forget_what_moto_makes()
    offer_simulation()
    lock = threading.Lock()
    regions: dict[str, Region] = {}

    def region(name: str) -> Region:
        with lock:
            if name not in regions:
                its_settings = dataclasses.replace(settings, region=name)
                is_home = name == settings.region
                regions[name] = _region(its_settings, is_home=is_home)
            return regions[name]

    return Gateway(settings, _moto(), region, partial(check_access, settings))


def _region(settings: StackSettings, *, is_home: bool) -> Region:
    """Our part of a region; regions share S3 and IAM alone."""
    engine = DockerEngine(settings)
    clients = ServiceClients(settings)
    images = EcrImages(settings, RegistryServer(settings))
    watch = cloudwatch(settings.region)
    parts = StackParts(settings, engine, clients, images, watch)

    packages = ModelPackages(parts)
    catalog = ModelCatalog(parts, packages)
    endpoints = Endpoints(parts, catalog)
    training = TrainingJobs(parts)
    transform = TransformJobs(parts, catalog)
    tuning = TuningJobs(parts, training)
    jobs = {**training.operations, **transform.operations, **tuning.operations}
    hosting = {**packages.operations, **catalog.operations, **endpoints.operations}
    operations: dict[str, Mapping[str, Operation]] = {
        "application-autoscaling": Autoscaling(parts, endpoints).operations,
        "ecr": images.operations,
        "sagemaker": {**jobs, **hosting, **parts.tags.operations},
        "servicequotas": {"ListServiceQuotas": list_quotas},
    }
    if not is_home:
        images.operations["CreateRepository"] = _refuse_repository

    invocations = Invocations(parts, endpoints)
    routes: dict[str, Route] = {
        "POST /endpoints/([^/]+)/invocations": invocations.invoke,
        "POST /endpoints/([^/]+)/invocations-response-stream": invocations.stream,
        "POST /endpoints/([^/]+)/async-invocations": invocations.invoke_later,
        "POST /_local/interrupt/(.+)": training.interrupt,
    }
    return Region(operations, routes)


def _refuse_repository(_parameters: Parameters) -> NoReturn:
    raise invalid("images are kept in the region that `launcher local up` was given")


def _moto() -> WsgiApplication:
    """moto's services; what they don't have is an error, and no page in HTML."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )

    def create(service: Any) -> Any:
        app = create_backend_app(service)
        app.config["PROPAGATE_EXCEPTIONS"] = True
        return app

    application: WsgiApplication = DomainDispatcherApplication(create)
    return application


def _forget_what_moto_makes() -> None:
    """Free what is deleted: moto keeps every object that it ever made, for a dashboard
    that isn't used here. What S3 holds is in files.
    """
    from moto.core.common_models import BaseModel

    def new(cls: type, *_arguments: Any, **_members: Any) -> Any:
        return object.__new__(cls)

    BaseModel.__new__ = staticmethod(new)  # type: ignore[method-assign]
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(_IN_MEMORY_BYTES)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))


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
    # Where S3's objects are.
    tempfile.tempdir = str(settings.directory)
    server = make_server(
        LOOPBACK,
        settings.port,
        application(settings),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        server.serve_forever()
    finally:
        DockerEngine(settings).remove_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
