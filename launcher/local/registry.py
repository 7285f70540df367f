"""The image registry: Debian's docker-registry on loopback, behind a password, and what
it answers about images.

Docker takes a registry on loopback without TLS, so an ordinary ``docker login`` and
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
from pathlib import Path

from launcher.images import MANIFESTS
from launcher.local.errors import LocalError
from launcher.local.settings import Settings
from launcher.ports import LOOPBACK

USER = "AWS"
# Of each command, the Debian package that has it.
_PACKAGES = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils"}
_SECONDS = 10.0
# Loopback is never behind a proxy.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
_NAME = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


class UnreachableError(Exception):
    """The registry doesn't answer, or not as one should."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a tag or a digest stands for."""

    digest: str
    media_type: str
    text: str

    @property
    def size(self) -> int:
        """Bytes of its layers and configuration."""
        document = json.loads(self.text)
        parts = [
            *document.get("layers", document.get("manifests", [])),
            document.get("config", {}),
        ]
        return sum(int(part.get("size", 0)) for part in parts)


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image's parts; ``reference`` is the digest, or else the tag, or else
    ``latest``.
    """

    host: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> ImageName | None:
        """``host/repository[:tag][@digest]``, or None if it isn't one."""
        match = _NAME.fullmatch(text)
        return match and cls(
            match["host"],
            match["repository"],
            match["digest"] or match["tag"] or "latest",
        )


def authorization(settings: Settings) -> str:
    """User and password as HTTP's Basic scheme and ECR's token have them."""
    return base64.b64encode(f"{USER}:{settings.registry_password}".encode()).decode()


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the registry's process, its packages installed first where that may be
    done.

    Raises:
        LocalError: if a command isn't there.
    """
    _ensure_commands()
    settings.layers.mkdir(parents=True, exist_ok=True)
    for images in _repositories(settings).glob("**/_manifests"):
        shutil.rmtree(images)
    users = settings.directory / "registry-users"
    command = ["htpasswd", "-niB", USER]
    made = subprocess.run(
        command,
        input=settings.registry_password,
        text=True,
        capture_output=True,
        check=True,
    )
    users.touch(mode=0o600)
    users.write_text(made.stdout)
    configuration = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(settings.layers)},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{LOOPBACK}:{settings.registry_port}"},
        "auth": {"htpasswd": {"realm": "halfstar", "path": str(users)}},
    }
    path = settings.directory / "registry.yml"
    path.write_text(json.dumps(configuration))  # which is YAML too
    with (settings.directory / "registry.log").open("ab") as log:
        return subprocess.Popen(
            ["docker-registry", "serve", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _ensure_commands() -> None:
    missing = [
        package
        for command, package in _PACKAGES.items()
        if shutil.which(command) is None
    ]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LocalError(
            f"the image registry needs {' and '.join(missing)}: apt-get install {' '.join(missing)}"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["update", "--quiet=2"],
        ["install", "--yes", "--quiet=2", "--no-install-recommends", *missing],
    ):
        # What apt-get says goes to stderr: stdout is for what a shell evaluates.
        if subprocess.run(
            ["apt-get", *command], env=environment, stdout=2, check=False
        ).returncode:
            raise LocalError(f"apt-get can't install {' '.join(missing)}: see above")
    # Debian starts the package's own service, which nobody asked for.
    if Path("/run/systemd/system").is_dir() and "docker-registry" in missing:
        subprocess.run(
            ["systemctl", "disable", "--now", "docker-registry"], check=False, stdout=2
        )


def _repositories(settings: Settings) -> Path:
    return settings.layers / "docker" / "registry" / "v2" / "repositories"


class Registry:
    """The registry's own API, and its files for what that doesn't tell."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"http://{settings.registry}/v2"
        self._authorization = f"Basic {authorization(settings)}"
        self._files = _repositories(settings)

    def answers(self) -> bool:
        """Whether it runs and takes the password."""
        try:
            self._request("GET", "/").close()
        except (UnreachableError, urllib.error.HTTPError):
            return False
        return True

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """What a tag or digest stands for, or None where there is none.

        Raises:
            UnreachableError: if the registry doesn't answer.
        """
        try:
            with self._request("GET", f"/{repository}/manifests/{reference}") as answer:
                text = answer.read()
                media_type = answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            error.close()
            # 400: a reference that can't be one.
            if error.code in (400, 404):
                return None
            raise UnreachableError(
                f"the registry answers {error.code} {error.reason}"
            ) from error
        return Manifest(
            f"sha256:{hashlib.sha256(text).hexdigest()}", media_type, text.decode()
        )

    def tags(self, repository: str) -> dict[str, str]:
        """The digest of each tag."""
        links = sorted(
            (self._files / repository / "_manifests" / "tags").glob("*/current/link")
        )
        return {link.parent.parent.name: link.read_text() for link in links}

    def digests(self, repository: str) -> list[str]:
        """Of all images, tagged or not; the registry's API lists the tagged ones only."""
        links = (self._files / repository / "_manifests" / "revisions").glob("*/*/link")
        return sorted(link.read_text() for link in links)

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image with all its tags.

        Raises:
            UnreachableError: if the registry doesn't answer.
        """
        try:
            self._request("DELETE", f"/{repository}/manifests/{digest}").close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise UnreachableError(
                    f"the registry answers {error.code} {error.reason}"
                ) from error

    def untag(self, repository: str, tag: str) -> None:
        """Take a tag away and leave the image, which the registry's API can't."""
        shutil.rmtree(self._files / repository / "_manifests" / "tags" / tag)

    def delete_repository(self, repository: str) -> None:
        """Delete all images of a repository; its layers stay for the next push."""
        shutil.rmtree(self._files / repository / "_manifests", ignore_errors=True)

    def _request(self, method: str, path: str) -> http.client.HTTPResponse:
        headers = {"Accept": ", ".join(MANIFESTS), "Authorization": self._authorization}
        request = urllib.request.Request(
            f"{self._url}{path}", headers=headers, method=method
        )
        try:
            response: http.client.HTTPResponse = _open(request, timeout=_SECONDS)
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise UnreachableError(
                f"the registry can't be reached: {getattr(error, 'reason', error)}"
            ) from error
        return response
