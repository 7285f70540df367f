"""All targets by name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import artifacts, http, job, launcher, readers, requests

_MODULES = (artifacts, http, job, launcher, readers, requests)

TARGETS: dict[str, Target] = {
    target.name: target for module in _MODULES for target in module.TARGETS
}
