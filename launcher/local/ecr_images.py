"""ECR's operations on images, answered from the image registry.

Repositories, their tags and their policies are moto's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.registry import (
    ImageManifest,
    ImageName,
    RegistryServer,
    UnreachableError,
    authorization,
)
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import ACCOUNT, StackSettings

_TOKEN_SECONDS = 12 * 3600


class EcrImages:
    """The images of the stack's registry, as ECR describes them."""

    def __init__(
        self, settings: StackSettings, registry: RegistryServer, clients: ServiceClients
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._clients = clients
        # The registry keeps no times, so an image's time is when it was first seen
        # here, by repository and digest.
        self._first_seen: dict[tuple[str, str], float] = {}
        self.operations: dict[str, Operation] = {
            "GetAuthorizationToken": self._token,
            "DescribeImages": self._describe,
            "ListImages": self._list,
            "DeleteRepository": self._empty_repository,
        }

    def resolve(self, image: str) -> str:
        """The name by which this machine's engine pulls an image of our ECR.

        If the registry doesn't answer, the name is given anyway: the pull will say so.

        Raises:
            RefusedError: if the image isn't of our ECR, or isn't there.
        """
        registry = self._settings.registry
        name = ImageName.parse(image)
        aws_host = self._settings.ecr_host(self._settings.region)
        if name is None or name.host not in (registry, aws_host):
            raise invalid(
                f"Invalid image URI {image}: expected an image of {registry}, "
                "where `launcher push` puts it"
            )
        if name.repository not in self._repository_names():
            raise invalid(
                f"Cannot find repository: {name.repository} in registry ID: {ACCOUNT} "
                "Please check if your ECR repository exists and the role has proper "
                "pull permissions for SageMaker."
            )
        with contextlib.suppress(UnreachableError):
            if self._registry.manifest(name.repository, name.reference) is None:
                raise invalid(f"Requested image {image} not found.")
        # Only a digest has a colon.
        separator = "@" if ":" in name.reference else ":"
        return f"{registry}/{name.repository}{separator}{name.reference}"

    def _token(self, _parameters: Parameters) -> Result:
        token = {
            "authorizationToken": authorization(self._settings),
            "expiresAt": time.time() + _TOKEN_SECONDS,
            "proxyEndpoint": f"http://{self._settings.registry}",
        }
        return {"authorizationData": [token]}

    def _describe(self, parameters: Parameters) -> Result:
        repository = self._repository(parameters)
        tags = self._registry.tags(repository)
        image_ids = parameters.get("imageIds")
        if image_ids is None:
            digests = self._digests(repository, tags)
            image_ids = [{"imageDigest": digest} for digest in digests]
        manifests = [self._existing(repository, image_id) for image_id in image_ids]
        details = [self._detail(repository, manifest, tags) for manifest in manifests]
        return {"imageDetails": details}

    def _detail(
        self, repository: str, manifest: ImageManifest, tags: Mapping[str, str]
    ) -> Result:
        key = (repository, manifest.digest)
        detail: Result = {
            "registryId": ACCOUNT,
            "repositoryName": repository,
            "imageDigest": manifest.digest,
            "imageSizeInBytes": manifest.size,
            "imagePushedAt": self._first_seen.setdefault(key, time.time()),
            "imageManifestMediaType": manifest.media_type,
        }
        own_tags = _tags_of(manifest, tags)
        if own_tags:
            detail["imageTags"] = own_tags
        return detail

    def _list(self, parameters: Parameters) -> Result:
        repository = self._repository(parameters)
        tags = self._registry.tags(repository)
        tagged = [
            {"imageDigest": digest, "imageTag": tag} for tag, digest in tags.items()
        ]
        untagged = [
            {"imageDigest": digest}
            for digest in self._digests(repository, tags)
            if digest not in tags.values()
        ]
        by_status = {"TAGGED": tagged, "UNTAGGED": untagged}
        status = parameters.get("filter", {}).get("tagStatus")
        return {"imageIds": by_status.get(status, tagged + untagged)}

    def _empty_repository(self, parameters: Parameters) -> None:
        """Delete a repository's images; moto then deletes the repository itself."""
        repository = self._repository(parameters)
        digests = self._digests(repository, self._registry.tags(repository))
        if digests and not parameters.get("force"):
            raise RefusedError(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository}' in registry with id "
                f"'{ACCOUNT}' cannot be deleted because it still contains images",
            )
        for digest in digests:
            self._registry.delete(repository, digest)
            del self._first_seen[repository, digest]

    def _digests(self, repository: str, tags: Mapping[str, str]) -> list[str]:
        """All images, also those whose tag has gone to another; the registry lists only
        tagged ones.
        """
        for digest in tags.values():
            self._first_seen.setdefault((repository, digest), time.time())
        return sorted(digest for its, digest in self._first_seen if its == repository)

    def _repository_names(self) -> list[str]:
        found = self._clients.client("ecr").describe_repositories()["repositories"]
        return [repository["repositoryName"] for repository in found]

    def _repository(self, parameters: Parameters) -> str:
        name = str(parameters["repositoryName"])
        if name not in self._repository_names():
            raise RefusedError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry "
                f"with id '{ACCOUNT}'",
            )
        return name

    def _existing(self, repository: str, image_id: Mapping[str, str]) -> ImageManifest:
        reference = image_id.get("imageDigest") or image_id["imageTag"]
        manifest = self._registry.manifest(repository, reference)
        if manifest is None:
            raise RefusedError(
                "ImageNotFoundException",
                f"The image with imageId {dict(image_id)} does not exist",
            )
        return manifest


def _tags_of(manifest: ImageManifest, tags: Mapping[str, str]) -> list[str]:
    return [tag for tag, digest in tags.items() if digest == manifest.digest]
