"""What every kind of job and endpoint needs of its stack."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from launcher.local.cloudwatch import CloudWatch
from launcher.local.descriptions import Tags
from launcher.local.ecr_images import EcrImages
from launcher.local.engine import DockerEngine
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings


@dataclass(frozen=True, slots=True)
class StackParts:
    """The parts of one stack.

    Attributes:
        settings: where it listens, and its limits.
        engine: runs containers.
        clients: of its S3, logs and IAM.
        images: what its registry has.
        watch: gets the metrics of jobs and endpoints.
        tags: of its resources.
    """

    settings: StackSettings
    engine: DockerEngine
    clients: ServiceClients
    images: EcrImages
    watch: CloudWatch
    tags: Tags = field(default_factory=Tags)

    def as_role(self, role: str) -> StackParts:
        """The same with a role's clients, for what a job or an endpoint does."""
        return replace(self, clients=self.clients.of_role(role))
