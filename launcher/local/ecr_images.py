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
            "BatchGetImage": self._get,
            "BatchDeleteImage": self._delete,
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
        if name is None or name.host not in (registry, self._settings.ecr_host):
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
        if "imageIds" in parameters:
            manifests = [
                self._existing(repository, image_id)
                for image_id in parameters["imageIds"]
            ]
        else:
            manifests = self._all(repository)
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
            for digest in self._registry.digests(repository)
            if digest not in tags.values()
        ]
        by_status = {"TAGGED": tagged, "UNTAGGED": untagged}
        status = parameters.get("filter", {}).get("tagStatus")
        return {"imageIds": by_status.get(status, tagged + untagged)}

    def _get(self, parameters: Parameters) -> Result:
        repository = self._repository(parameters)
        images = []
        failures = []
        for image_id in parameters["imageIds"]:
            manifest = self._find(repository, image_id)
            if manifest is None:
                failures.append(_failure(image_id))
                continue
            image = {
                "registryId": ACCOUNT,
                "repositoryName": repository,
                "imageId": {**image_id, "imageDigest": manifest.digest},
                "imageManifest": manifest.text,
                "imageManifestMediaType": manifest.media_type,
            }
            images.append(image)
        return {"images": images, "failures": failures}

    def _delete(self, parameters: Parameters) -> Result:
        """Delete tags or images.

        An image given by a tag loses the tag, and is deleted with its last one. An
        image given by its digest is deleted with all its tags.
        """
        repository = self._repository(parameters)
        deleted = []
        failures = []
        for image_id in parameters["imageIds"]:
            tags = self._registry.tags(repository)
            manifest = self._find(repository, image_id)
            if manifest is None:
                failures.append(_failure(image_id))
                continue

            own_tags = _tags_of(manifest, tags)
            by_digest = "imageDigest" in image_id
            lost_tags = own_tags if by_digest else [image_id["imageTag"]]
            if lost_tags == own_tags:
                self._registry.delete(repository, manifest.digest)
            else:
                self._registry.untag(repository, image_id["imageTag"])

            for tag in lost_tags:
                deleted.append({"imageDigest": manifest.digest, "imageTag": tag})
            if not lost_tags:
                deleted.append({"imageDigest": manifest.digest})
        return {"imageIds": deleted, "failures": failures}

    def _empty_repository(self, parameters: Parameters) -> None:
        """Delete a repository's images; moto then deletes the repository itself."""
        repository = self._repository(parameters)
        if self._registry.digests(repository) and not parameters.get("force"):
            raise RefusedError(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository}' in registry with id "
                f"'{ACCOUNT}' cannot be deleted because it still contains images",
            )
        self._registry.delete_repository(repository)

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

    def _all(self, repository: str) -> list[ImageManifest]:
        digests = self._registry.digests(repository)
        manifests = [self._manifest(repository, digest) for digest in digests]
        return [manifest for manifest in manifests if manifest is not None]

    def _existing(self, repository: str, image_id: Mapping[str, str]) -> ImageManifest:
        manifest = self._find(repository, image_id)
        if manifest is None:
            raise RefusedError(
                "ImageNotFoundException",
                f"The image with imageId {dict(image_id)} does not exist",
            )
        return manifest

    def _find(
        self, repository: str, image_id: Mapping[str, str]
    ) -> ImageManifest | None:
        digest = image_id.get("imageDigest")
        tag = image_id.get("imageTag")
        if digest and tag:
            # An image id may have both, which then must belong together.
            tags = self._registry.tags(repository)
            if tags.get(tag) != digest:
                return None
        return self._manifest(repository, digest or tag or "latest")

    def _manifest(self, repository: str, reference: str) -> ImageManifest | None:
        try:
            return self._registry.manifest(repository, reference)
        except UnreachableError as error:
            raise RefusedError("ServerException", str(error), 500) from error


def _tags_of(manifest: ImageManifest, tags: Mapping[str, str]) -> list[str]:
    return [tag for tag, digest in tags.items() if digest == manifest.digest]


def _failure(image_id: Mapping[str, str]) -> Result:
    return {
        "imageId": dict(image_id),
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }
