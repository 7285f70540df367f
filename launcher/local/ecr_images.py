"""ECR's images, as the image registry has them.

moto answers all operations on repositories and images. Before those on images it is
told what the registry has.
"""

from __future__ import annotations

import contextlib
import time

from moto.ecr.models import Image, Repository, ecr_backends
from urllib3.exceptions import HTTPError

from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.registry import ImageName, RegistryServer, authorization, digest_of
from launcher.local.settings import ACCOUNT, StackSettings
from movielens.json_text import parse_json

_TOKEN_SECONDS = 12 * 3600


class PushedImage(Image):
    """moto's image, with the size that ECR gives."""

    def get_image_size_in_bytes(self) -> int:
        """Bytes of the image's layers and configuration."""
        document = parse_json(self.image_manifest)
        # A list of manifests, one for each processor, has these in place of layers.
        parts = document.get("layers", document.get("manifests", []))
        return sum(
            part["size"] for part in [*parts, document.get("config", {"size": 0})]
        )


class EcrImages:
    """The images of the stack's registry, as ECR describes them."""

    def __init__(self, settings: StackSettings, registry: RegistryServer) -> None:
        self._settings = settings
        self._registry = registry
        self.operations: dict[str, Operation] = {
            "GetAuthorizationToken": self._token,
            "DescribeImages": self._look,
            "ListImages": self._look,
            "DeleteRepository": self._empty,
        }

    @property
    def _repositories(self) -> dict[str, Repository]:
        return ecr_backends[ACCOUNT][self._settings.region].repositories

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
        if name.repository not in self._repositories:
            raise invalid(
                f"Cannot find repository: {name.repository} in registry ID: {ACCOUNT} "
                "Please check if your ECR repository exists and the role has proper "
                "pull permissions for SageMaker."
            )
        with contextlib.suppress(HTTPError):
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

    def _look(self, parameters: Parameters) -> None:
        """Tell moto which images the registry has. Those that have lost their tags to
        others stay.
        """
        name = parameters["repositoryName"]
        repository = self._repositories.get(name)
        if repository is None:
            return
        images = {image.image_digest: image for image in repository.images}
        for image in images.values():
            image.image_tags = []
        for tag in self._registry.tags(name):
            manifest = self._registry.manifest(name, tag)
            if manifest is None:
                continue
            digest = digest_of(manifest)
            text = manifest.data.decode()
            media_type = manifest.headers["Content-Type"]
            image = PushedImage(ACCOUNT, tag, text, name, media_type, digest)
            images.setdefault(digest, image).update_tag(tag)
        repository.images = list(images.values())

    def _empty(self, parameters: Parameters) -> None:
        """Delete a repository's images, if that is asked for; moto deletes the
        repository itself, if it has none.
        """
        self._look(parameters)
        name = parameters["repositoryName"]
        if parameters.get("force") and name in self._repositories:
            for image in self._repositories[name].images:
                self._registry.delete(name, image.image_digest)
