"""Endpoints: the containers of all variants of one endpoint configuration, and the
operations that put them behind a name. They are replaced only when new ones are
healthy.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from launcher.local.data_capture import DataCapture
from launcher.local.descriptions import Description, Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, RefusedError, reason_of, unusable
from launcher.local.models import ModelCatalog, ModelContainers
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.quotas import check_quota
from launcher.local.serving_container import ServingContainer
from launcher.local.stack_parts import StackParts

LOG_GROUP = "/aws/sagemaker/Endpoints"
_MOST_AT_ONCE = 1000
_ASYNC_AT_ONCE = 4


class Variant:
    """The containers of one production variant.

    Args:
        models: runs containers of the variant's model.
        entry: of ProductionVariants.

    Attributes:
        name: of the variant.
        models: see above.
        weight: its share of the requests, relative to the other variants'.
        is_serverless: whether it has a ServerlessConfig.
        desired_count: how many containers it is to have.
        n_invocations: how often it was asked.
    """

    def __init__(self, models: ModelContainers, entry: Mapping[str, Any]) -> None:
        self.name: str = entry["VariantName"]
        self.models = models
        self.weight = float(entry.get("InitialVariantWeight", 1.0))
        self.is_serverless = "ServerlessConfig" in entry
        self.desired_count: int = entry.get("InitialInstanceCount", 1)
        self.n_invocations = 0
        self._entry = entry
        self._resolved = time.time()
        self._scaling = threading.Lock()
        self._containers: list[ServingContainer] = []
        serverless = entry.get("ServerlessConfig", {})
        at_once = serverless.get("MaxConcurrency", _MOST_AT_ONCE)
        self._free = threading.Semaphore(at_once)

    @property
    def count(self) -> int:
        """How many containers it has now."""
        return len(self._containers)

    def check_count(self, count: int) -> None:
        """Return if the account may have so many instances.

        Raises:
            RefusedError: if it may not.
        """
        if not self.is_serverless:
            instance_type = self._entry["InstanceType"]
            check_quota(instance_type, "endpoint usage", count)

    def start(self) -> None:
        """Return when all containers are healthy.

        Raises:
            FailureReasonError: if one isn't.
        """
        options = []
        if self.is_serverless:
            mebibytes = self._entry["ServerlessConfig"]["MemorySizeInMB"]
            options = ["--memory", f"{mebibytes}m"]
        self.models.prepare({}, options)
        self.scale(self.desired_count)

    def scale(self, count: int) -> None:
        """Start or end containers until there are so many.

        Raises:
            FailureReasonError: if a new one isn't healthy.
        """
        with self._scaling:
            self.desired_count = count
            while len(self._containers) > count:
                self._containers.pop().stop()
            try:
                while len(self._containers) < count:
                    self._containers.append(self.models.start())
            except FailureReasonError as error:
                raise FailureReasonError(
                    f"The primary container for production variant {self.name} did "
                    f"not pass the ping health check: {error}. Please check "
                    "CloudWatch logs for this endpoint."
                ) from error

    @contextlib.contextmanager
    def container(self) -> Iterator[ServingContainer]:
        """One of the containers, at random, for one request.

        Raises:
            RefusedError: if a serverless variant has as many requests as it takes, or
                there is no container.
        """
        self.n_invocations += 1
        containers = list(self._containers)
        if not containers:
            raise unavailable(f"variant {self.name} has no container now")
        if not self._free.acquire(blocking=False):
            raise RefusedError(
                "ThrottlingException",
                "Rate exceeded: the variant's MaxConcurrency is reached",
                HTTPStatus.TOO_MANY_REQUESTS,
            )
        try:
            yield random.choice(containers)
        finally:
            self._free.release()

    def describe(self) -> dict[str, Any]:
        """The variant's entry in the result of DescribeEndpoint."""
        image = {
            "SpecifiedImage": self.models.container["Image"],
            "ResolvedImage": self.models.image,
            "ResolutionTime": self._resolved,
        }
        description = {
            "VariantName": self.name,
            "DeployedImages": [image],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
        }
        if self.is_serverless:
            description["CurrentServerlessConfig"] = self._entry["ServerlessConfig"]
        else:
            description["CurrentInstanceCount"] = self.count
            description["DesiredInstanceCount"] = self.desired_count
        return description


