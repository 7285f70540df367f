"""The operations on endpoints: a fleet behind a name, exchanged only when the new one
is good.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.errors import JobError, RefusedError, invalid
from launcher.local.fleet import Fleet
from launcher.local.models import Models
from launcher.local.platform import Platform
from launcher.local.records import Kind, Record, Records

KIND = Kind(
    noun="endpoint",
    prefix="Endpoint",
    state="EndpointStatus",
    absent='Could not find endpoint "{arn}".',
    present='Cannot create already existing endpoint "{arn}".',
)
_SUMMARY = (
    "EndpointName",
    "EndpointArn",
    "CreationTime",
    "LastModifiedTime",
    "EndpointStatus",
)
_UNDER_WAY = ("Creating", "Updating", "Deleting")

_log = logging.getLogger(__name__)


class Endpoints:
    """The operations on endpoints."""

    def __init__(self, platform: Platform, models: Models) -> None:
        self._platform = platform
        self._models = models
        self._lock = threading.Lock()
        self._fleets: dict[str, Fleet] = {}
        self.records = Records(KIND, platform.settings.region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": lambda request: self.records.get(
                request["EndpointName"]
            ),
            "ListEndpoints": lambda request: self.records.listing(
                request, "Endpoints", _SUMMARY
            ),
            "UpdateEndpoint": self._update,
            "DeleteEndpoint": self._delete,
        }

    def fleet(self, name: str) -> Fleet:
        """What answers under a name.

        Raises:
            RefusedError: if nothing does.
        """
        with self._lock:
            fleet = self._fleets.get(name)
        if fleet is None:
            raise RefusedError(
                "ValidationError", f"Endpoint {name} of account not found."
            )
        return fleet

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        self.records.check_free(name)
        fleet = self._new_fleet(request)
        record = {
            "EndpointName": name,
            "EndpointConfigName": request["EndpointConfigName"],
            "EndpointStatus": "Creating",
        }
        arn = self.records.add(record)
        self._platform.tags.put(arn, request)
        self._in_thread(self._bring_up, name, fleet)
        return {"EndpointArn": arn}

    def _bring_up(self, name: str, fleet: Fleet) -> None:
        if (reason := self._start(fleet)) is not None:
            self.records.set(name, EndpointStatus="Failed", FailureReason=reason)
            return
        with self._lock:
            self._fleets[name] = fleet
        self._in_service(name, fleet)

    def _update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        record = self.records.get(name)
        if record["EndpointStatus"] != "InService":
            raise invalid(
                f'Cannot update in-progress endpoint "{record["EndpointArn"]}".'
            )
        fleet = self._new_fleet(request)
        self.records.set(name, EndpointStatus="Updating")
        self._in_thread(self._exchange, name, fleet)
        return {"EndpointArn": record["EndpointArn"]}

    def _exchange(self, name: str, fleet: Fleet) -> None:
        """The old fleet answers until the new one is good, and goes on where it isn't."""
        if (reason := self._start(fleet)) is not None:
            self.records.set(name, EndpointStatus="InService", FailureReason=reason)
            return
        with self._lock:
            old, self._fleets[name] = self._fleets[name], fleet
        self.records.update(name, lambda record: record.pop("FailureReason", None))
        self._in_service(name, fleet)
        old.stop()

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        record = self.records.get(name)
        if record["EndpointStatus"] in _UNDER_WAY:
            raise invalid(
                f'Cannot update in-progress endpoint "{record["EndpointArn"]}".'
            )
        self.records.set(name, EndpointStatus="Deleting")
        with self._lock:
            fleet = self._fleets.pop(name, None)
        self._in_thread(self._take_down, name, fleet)
        return {}

    def _take_down(self, name: str, fleet: Fleet | None) -> None:
        if fleet is not None:
            fleet.stop()
        self._platform.tags.drop(self.records.remove(name)["EndpointArn"])

    def _new_fleet(self, request: Mapping[str, Any]) -> Fleet:
        config = self._models.configs.get(request["EndpointConfigName"])
        for variant in config["ProductionVariants"]:
            if "InstanceType" in variant:
                count = variant.get("InitialInstanceCount", 1)
                self._platform.quotas.check(
                    variant["InstanceType"], "endpoint usage", count
                )
        return Fleet(self._platform, self._models, request["EndpointName"], config)

    def _start(self, fleet: Fleet) -> str | None:
        """Why it isn't good, or None."""
        try:
            fleet.start()
        except JobError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 the boundary: an endpoint must not stay Creating for ever
            _log.exception("endpoint")
            return f"InternalServerError: {type(error).__name__}: {error}"
        return None

    def _in_service(self, name: str, fleet: Fleet) -> None:
        def change(record: Record) -> None:
            # The configuration before may have had it.
            record.pop("AsyncInferenceConfig", None)
            record |= {
                "EndpointStatus": "InService",
                "EndpointConfigName": fleet.config["EndpointConfigName"],
                "ProductionVariants": [
                    variant.describe() for variant in fleet.variants
                ],
            }
            if "AsyncInferenceConfig" in fleet.config:
                record["AsyncInferenceConfig"] = fleet.config["AsyncInferenceConfig"]

        self.records.update(name, change)

    def _in_thread(self, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(
            target=target, args=arguments, daemon=True, name="endpoint"
        ).start()
