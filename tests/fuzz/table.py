"""All targets by name."""

from __future__ import annotations

from tests.fuzz.targets import artifacts, readers, requests

TARGETS = {target.name: target for target in [*artifacts.TARGETS, *readers.TARGETS, *requests.TARGETS]}
