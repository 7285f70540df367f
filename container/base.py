"""Finds the images that the Dockerfile's stages build on.

That is the public base image, or a stand-in where no registry can be reached: a minimal
Debian with its python3, made from the packages of this machine's Debian mirror and kept
for the next build.

The stages that download packages get the same base plus this machine's CA bundle, if it
has one, so that they trust what this machine trusts. Nothing of it gets into the final
image.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container import debian
from launcher.docker import run_docker, stream_docker
from launcher.errors import ImageError

LABEL = "org.halfstar=1"

SUITE = "trixie"
STAND_IN_PACKAGES = ("python3", "python3-venv", "ca-certificates")
# Unlike `docker import`, a build gives the image another processor's name.
STAND_IN_DOCKERFILE = f"""\
FROM scratch
ADD base.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LABEL {LABEL}
CMD ["python3"]
"""

SYSTEM_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
BUILDER_DOCKERFILE = f"""\
ARG BASE
FROM ${{BASE}}
COPY ca-certificates.crt {SYSTEM_CA_BUNDLE}
ENV PIP_CERT={SYSTEM_CA_BUNDLE} SSL_CERT_FILE={SYSTEM_CA_BUNDLE}
"""

# What docker says if it couldn't reach the registry, rather than that the registry
# refused.
UNREACHABLE = re.compile(
    r"no such host|server misbehaving|dial tcp|i/o timeout|connection refused"
    r"|connection reset|network is unreachable|no route to host|TLS handshake timeout"
    r"|x509: |tls: |proxyconnect|request canceled|deadline exceeded",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on.

    Attributes:
        name: such as ``linux/arm64``; empty for that of this machine.
    """

    name: str = ""

    @property
    def options(self) -> list[str]:
        """Options of ``docker build`` and ``docker pull``."""
        return [f"--platform={self.name}"] if self.name else []

    @property
    def architecture(self) -> str:
        """Debian's and Docker's word for the processor, such as ``arm64``."""
        return self.name.rpartition("/")[2]

    @property
    def stand_in(self) -> str:
        """The tag of the stand-in."""
        suffix = f"-{self.architecture}" if self.name else ""
        return f"halfstar-base:{SUITE}{suffix}"


NATIVE = Platform()


@dataclass(frozen=True, slots=True)
class Bases:
    """What the Dockerfile builds on.

    Attributes:
        final: the base of the final stage.
        builder: the base of the stages that download and compile.
    """

    final: str
    builder: str


def find_bases(
    public: str, environ: Mapping[str, str], platform: Platform = NATIVE
) -> Bases:
    """The public base if it is here or can be pulled, otherwise the stand-in.

    Raises:
        ImageError: if the registry refuses the public base, or if neither can be had.
        subprocess.CalledProcessError: if a command fails; it has printed why.
    """
    bundle = ca_bundle(environ)
    if has_image(public, platform) or _pull(public, platform):
        return Bases(public, _builder(public, bundle, platform))

    stand_in = platform.stand_in
    if not has_image(stand_in, platform):
        _make_stand_in(platform)
    bundle = bundle or SYSTEM_CA_BUNDLE
    return Bases(stand_in, _builder(stand_in, bundle, platform))


def has_image(tag: str, platform: Platform = NATIVE) -> bool:
    """Whether the engine already has the image, for this platform."""
    form = "{{.Os}}/{{.Architecture}}"
    found = run_docker("image", "inspect", "--format", form, tag)
    if found.returncode:
        return False
    return platform.name in ("", found.stdout.strip())


def is_unreachable(message: str) -> bool:
    """Whether docker's message about a pull means that it reached no registry."""
    return UNREACHABLE.search(message) is not None


def ca_bundle(environ: Mapping[str, str]) -> Path | None:
    """The CA bundle that the environment names; pip's own variable comes first."""
    for name in CA_VARIABLES:
        value = environ.get(name)
        if value and Path(value).is_file():
            return Path(value)
    return None


def _pull(public: str, platform: Platform) -> bool:
    """Pull the base; False if no registry was reached."""
    pulled = run_docker("pull", *platform.options, public, show=True)
    if pulled.returncode == 0:
        return True

    message = pulled.stderr.strip()
    if not is_unreachable(message):
        raise ImageError(f"{public} can't be pulled: {message}")
    print(
        f"{message}\nno registry can be reached, "
        f"so {platform.stand_in} replaces {public}",
        file=sys.stderr,
    )
    return False


def _make_stand_in(platform: Platform) -> None:
    """Make the stand-in base and give it its tag.

    For another kind of processor than this machine's, its programs run under
    emulation, so qemu must be registered for them (package qemu-user-static).
    """
    packages = {"mmdebstrap": ("mmdebstrap",)}
    architecture: list[str] = []
    if platform.name:
        architecture = [f"--architectures={platform.architecture}"]
        packages["arch-test"] = ("arch-test",)
    try:
        debian.ensure_commands(packages)
    except debian.MissingCommandError as error:
        raise ImageError(
            f"no registry can be reached, and to make a base here {error}; or name a "
            "base that this machine can pull: python -m container.image --base IMAGE"
        ) from error

    # Without a mirror mmdebstrap takes Debian's own.
    mirror = debian.mirror() if debian.is_debian() else None
    include = f"--include={','.join(STAND_IN_PACKAGES)}"
    command = ["mmdebstrap", "--variant=minbase", *architecture, include, SUITE]

    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        command.append(str(Path(folder) / "base.tar"))
        if mirror is not None:
            command.append(mirror)
        subprocess.run(command, check=True)

        (Path(folder) / "Dockerfile").write_text(STAND_IN_DOCKERFILE)
        tag = platform.stand_in
        options = ["--quiet", *platform.options]
        if stream_docker("build", *options, "--tag", tag, folder):
            raise ImageError(f"docker build of {tag} failed; its output says why")


def _builder(base: str, bundle: Path | None, platform: Platform) -> str:
    """The base itself, or the base plus the CA bundle under a tag of our own."""
    if bundle is None or not bundle.is_file():
        return base

    name = base.removeprefix("halfstar-base:")
    name = re.sub(r"[^a-zA-Z0-9.]+", "-", name)
    if platform.name and not name.endswith(platform.architecture):
        name = f"{name}-{platform.architecture}"
    tag = f"halfstar-base:{name}-build"

    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        (Path(folder) / "Dockerfile").write_text(BUILDER_DOCKERFILE)
        shutil.copyfile(bundle, Path(folder) / "ca-certificates.crt")
        options = ["--quiet", "--label", LABEL, "--build-arg", f"BASE={base}"]
        options += platform.options
        if stream_docker("build", *options, "--tag", tag, folder):
            raise ImageError(f"docker build of {tag} failed; its output says why")
    return tag
