"""The image on this machine and in the registry. It is built, pushed and verified with
docker's own client.

The registry's password is never written to a disk or a command line. Docker asks a
credential helper for it, and the helper answers from its environment. The rest of the
user's docker configuration, such as contexts and plug-ins, stays in force.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.aws import Aws
from launcher.docker import docker, last_line, run_docker
from launcher.errors import ImageError
from launcher.requests import PushImage
from launcher.source import UNKNOWN
from movielens.json_text import parse_json

# Docker's own media types, and OCI's. A registry may refuse to give any other.
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
# The tag of the newest image.
LATEST = "latest"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image of the local engine.

    Attributes:
        image_id: ``sha256:…``, the digest of its configuration; of its manifest if the
            engine uses containerd's store.
        platform: such as ``linux/amd64``.
        version: from its label, empty if it has none.
        revision: the git commit from its label, empty if it has none.
        is_for_gpus: whether its label says that its XGBoost trains on GPUs.
    """

    image_id: str
    platform: str
    version: str
    revision: str
    is_for_gpus: bool = False

    @property
    def short_id(self) -> str:
        """The first twelve digits of its id, as docker shows it."""
        return self.image_id.removeprefix("sha256:")[:12]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags to push it under: version and commit, and ``latest``."""
        known = [
            part
            for part in (self.version, self.revision[:12])
            if part not in ("", UNKNOWN)
        ]
        if not known:
            return (LATEST,)
        dirty = "-dirty" if self.revision.endswith("-dirty") else ""
        return ("-".join(known) + dirty, LATEST)

    def own_tag(self, tag: str) -> str:
        """A tag that no other image has: with the image's id."""
        return f"{tag}-{self.short_id}"


