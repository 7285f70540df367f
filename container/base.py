"""Finds the images that the Dockerfile's stages stand on: the public base, or a
stand-in without a registry.

The stand-in is a minimal Debian with its python3, made from the packages of this
machine's Debian mirror and kept for the next build. The stages that download packages
get the same base with this machine's CA bundle, where it has one, so that they trust
what this machine trusts; nothing of it gets into the final image.
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

LABEL = "org.halfstar=1"
SUITE = "trixie"
STAND_IN = f"halfstar-base:{SUITE}"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SYSTEM_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
BUILDER = f"""\
ARG BASE
FROM ${{BASE}}
COPY ca-certificates.crt {SYSTEM_CA_BUNDLE}
ENV PIP_CERT={SYSTEM_CA_BUNDLE} SSL_CERT_FILE={SYSTEM_CA_BUNDLE}
"""

# What docker says when the registry wasn't reached at all, as against a registry that
# answered no.
UNREACHABLE = re.compile(
    r"no such host|server misbehaving|dial tcp|i/o timeout|connection refused|connection reset|network is unreachable"
    r"|no route to host|TLS handshake timeout|x509: |tls: |proxyconnect|request canceled|deadline exceeded",
    re.IGNORECASE,
)


class ImageError(Exception):
    """The image can't be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Bases:
    """The base of the final stage and that of the stages that download and compile."""

    final: str
    builder: str


def find_bases(public: str, environ: Mapping[str, str]) -> Bases:
    """The public base when it is here or can be pulled, else the stand-in.

    Raises:
        ImageError: if the registry refuses the public base, or neither can be had.
    """
    if has_image(public) or _pull(public):
        return Bases(public, _builder(public, ca_bundle(environ)))
    if not has_image(STAND_IN):
        _make_stand_in()
    return Bases(STAND_IN, _builder(STAND_IN, ca_bundle(environ) or SYSTEM_CA_BUNDLE))


def has_image(tag: str) -> bool:
    """Whether the engine holds the image already."""
    return (
        subprocess.run(
            ["docker", "image", "inspect", tag], capture_output=True, check=False
        ).returncode
        == 0
    )


def is_unreachable(complaint: str) -> bool:
    """Whether docker's complaint about a pull means that no registry was reached."""
    return UNREACHABLE.search(complaint) is not None


def ca_bundle(environ: Mapping[str, str]) -> Path | None:
    """The CA bundle that the environment names, for pip first of all."""
    named = [Path(environ[name]) for name in CA_VARIABLES if environ.get(name)]
    return next((path for path in named if path.is_file()), None)


def _pull(public: str) -> bool:
    """Whether the base came; False when no registry was reached."""
    pulled = subprocess.run(
        ["docker", "pull", public], stderr=subprocess.PIPE, text=True, check=False
    )
    complaint = pulled.stderr.strip()
    if pulled.returncode and not is_unreachable(complaint):
        raise ImageError(f"{public} can't be pulled: {complaint}")
    if pulled.returncode:
        print(
            f"{complaint}\nno registry can be reached, so {STAND_IN} stands in for {public}",
            file=sys.stderr,
        )
    return pulled.returncode == 0


def _make_stand_in() -> None:
    if shutil.which("mmdebstrap") is None:
        if not debian.may_install():
            raise ImageError(
                "the stand-in base needs mmdebstrap, which isn't here and which only root on Debian may install; "
                "install it, or name a base that this machine can pull: python -m container.image --base IMAGE"
            )
        debian.install("mmdebstrap")
    mirror = (
        debian.mirror() if debian.is_debian() else None
    )  # without one mmdebstrap takes Debian's own
    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        tar = str(Path(folder) / f"{SUITE}.tar")
        bootstrap = [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            tar,
        ]
        subprocess.run([*bootstrap, *([mirror] if mirror else [])], check=True)
        changes = [
            f"--change={line}"
            for line in ('CMD ["python3"]', f"ENV PATH={PATH}", f"LABEL {LABEL}")
        ]
        subprocess.run(["docker", "import", *changes, tar, STAND_IN], check=True)


def _builder(base: str, bundle: Path | None) -> str:
    """The base itself, or the base with the CA bundle under a tag of our own."""
    if bundle is None or not bundle.is_file():
        return base
    tag = f"halfstar-base:{re.sub(r'[^a-zA-Z0-9.]+', '-', base.removeprefix('halfstar-base:'))}-build"
    with tempfile.TemporaryDirectory(prefix="halfstar-") as folder:
        (Path(folder) / "Dockerfile").write_text(BUILDER)
        shutil.copyfile(bundle, Path(folder) / "ca-certificates.crt")
        command = [
            "docker",
            "build",
            "--quiet",
            "--label",
            LABEL,
            "--build-arg",
            f"BASE={base}",
            "--tag",
            tag,
            folder,
        ]
        subprocess.run(command, check=True)
    return tag