def unavailable(message: str) -> RefusedError:
    """What is said when no container answers."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return RefusedError("ServiceUnavailable", message, status)


class Deployment:
    """All variants of one endpoint configuration.

    Args:
        parts: of the stack.
        catalog: has the variants' models.
        endpoint: the endpoint's name.
        config: the endpoint configuration.

    Attributes:
        config: the endpoint configuration.
        variants: in their order.
        capture: of requests and answers, if the configuration asks for it.
        is_stopped: whether it is about to end.
    """

    def __init__(
        self,
        parts: StackParts,
        catalog: ModelCatalog,
        endpoint: str,
        config: Description,
    ) -> None:
        self.config = config
        # An endpoint has two deployments for a while when it is updated.
        name = f"{endpoint}-{uuid.uuid4().hex[:8]}"
        self._directory = parts.settings.work / "endpoints" / name
        self.variants = []
        for entry in config["ProductionVariants"]:
            variant = entry["VariantName"]
            models = catalog.containers(
                entry["ModelName"],
                self._directory / variant,
                f"{LOG_GROUP}/{endpoint}",
                variant,
            )
            self.variants.append(Variant(models, entry))
        self.capture: DataCapture | None = None
        self._endpoint = endpoint
        self._capture_config = config.get("DataCaptureConfig", {})
        client = config.get("AsyncInferenceConfig", {}).get("ClientConfig", {})
        at_once = client.get("MaxConcurrentInvocationsPerInstance", _ASYNC_AT_ONCE)
        n_instances = sum(variant.desired_count for variant in self.variants)
        self._pool = ThreadPoolExecutor(at_once * max(n_instances, 1), "async")
        self._waiting: set[Future[None]] = set()
        self.is_stopped = False

    @property
    def is_async(self) -> bool:
        """Whether answers go to S3."""
        return "AsyncInferenceConfig" in self.config

    @property
    def backlog(self) -> int:
        """How many asynchronous requests aren't answered yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Return when all containers are healthy; if one isn't, all are ended.

        Raises:
            FailureReasonError: if one isn't healthy.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            if self._capture_config.get("EnableCapture"):
                self.capture = DataCapture(
                    self.variants[0].models.clients,
                    self._endpoint,
                    self._capture_config,
                )
            for variant in self.variants:
                variant.start()
            undo.pop_all()

    def stop(self) -> None:
        """End all containers once the queue is empty, and remove their files."""
        self.is_stopped = True
        self._pool.shutdown()
        for variant in self.variants:
            variant.scale(0)
        if self.capture is not None:
            self.capture.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def describe(self) -> dict[str, Any]:
        """What DescribeEndpoint says about it."""
        members = {
            "EndpointConfigName": self.config["EndpointConfigName"],
            "ProductionVariants": [variant.describe() for variant in self.variants],
        }
        if self.is_async:
            members["AsyncInferenceConfig"] = self.config["AsyncInferenceConfig"]
        if self.capture is not None:
            members["DataCaptureConfig"] = self.capture.describe()
        return members

    def submit(self, answer: Callable[[], None]) -> None:
        """Answer an asynchronous request when its turn comes."""
        future = self._pool.submit(answer)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)

    def retain(self, old: Deployment, excluded: Collection[str]) -> None:
        """Take over weights, numbers of containers and data capture.

        Args:
            old: the deployment before.
            excluded: which of these aren't taken over, by the request's words.
        """
        before = {variant.name: variant for variant in old.variants}
        for variant in self.variants:
            earlier = before.get(variant.name, variant)
            if "DesiredInstanceCount" not in excluded and not variant.is_serverless:
                variant.desired_count = earlier.desired_count
            if "DesiredWeight" not in excluded:
                variant.weight = earlier.weight
        if "DataCaptureConfig" not in excluded:
            self._capture_config = old._capture_config

    def choose(self, wanted: str | None = None) -> Variant:
        """The variant of a name, or one drawn by the weights.

        Raises:
            RefusedError: if there is none of that name.
        """
        if wanted is None:
            weights = [variant.weight for variant in self.variants]
            # Without any weight, none is preferred.
            return random.choices(self.variants, weights if any(weights) else None)[0]
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        raise unusable(f"Variant {wanted} is not a variant of this endpoint.")


ENDPOINT = ResourceKind("endpoint", busy='Cannot update in-progress endpoint "{arn}".')


