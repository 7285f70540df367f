"""ECR's images are what the registry has: a push goes there, and the ECR API tells of
it.

Repositories, their tags and policies are stock moto's. Operations on images are
answered from the registry itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.cloud import Cloud
from launcher.local.errors import RefusedError, invalid
from launcher.local.registry import (
    ImageName,
    Manifest,
    Registry,
    UnreachableError,
    authorization,
)
from launcher.local.settings import ACCOUNT, Settings

_TOKEN_SECONDS = 12 * 3600
Answer = dict[str, Any]


class Images:
    """The operations of ECR that concern images."""

    def __init__(self, settings: Settings, registry: Registry, cloud: Cloud) -> None:
        self._settings = settings
        self._registry = registry
        self._cloud = cloud
        # The registry keeps no times: a push is as old as it was first seen.
        self._seen: dict[tuple[str, str], float] = {}
        self.operations: dict[str, Callable[[Mapping[str, Any]], Answer | None]] = {
            "GetAuthorizationToken": self._token,
            "DescribeImages": self._describe,
            "ListImages": self._list,
            "BatchGetImage": self._get,
            "BatchDeleteImage": self._delete,
            "DeleteRepository": self._empty_repository,
        }

    def resolve(self, image: str) -> str:
        """The name by which this machine's engine pulls an image of our ECR.

        Raises:
            RefusedError: if it isn't ours, or isn't there. One whose registry doesn't
                answer is taken, as the pull will tell.
        """
        name = ImageName.parse(image)
        if name is None or name.host not in (
            self._settings.registry,
            self._settings.ecr_host,
        ):
            raise invalid(
                f"Invalid image URI {image}: expected one of {self._settings.registry}, where `push` puts it"
            )
        repositories = self._cloud.client("ecr").describe_repositories()["repositories"]
        if name.repository not in [
            repository["repositoryName"] for repository in repositories
        ]:
            raise invalid(
                f"Cannot find repository: {name.repository} in registry ID: {ACCOUNT} Please check if your ECR "
                "repository exists and the role has proper pull permissions for SageMaker."
            )
        try:
            if self._registry.manifest(name.repository, name.reference) is None:
                raise invalid(f"Requested image {image} not found.")
        except UnreachableError:
            pass
        separator = "@" if ":" in name.reference else ":"
        return f"{self._settings.registry}/{name.repository}{separator}{name.reference}"

    def _token(self, _request: Mapping[str, Any]) -> Answer:
        token = {
            "authorizationToken": authorization(self._settings),
            "expiresAt": time.time() + _TOKEN_SECONDS,
            "proxyEndpoint": f"http://{self._settings.registry}",
        }
        return {"authorizationData": [token]}

    def _describe(self, request: Mapping[str, Any]) -> Answer:
        repository = self._repository(request)
        tags = self._registry.tags(repository)
        wanted = request.get("imageIds")
        found = (
            self._all(repository)
            if wanted is None
            else [self._found(repository, i) for i in wanted]
        )
        return {
            "imageDetails": [
                self._detail(repository, manifest, tags) for manifest in found
            ]
        }

    def _detail(
        self, repository: str, manifest: Manifest, tags: Mapping[str, str]
    ) -> Answer:
        own = [tag for tag, digest in tags.items() if digest == manifest.digest]
        return {
            "registryId": ACCOUNT,
            "repositoryName": repository,
            "imageDigest": manifest.digest,
            **({"imageTags": own} if own else {}),
            "imageSizeInBytes": manifest.size,
            "imagePushedAt": self._seen.setdefault(
                (repository, manifest.digest), time.time()
            ),
            "imageManifestMediaType": manifest.media_type,
        }

    def _list(self, request: Mapping[str, Any]) -> Answer:
        repository = self._repository(request)
        tags = self._registry.tags(repository)
        tagged = [
            {"imageDigest": digest, "imageTag": tag} for tag, digest in tags.items()
        ]
        untagged = [
            {"imageDigest": d}
            for d in self._registry.digests(repository)
            if d not in tags.values()
        ]
        chosen = {"TAGGED": tagged, "UNTAGGED": untagged}
        return {
            "imageIds": chosen.get(
                request.get("filter", {}).get("tagStatus"), tagged + untagged
            )
        }

    def _get(self, request: Mapping[str, Any]) -> Answer:
        repository = self._repository(request)
        images, failures = [], []
        for identity in request["imageIds"]:
            if (manifest := self._find(repository, identity)) is None:
                failures.append(_failure(identity))
                continue
            images.append(
                {
                    "registryId": ACCOUNT,
                    "repositoryName": repository,
                    "imageId": {**identity, "imageDigest": manifest.digest},
                    "imageManifest": manifest.text,
                    "imageManifestMediaType": manifest.media_type,
                }
            )
        return {"images": images, "failures": failures}

    def _delete(self, request: Mapping[str, Any]) -> Answer:
        """A tag is taken away, and its image goes with the last one; by its digest an
        image goes with all its tags.
        """
        repository = self._repository(request)
        deleted, failures = [], []
        for identity in request["imageIds"]:
            tags = self._registry.tags(repository)
            if (manifest := self._find(repository, identity)) is None:
                failures.append(_failure(identity))
                continue
            own = [tag for tag, digest in tags.items() if digest == manifest.digest]
            gone = own if "imageDigest" in identity else [identity["imageTag"]]
            if gone == own:
                self._registry.delete(repository, manifest.digest)
            else:
                self._registry.untag(repository, identity["imageTag"])
            deleted += [
                {"imageDigest": manifest.digest, "imageTag": tag} for tag in gone
            ]
            deleted += [{"imageDigest": manifest.digest}] if not gone else []
        return {"imageIds": deleted, "failures": failures}

    def _empty_repository(self, request: Mapping[str, Any]) -> None:
        """Refuse, or delete the images; the repository itself is stock moto's to
        delete, hence no answer.
        """
        repository = self._repository(request)
        if self._registry.digests(repository) and not request.get("force"):
            raise RefusedError(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository}' in registry with id '{ACCOUNT}' cannot be deleted because it "
                "still contains images",
            )
        self._registry.delete_repository(repository)

    def _repository(self, request: Mapping[str, Any]) -> str:
        name = str(request["repositoryName"])
        known = self._cloud.client("ecr").describe_repositories()["repositories"]
        if name not in [repository["repositoryName"] for repository in known]:
            raise RefusedError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'",
            )
        return name

    def _all(self, repository: str) -> list[Manifest]:
        manifests = (
            self._manifest(repository, digest)
            for digest in self._registry.digests(repository)
        )
        return [manifest for manifest in manifests if manifest is not None]

    def _found(self, repository: str, identity: Mapping[str, str]) -> Manifest:
        if (manifest := self._find(repository, identity)) is None:
            raise RefusedError(
                "ImageNotFoundException",
                f"The image with imageId {dict(identity)} does not exist",
            )
        return manifest

    def _find(self, repository: str, identity: Mapping[str, str]) -> Manifest | None:
        digest, tag = identity.get("imageDigest"), identity.get("imageTag")
        if digest and tag and self._registry.tags(repository).get(tag) != digest:
            return None
        return self._manifest(repository, digest or tag or "latest")

    def _manifest(self, repository: str, reference: str) -> Manifest | None:
        try:
            return self._registry.manifest(repository, reference)
        except UnreachableError as error:
            raise RefusedError("ServerException", str(error), 500) from error


def _failure(identity: Mapping[str, str]) -> Answer:
    reason = "Requested image not found"
    return {
        "imageId": dict(identity),
        "failureCode": "ImageNotFound",
        "failureReason": reason,
    }
