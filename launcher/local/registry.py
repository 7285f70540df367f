"""The image registry: Debian's docker-registry on loopback, behind a password, and what
it knows about images.

Docker accepts a registry on loopback without TLS, so an ordinary ``docker login`` and
``docker push`` work.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from launcher.images import MANIFESTS
from launcher.local.detached import DetachedProcess
from launcher.local.errors import LocalError
from launcher.local.loopback import open_url
from launcher.local.settings import StackSettings
from launcher.ports import LOOPBACK
from movielens.json_text import parse_json

USER = "AWS"
# The Debian package of each command.
_PACKAGES = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils"}
_REQUEST_SECONDS = 10.0
_NAME = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


class UnreachableError(Exception):
    """The registry doesn't answer, or not as a registry should."""


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """The manifest of an image.

    Attributes:
        digest: ``sha256:...`` of the text.
        media_type: Docker's or OCI's.
        text: the JSON document.
    """

    digest: str
    media_type: str
    text: str

    @property
    def size(self) -> int:
        """Bytes of the image's layers and configuration."""
        document = parse_json(self.text)
        # A list of manifests, one for each processor, has these in place of layers.
        parts = document.get("layers", document.get("manifests", []))
        if "config" in document:
            parts = [*parts, document["config"]]
        return sum(part.get("size", 0) for part in parts)


@dataclass(frozen=True, slots=True)
class ImageName:
    """The parts of an image's name.

    Attributes:
        host: of the registry, with its port.
        repository: in the registry.
        reference: the digest if the name has one, else the tag, else ``latest``.

    Example:
        >>> ImageName.parse("127.0.0.1:5000/halfstar:v1").reference
        'v1'
    """

    host: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> ImageName | None:
        """Read ``host/repository[:tag][@digest]``; None if it isn't that."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        reference = match["digest"] or match["tag"] or "latest"
        return cls(match["host"], match["repository"], reference)


def authorization(settings: StackSettings) -> str:
    """User and password, as ECR's token and HTTP's Basic scheme encode them."""
    return base64.b64encode(f"{USER}:{settings.registry_password}".encode()).decode()


def start_registry(settings: StackSettings) -> DetachedProcess:
    """Start the registry, without images but with the layers of earlier ones.

    Its Debian packages are installed first if that is possible.

    Raises:
        LocalError: if a command is missing.
    """
    _ensure_commands()
    settings.layers.mkdir(parents=True, exist_ok=True)
    for images in _repositories(settings).glob("**/_manifests"):
        shutil.rmtree(images)

    users = settings.directory / "registry-users"
    users.touch(mode=0o600)
    users.write_text(_htpasswd_line(settings.registry_password))

    storage = {
        "filesystem": {"rootdirectory": str(settings.layers)},
        "delete": {"enabled": True},
    }
    configuration = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": {"addr": f"{LOOPBACK}:{settings.registry_port}"},
        "auth": {"htpasswd": {"realm": "halfstar", "path": str(users)}},
    }
    path = settings.directory / "registry.yml"
    # JSON is YAML too.
    path.write_text(json.dumps(configuration))
    return DetachedProcess.start(
        ["docker-registry", "serve", str(path)],
        settings.directory / "registry.log",
        os.environ,
    )


def _htpasswd_line(password: str) -> str:
    """The user with the password's hash, as docker-registry reads it."""
    made = subprocess.run(
        ["htpasswd", "-niB", USER],
        input=password,
        text=True,
        capture_output=True,
        check=True,
    )
    return made.stdout


def _ensure_commands() -> None:
    missing = [
        package
        for command, package in _PACKAGES.items()
        if shutil.which(command) is None
    ]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LocalError(
            f"the image registry needs {' and '.join(missing)}: apt-get install {names}"
        )

    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = ["update", "--quiet=2"]
    install = ["install", "--yes", "--quiet=2", "--no-install-recommends", *missing]
    for arguments in (update, install):
        # Our stdout is evaluated by a shell, so apt-get's goes to stderr.
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, stdout=2, check=False
        )
        if done.returncode:
            raise LocalError(f"apt-get can't install {names}: see its output above")

    # Debian starts the package's own registry, which nobody asked for.
    if Path("/run/systemd/system").is_dir() and "docker-registry" in missing:
        command = ["systemctl", "disable", "--now", "docker-registry"]
        subprocess.run(command, check=False, stdout=2)


def _repositories(settings: StackSettings) -> Path:
    return settings.layers / "docker" / "registry" / "v2" / "repositories"


class RegistryServer:
    """The registry's HTTP API, and its files for what the API doesn't offer."""

    def __init__(self, settings: StackSettings) -> None:
        self._url = f"http://{settings.registry}/v2"
        self._authorization = f"Basic {authorization(settings)}"
        self._files = _repositories(settings)

    def answers(self) -> bool:
        """Whether it runs and accepts the password."""
        try:
            self._request("GET", "/").close()
        except (UnreachableError, urllib.error.HTTPError):
            return False
        return True

    def manifest(self, repository: str, reference: str) -> ImageManifest | None:
        """The manifest of a tag or digest; None if there is none.

        Raises:
            UnreachableError: if the registry doesn't answer.
        """
        try:
            with self._request("GET", f"/{repository}/manifests/{reference}") as reply:
                text = reply.read()
                media_type = reply.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            error.close()
            # BAD_REQUEST: the reference is malformed.
            if error.code in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
                return None
            raise _unexpected(error) from error
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        return ImageManifest(digest, media_type, text.decode())

    def tags(self, repository: str) -> dict[str, str]:
        """The digest of each tag."""
        tags = self._files / repository / "_manifests" / "tags"
        digests = {}
        for link in sorted(tags.glob("*/current/link")):
            tag = link.parent.parent.name
            digests[tag] = link.read_text()
        return digests

    def digests(self, repository: str) -> list[str]:
        """All images, tagged or not; the HTTP API lists only tagged ones."""
        revisions = self._files / repository / "_manifests" / "revisions"
        return sorted(link.read_text() for link in revisions.glob("*/*/link"))

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image with all its tags.

        Raises:
            UnreachableError: if the registry doesn't answer.
        """
        try:
            self._request("DELETE", f"/{repository}/manifests/{digest}").close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != HTTPStatus.NOT_FOUND:
                raise _unexpected(error) from error

    def untag(self, repository: str, tag: str) -> None:
        """Delete a tag but not its image, which the HTTP API can't do."""
        shutil.rmtree(self._files / repository / "_manifests" / "tags" / tag)

    def delete_repository(self, repository: str) -> None:
        """Delete all images of a repository; their layers stay for the next push."""
        shutil.rmtree(self._files / repository / "_manifests", ignore_errors=True)

    def _request(self, method: str, path: str) -> http.client.HTTPResponse:
        headers = {"Accept": ", ".join(MANIFESTS), "Authorization": self._authorization}
        request = urllib.request.Request(
            f"{self._url}{path}", headers=headers, method=method
        )
        try:
            reply: http.client.HTTPResponse = open_url(
                request, timeout=_REQUEST_SECONDS
            )
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            cause = getattr(error, "reason", error)
            raise UnreachableError(f"the registry can't be reached: {cause}") from error
        return reply


def _unexpected(error: urllib.error.HTTPError) -> UnreachableError:
    return UnreachableError(f"the registry answers {error.code} {error.reason}")