@dataclass(frozen=True, slots=True, repr=False)
class RegistryAccess:
    """The registry's host, and how to get in; never shown, since it has a password."""

    host: str
    user: str
    password: str

    @property
    def url(self) -> str:
        """Plain HTTP on loopback, as docker does, and HTTPS anywhere else."""
        name = self.host.rpartition(":")[0] or self.host
        scheme = "http" if name in _LOOPBACK else "https"
        return f"{scheme}://{self.host}"


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image in the registry.

    Attributes:
        digest: of its manifest.
        config_digest: of the configuration that the manifest names.
    """

    digest: str
    config_digest: str

    def is_of(self, image: LocalImage) -> bool:
        """Whether it is that image."""
        return image.image_id in (self.digest, self.config_digest)


def local_image(name: str) -> LocalImage | None:
    """The local image of that name or id, or None.

    Raises:
        ImageError: no engine answers.
    """
    result = run_docker("image", "inspect", name)
    if result.returncode:
        said = result.stderr.lower()
        if "no such" in said or "not found" in said:
            return None
        raise ImageError(
            f"docker image inspect {name}: {last_line(result.stderr)}; "
            "`launcher doctor` helps"
        )

    try:
        facts = parse_json(result.stdout)[0]
        labels = facts["Config"].get("Labels") or {}
        return LocalImage(
            facts["Id"],
            platform=f"{facts['Os']}/{facts['Architecture']}",
            version=labels.get("org.opencontainers.image.version", ""),
            revision=labels.get("org.opencontainers.image.revision", ""),
            is_for_gpus=bool(labels.get("org.halfstar.gpu")),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ImageError(
            f"docker image inspect {name}: its answer can't be read ({error}); "
            "check that `docker` is Docker's own client"
        ) from error


def build_command(
    root: Path,
    tag: str,
    platform: str,
    arguments: Mapping[str, str],
    extra: tuple[str, ...],
) -> list[str]:
    """The ``docker build`` of the project.

    Args:
        root: the folder of the Dockerfile.
        tag: the image's name.
        platform: such as ``linux/amd64``.
        arguments: the Dockerfile's build arguments, by name.
        extra: the user's own arguments, such as ``--build-arg=…``.
    """
    return [
        docker(),
        "build",
        f"--platform={platform}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *extra,
        "--tag",
        tag,
        str(root),
    ]


def registry_access(aws: Aws, host: str = "") -> RegistryAccess:
    """The account's ECR registry, with a password that is good for some hours.

    Args:
        aws: whose registry.
        host: replaces ECR's own host; the password stays ECR's.

    Raises:
        AwsError: ECR refuses.
    """
    answer = aws.read("ecr", "GetAuthorizationToken")
    granted = answer["authorizationData"][0]
    token = base64.b64decode(granted["authorizationToken"])
    user, _, password = token.decode().partition(":")
    if not host:
        _, _, address = granted["proxyEndpoint"].partition("://")
        host = address.rstrip("/")
    return RegistryAccess(host, user, password)


def remote_image(
    access: RegistryAccess, repository: str, tag: str
) -> RemoteImage | None:
    """What the registry has under a tag or a digest, or None.

    Raises:
        ImageError: the registry can't be reached, or refuses the password.
    """
    # Takes a noticeable part of the time that `launcher --help` has.
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{access.url}/v2/{repository}/manifests/{tag}")
    request.add_header("Accept", ", ".join(MANIFESTS))
    basic = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
    request.add_unredirected_header("Authorization", f"Basic {basic}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            manifest = answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        if error.code in (401, 403):
            said = f"refuses the user {access.user!r} ({error.code})"
        else:
            said = f"answers {error.code} {error.reason}"
        raise ImageError(f"registry {access.host} {said}") from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        raise ImageError(
            f"registry {access.host} can't be reached: {reason}"
        ) from error

    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    try:
        config = parse_json(manifest).get("config", {})
        return RemoteImage(digest, config.get("digest", ""))
    except (ValueError, AttributeError) as error:
        raise ImageError(
            f"registry {access.host} gives something else than a manifest for "
            f"{repository}:{tag}; check the host and the proxy (HTTPS_PROXY, NO_PROXY)"
        ) from error


def push(action: PushImage, aws: Aws, registry_host: str) -> str:
    """Tag and push an image, and return the digest that the registry then has.

    Raises:
        ImageError: docker fails, or the registry has something else than was pushed.
    """
    access = registry_access(aws, registry_host)
    with logged_in(access) as environment:
        for tag in action.tags:
            uri = f"{action.repository_uri}:{tag}"
            tagged = run_docker("tag", action.image_id, uri)
            _check(tagged, f"docker tag {uri}")
            pushed = run_docker("push", uri, environment=environment, show=True)
            _check(pushed, f"docker push {uri}")

    repository = action.repository_uri.partition("/")[2]
    remote = remote_image(access, repository, action.tags[0])
    if remote is None:
        raise ImageError(
            f"registry {access.host} doesn't have {repository}:{action.tags[0]} "
            "after the push"
        )
    shown = run_docker(
        "image", "inspect", "--format", "{{json .RepoDigests}}", action.image_id
    )
    uri = f"{action.repository_uri}@{remote.digest}"
    if f'"{uri}"' not in shown.stdout:
        raise ImageError(
            f"registry {access.host} has {remote.digest} for {repository}, "
            "which isn't what was pushed"
        )
    return remote.digest


@contextlib.contextmanager
def logged_in(access: RegistryAccess) -> Iterator[dict[str, str]]:
    """An environment in which docker gets into the registry.

    Only the environment has the password, and it ends with the ``with`` block.
    """
    users = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="halfstar-docker-") as directory:
        ours = Path(directory)
        for name in ("contexts", "cli-plugins"):
            if (users / name).is_dir():
                (ours / name).symlink_to(users / name)

        settings = _settings_without_credentials(users / "config.json")
        settings["credHelpers"] = {access.host: "halfstar"}
        (ours / "config.json").write_text(json.dumps(settings))
        helper = ours / "docker-credential-halfstar"
        helper.write_text(_HELPER)
        helper.chmod(0o700)
        yield {
            **os.environ,
            "DOCKER_CONFIG": directory,
            "PATH": f"{directory}{os.pathsep}{os.environ.get('PATH', '')}",
            "HALFSTAR_REGISTRY_HOST": access.host,
            "HALFSTAR_REGISTRY_USER": access.user,
            "HALFSTAR_REGISTRY_PASSWORD": access.password,
        }


def _settings_without_credentials(path: Path) -> dict[str, Any]:
    """The user's docker settings, empty if docker couldn't read them either."""
    try:
        settings = dict(parse_json(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
    for name in ("auths", "credsStore", "credHelpers"):
        settings.pop(name, None)
    return settings


def _check(result: subprocess.CompletedProcess[str], command: str) -> None:
    if result.returncode:
        raise ImageError(f"{command}: {last_line(result.stderr)}")
