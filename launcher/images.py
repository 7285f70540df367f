"""The image here and in the registry: built, pushed and verified with docker's own
client.

The registry's password never touches a disk or a command line: docker asks a credential
helper for it, which answers from its own environment. The rest of the user's docker
configuration (context, plug-ins) stays in force.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.aws import Aws
from launcher.docker import docker, last_line, run_docker
from launcher.errors import ImageError
from launcher.requests import PushImage

# Docker's own media types and OCI's; a registry may refuse what isn't asked for.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_HELPER = """#!/bin/sh
printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' \
    "$HALFSTAR_REGISTRY_HOST" "$HALFSTAR_REGISTRY_USER" "$HALFSTAR_REGISTRY_PASSWORD"
"""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image of the local engine.

    Attributes:
        image_id: ``sha256:…``, the digest of its configuration (of its manifest with
            containerd's store).
        platform: such as ``linux/amd64``.
        version: of its label, empty where it has none.
        revision: the git commit of its label, empty where it has none.
    """

    image_id: str
    platform: str
    version: str
    revision: str

    @property
    def tags(self) -> tuple[str, ...]:
        """What it is pushed as: version with commit, and ``latest``."""
        parts = [
            part
            for part in (self.version, self.revision[:12])
            if part and part != "unknown"
        ]
        dirty = "-dirty" if self.revision.endswith("-dirty") else ""
        return ("-".join(parts) + dirty, "latest") if parts else ("latest",)


