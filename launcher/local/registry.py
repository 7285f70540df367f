"""The image registry: Debian's docker-registry on loopback, behind a password, and what
it knows about images.

Docker accepts a registry on loopback without TLS, so an ordinary ``docker login`` and
``docker push`` work.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from urllib3 import BaseHTTPResponse, HTTPConnectionPool
from urllib3.exceptions import HTTPError

from launcher.local.errors import LocalError
from launcher.local.settings import StackSettings
from launcher.ports import LOOPBACK
from movielens.json_text import parse_json

USER = "AWS"
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
# The Debian package of each command.
_PACKAGES = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils"}
_REQUEST_SECONDS = 60.0
_CONFIGURATION = "registry.yml"
_NAME = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


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


def write_login(settings: StackSettings) -> None:
    """Make a configuration for docker's client that logs in to the registry. The user's
    own configuration stays as it is.
    """
    path = settings.directory / "docker" / "config.json"
    path.parent.mkdir()
    path.touch(mode=0o600)
    login = {settings.registry: {"auth": authorization(settings)}}
    path.write_text(json.dumps({"auths": login}))


def registry_command(settings: StackSettings) -> tuple[str, ...]:
    """The registry's command line."""
    return ("docker-registry", "serve", str(settings.directory / _CONFIGURATION))


def configure_registry(settings: StackSettings) -> None:
    """Write what the registry reads when it starts.

    Its Debian packages are installed first if that is possible.

    Raises:
        LocalError: if a command is missing.
    """
    _ensure_commands()
    users = settings.directory / "registry-users"
    users.touch(mode=0o600)
    hashed = subprocess.check_output(
        ["htpasswd", "-niB", USER],
        input=settings.registry_password,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    users.write_text(hashed)

    storage = {
        "filesystem": {"rootdirectory": str(settings.layers_directory)},
        "delete": {"enabled": True},
    }
    configuration = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": {"addr": f"{LOOPBACK}:{settings.registry_port}"},
        "auth": {"htpasswd": {"realm": "halfstar", "path": str(users)}},
    }
    # JSON is YAML too.
    path = settings.directory / _CONFIGURATION
    path.write_text(json.dumps(configuration))


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


def digest_of(manifest: BaseHTTPResponse) -> str:
    """``sha256:...`` of a manifest."""
    return manifest.headers["Docker-Content-Digest"]


class RegistryServer:
    """The registry's HTTP API. If the registry doesn't answer, or not as a registry
    should, every method but `answers` raises urllib3's HTTPError.
    """

    def __init__(self, settings: StackSettings) -> None:
        headers = {
            "Accept": ", ".join(_MANIFESTS),
            "Authorization": f"Basic {authorization(settings)}",
        }
        self._pool = HTTPConnectionPool(
            LOOPBACK,
            settings.registry_port,
            timeout=_REQUEST_SECONDS,
            retries=False,
            headers=headers,
        )

    def answers(self) -> bool:
        """Whether it runs and accepts the password."""
        with contextlib.suppress(HTTPError):
            return self._request("GET", "/") is not None
        return False

    def manifest(self, repository: str, reference: str) -> BaseHTTPResponse | None:
        """The reply with the manifest of a tag or digest; None if there is none."""
        return self._request("GET", f"/{repository}/manifests/{reference}")

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository's images."""
        return self._names(f"/{repository}/tags/list", "tags")

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image with all its tags."""
        self._request("DELETE", f"/{repository}/manifests/{digest}")

    def delete_images(self) -> None:
        """Delete all images; their layers stay for the next push."""
        for repository in self._names("/_catalog?n=1000", "repositories"):
            for tag in self.tags(repository):
                manifest = self.manifest(repository, tag)
                if manifest is not None:
                    self.delete(repository, digest_of(manifest))

    def _names(self, path: str, member: str) -> list[str]:
        """What a list of the registry has; nothing if there is no such list."""
        reply = self._request("GET", path)
        # An empty list is null.
        names = parse_json(reply.data)[member] if reply is not None else None
        return sorted(names or [])

    def _request(self, method: str, path: str) -> BaseHTTPResponse | None:
        """The reply; None if there is nothing there."""
        reply = self._pool.request(method, f"/v2{path}")
        # BAD_REQUEST: the reference is malformed.
        if reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return None
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise HTTPError(f"the registry answers {reply.status} {reply.reason}")
        return reply
