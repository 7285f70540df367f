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
STAND_IN = f"halfstar-base:{SUITE}"
STAND_IN_PACKAGES = ("python3", "python3-venv", "ca-certificates")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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
class Bases:
    """What the Dockerfile builds on.

    Attributes:
        final: the base of the final stage.
        builder: the base of the stages that download and compile.
    """

    final: str
    builder: str


def find_bases(public: str, environ: Mapping[str, str]) -> Bases:
    """The public base if it is here or can be pulled, otherwise the stand-in.

    Raises:
        ImageError: if the registry refuses the public base, or if neither can be had.
        subprocess.CalledProcessError: if a command fails; it has printed why.
    """
    bundle = ca_bundle(environ)
    if has_image(public) or _pull(public):
        return Bases(public, _builder(public, bundle))

    if not has_image(STAND_IN):
        _make_stand_in()
    return Bases(STAND_IN, _builder(STAND_IN, bundle or SYSTEM_CA_BUNDLE))


def has_image(tag: str) -> bool:
    """Whether the engine already has the image."""
    return run_docker("image", "inspect", tag).returncode == 0


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


def _pull(public: str) -> bool:
    """Pull the base; False if no registry was reached."""
    pulled = run_docker("pull", public, show=True)
    if pulled.returncode == 0:
        return True

    message = pulled.stderr.strip()
    if not is_unreachable(message):
        raise ImageError(f"{public} can't be pulled: {message}")
    print(
        f"{message}\nno registry can be reached, so {STAND_IN} replaces {public}",
        file=sys.stderr,
    )
    return False


def _make_stand_in() -> None:
    """Make the stand-in base and give it its tag."""
    try:
        debian.ensure_commands({"mmdebstrap": ("mmdebstrap",)})
    except debian.MissingCommandError as error:
        raise ImageError(
            f"no registry can be reached, and to make a base here {error}; or name a "
            "base that this machine can pull: python -m container.image --base IMAGE"
        ) from error

    # Without a mirror mmdebstrap takes Debian's own.
    mirror = debian.mirror() if debian.is_debian() else None
    settings = ['CMD ["python3"]', f"ENV PATH={PATH}", f"LABEL {LABEL}"]
    changes = [f"--change={setting}" for setting in settings]

    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        tar = str(Path(folder) / f"{SUITE}.tar")
        include = f"--include={','.join(STAND_IN_PACKAGES)}"
        command = ["mmdebstrap", "--variant=minbase", include, SUITE, tar]
        if mirror is not None:
            command.append(mirror)
        subprocess.run(command, check=True)
        if stream_docker("import", *changes, tar, STAND_IN):
            raise ImageError(f"docker import of {STAND_IN} failed; its output says why")


def _builder(base: str, bundle: Path | None) -> str:
    """The base itself, or the base plus the CA bundle under a tag of our own."""
    if bundle is None or not bundle.is_file():
        return base

    name = base.removeprefix("halfstar-base:")
    name = re.sub(r"[^a-zA-Z0-9.]+", "-", name)
    tag = f"halfstar-base:{name}-build"

    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        (Path(folder) / "Dockerfile").write_text(BUILDER_DOCKERFILE)
        shutil.copyfile(bundle, Path(folder) / "ca-certificates.crt")
        options = ["--quiet", "--label", LABEL, "--build-arg", f"BASE={base}"]
        if stream_docker("build", *options, "--tag", tag, folder):
            raise ImageError(f"docker build of {tag} failed; its output says why")
    return tag