@dataclass(frozen=True, slots=True, repr=False)
class Registry:
    """Where images go, and how to get in; never shown, since it holds a password."""

    host: str
    user: str
    password: str

    @property
    def url(self) -> str:
        """Plain HTTP on loopback, as docker does, and HTTPS anywhere else."""
        name = self.host.rpartition(":")[0] or self.host
        return f"{'http' if name in _LOOPBACK else 'https'}://{self.host}"


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A tag in the registry: the digest of its manifest, and of the configuration that
    the manifest names.
    """

    digest: str
    config_digest: str

    def is_of(self, image: LocalImage) -> bool:
        """Whether it is that image."""
        return image.image_id in (self.digest, self.config_digest)


def local_image(name: str) -> LocalImage | None:
    """The local image of that name or id, or None.

    Raises:
        ImageError: if no engine answers.
    """
    result = run_docker("image", "inspect", name)
    if result.returncode:
        if "no such" in result.stderr.lower() or "not found" in result.stderr.lower():
            return None
        raise ImageError(
            f"docker image inspect {name}: {last_line(result.stderr)}; `launcher doctor` helps"
        )
    facts = json.loads(result.stdout)[0]
    labels = facts["Config"].get("Labels") or {}
    return LocalImage(
        facts["Id"],
        f"{facts['Os']}/{facts['Architecture']}",
        labels.get("org.opencontainers.image.version", ""),
        labels.get("org.opencontainers.image.revision", ""),
    )


def build_command(
    root: Path,
    tag: str,
    platform: str,
    version: str,
    revision: str,
    extra: tuple[str, ...],
) -> list[str]:
    """The ``docker build`` of the project; ``extra`` are arguments of the user's own,
    such as ``--build-arg=…``.
    """
    facts = (f"--build-arg=VERSION={version}", f"--build-arg=REVISION={revision}")
    return [
        docker(),
        "build",
        f"--platform={platform}",
        *facts,
        *extra,
        "--tag",
        tag,
        str(root),
    ]


def registry(aws: Aws, override: str) -> Registry:
    """ECR's registry of the account, with a password for some hours; ``override``
    replaces the host only.

    Raises:
        AwsError: if ECR refuses.
    """
    data = aws.read("ecr", "GetAuthorizationToken")["authorizationData"][0]
    user, _, password = (
        base64.b64decode(data["authorizationToken"]).decode().partition(":")
    )
    return Registry(
        override or data["proxyEndpoint"].partition("://")[2].rstrip("/"),
        user,
        password,
    )


def remote_image(where: Registry, repository: str, tag: str) -> RemoteImage | None:
    """What the registry has under a tag (or a digest), asked over its own API, or None.

    Raises:
        ImageError: if it can't be reached or refuses the password.
    """
    request = urllib.request.Request(f"{where.url}/v2/{repository}/manifests/{tag}")
    request.add_header("Accept", ", ".join(MANIFESTS))
    basic = base64.b64encode(f"{where.user}:{where.password}".encode()).decode()
    request.add_unredirected_header("Authorization", f"Basic {basic}")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            manifest = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return None
            if error.code in (401, 403):
                raise ImageError(
                    f"registry {where.host} refuses the user {where.user!r} ({error.code})"
                ) from error
            raise ImageError(
                f"registry {where.host} answers {error.code} {error.reason}"
            ) from error
    except (urllib.error.URLError, OSError) as error:
        raise ImageError(
            f"registry {where.host} can't be reached: {getattr(error, 'reason', error)}"
        ) from error
    config = json.loads(manifest).get("config", {})
    return RemoteImage(
        f"sha256:{hashlib.sha256(manifest).hexdigest()}", config.get("digest", "")
    )


def push(action: PushImage, aws: Aws, override: str) -> str:
    """Tag, push, and compare with what the registry then has; gives the digest.

    Raises:
        ImageError: if docker fails or the registry has something else than was pushed.
    """
    where = registry(aws, override)
    host, _, repository = action.repository_uri.partition("/")
    with logged_in(where) as environment:
        for tag in action.tags:
            uri = f"{host}/{repository}:{tag}"
            _checked(run_docker("tag", action.image_id, uri), f"docker tag {uri}")
            result = run_docker("push", uri, environment=environment, show=True)
            _checked(result, f"docker push {uri}")
    remote = remote_image(where, repository, action.tags[0])
    if remote is None:
        raise ImageError(
            f"registry {where.host} doesn't have {repository}:{action.tags[0]} after the push"
        )
    pushed = run_docker(
        "image", "inspect", "--format", "{{json .RepoDigests}}", action.image_id
    ).stdout
    uri = f"{action.repository_uri}@{remote.digest}"
    if uri not in json.loads(pushed or "[]"):
        raise ImageError(
            f"registry {where.host} has {remote.digest} for {repository}, which isn't what was pushed"
        )
    return remote.digest


@contextlib.contextmanager
def logged_in(where: Registry) -> Iterator[dict[str, str]]:
    """An environment in which docker gets into the registry: the secret lives in the
    environment of one process.
    """
    with tempfile.TemporaryDirectory(prefix="halfstar-docker-") as directory:
        own = Path(directory)
        theirs = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        settings = _user_settings(theirs / "config.json")
        for name in ("contexts", "cli-plugins"):
            if (theirs / name).is_dir():
                (own / name).symlink_to(theirs / name)
        settings["credHelpers"] = {where.host: "halfstar"}
        (own / "config.json").write_text(json.dumps(settings))
        helper = own / "docker-credential-halfstar"
        helper.write_text(_HELPER)
        helper.chmod(0o700)
        yield {
            **os.environ,
            "DOCKER_CONFIG": directory,
            "PATH": f"{directory}{os.pathsep}{os.environ.get('PATH', '')}",
            "HALFSTAR_REGISTRY_HOST": where.host,
            "HALFSTAR_REGISTRY_USER": where.user,
            "HALFSTAR_REGISTRY_PASSWORD": where.password,
        }


def _user_settings(path: Path) -> dict[str, Any]:
    """The user's docker settings without any credentials."""
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError):  # none, or none that docker could read either
        return {}
    return {
        name: value
        for name, value in settings.items()
        if name not in ("auths", "credsStore", "credHelpers")
    }


def _checked(result: subprocess.CompletedProcess[str], what: str) -> None:
    if result.returncode:
        raise ImageError(f"{what}: {last_line(result.stderr)}")