class Endpoints:
    """Endpoints, and the threads that change them."""

    def __init__(self, parts: StackParts, catalog: ModelCatalog) -> None:
        self._parts = parts
        self._catalog = catalog
        self._deployments: dict[str, Deployment] = {}
        self.descriptions = Descriptions(ENDPOINT, parts.settings.region, parts.tags)
        self.operations: dict[str, Operation] = {
            **self.descriptions.operations,
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._resize,
            "DeleteEndpoint": self._delete,
        }

    def deployment(self, name: str) -> Deployment:
        """What answers for an endpoint.

        Raises:
            RefusedError: if nothing does.
        """
        deployment = self._deployments.get(name)
        if deployment is None:
            raise unusable(f"Endpoint {name} of account not found.")
        return deployment

    def _describe(self, parameters: Parameters) -> Result:
        description = self.descriptions.describe(parameters)
        deployment = self._deployments.get(parameters["EndpointName"])
        return {**description, **(deployment.describe() if deployment else {})}

    def _create(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        deployment = self._new_deployment(parameters)
        result = self.descriptions.add({**parameters, "EndpointStatus": "Creating"})
        _in_thread(self._bring_up, name, deployment)
        return result

    def _bring_up(self, name: str, deployment: Deployment) -> None:
        """Start a deployment. One that there is already answers until the new one is
        healthy, and goes on if it isn't.
        """

        def start() -> None:
            deployment.start()
            old = self._deployments.get(name)
            self._deployments[name] = deployment
            if old is not None:
                _in_thread(old.stop)

        self._change(name, start)

    def _change(self, name: str, change: Callable[[], None]) -> None:
        """Change an endpoint, and describe how that ended."""
        # There may be a reason why a change before has failed.
        members = {"EndpointStatus": "InService", "FailureReason": None}
        try:
            change()
        except Exception as error:  # noqa: BLE001 a bug mustn't leave it Creating
            members["FailureReason"] = reason_of(error)
            if name not in self._deployments:
                members["EndpointStatus"] = "Failed"
        self.descriptions.set(name, **members)

    def _update(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        description = self.descriptions.check(name, ["InService"])
        deployment = self._new_deployment(parameters)
        if parameters.get("RetainAllVariantProperties"):
            excluded = [
                entry["VariantPropertyType"]
                for entry in parameters.get("ExcludeRetainedVariantProperties", [])
            ]
            deployment.retain(self.deployment(name), excluded)
        self.descriptions.set(name, EndpointStatus="Updating")
        _in_thread(self._bring_up, name, deployment)
        return {"EndpointArn": description["EndpointArn"]}

    def _resize(self, parameters: Parameters) -> Result:
        """Change weights and numbers of containers of variants."""
        name = parameters["EndpointName"]
        description = self.descriptions.check(name, ["InService"])
        deployment = self.deployment(name)
        entries = parameters["DesiredWeightsAndCapacities"]
        counts: dict[str, int] = {}
        for entry in entries:
            variant = deployment.choose(entry["VariantName"])
            if "DesiredInstanceCount" in entry:
                counts[variant.name] = entry["DesiredInstanceCount"]
                variant.check_count(counts[variant.name])
        for entry in entries:
            variant = deployment.choose(entry["VariantName"])
            variant.weight = entry.get("DesiredWeight", variant.weight)
        self.descriptions.set(name, EndpointStatus="Updating")
        _in_thread(self.scale, name, counts)
        return {"EndpointArn": description["EndpointArn"]}

    def scale(self, name: str, counts: Mapping[str, int]) -> None:
        """Give an endpoint's variants other numbers of containers, and return when they
        have them.
        """
        self.descriptions.set(name, EndpointStatus="Updating")
        deployment = self.deployment(name)

        def scale() -> None:
            for variant, count in counts.items():
                deployment.choose(variant).scale(count)

        self._change(name, scale)

    def _delete(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        self.descriptions.check(name, ["InService", "Failed"])
        self.descriptions.set(name, EndpointStatus="Deleting")
        # There is none if it has failed.
        deployment = self._deployments.pop(name, None)
        _in_thread(self._take_down, parameters, deployment)
        return {}

    def _take_down(self, parameters: Parameters, deployment: Deployment | None) -> None:
        if deployment is not None:
            deployment.stop()
        self.descriptions.delete(parameters)

    def _new_deployment(self, parameters: Parameters) -> Deployment:
        config = self._catalog.configs.get(parameters["EndpointConfigName"])
        deployment = Deployment(
            self._parts, self._catalog, parameters["EndpointName"], config
        )
        for variant in deployment.variants:
            variant.check_count(variant.desired_count)
        return deployment


def _in_thread(target: Callable[..., None], *arguments: Any) -> None:
    thread = threading.Thread(
        target=target, args=arguments, daemon=True, name="endpoint"
    )
    thread.start()
