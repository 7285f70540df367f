"""Builds the image: ``python -m container.image [--tag TAG] [--base IMAGE]``.

The Dockerfile says what is built. This module adds what the Dockerfile can't know: the
bases that this machine has, the version and the revision. Everything made here has the
label ``org.halfstar``, by which it can be found and removed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from container.base import NATIVE, Platform, find_bases
from container.engine import engine_answers
from launcher.docker import last_line, run_docker, stream_docker
from launcher.errors import ImageError
from launcher.source import build_arguments

ROOT = Path(__file__).resolve().parent.parent
TAG = "halfstar:latest"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A built image.

    Attributes:
        tag: its name.
        image_id: its id, ``sha256:…``.
        base: the image that its final stage builds on.
        bytes_over_base: its unpacked size without that base.
    """

    tag: str
    image_id: str
    base: str
    bytes_over_base: int


def build(
    tag: str = TAG,
    base: str | None = None,
    *,
    platform: Platform = NATIVE,
    gpu: bool = False,
    root: Path = ROOT,
    use_cache: bool = True,
) -> ImageFacts:
    """Build the image, quickly if little has changed. Docker prints its progress.

    Args:
        tag: the name to give it.
        base: the image to build on, by default the Dockerfile's or the stand-in.
        platform: what the image shall run on.
        gpu: whether XGBoost shall train on GPUs.
        root: the folder of the Dockerfile.
        use_cache: whether to take what an earlier build has made.

    Raises:
        ImageError: if no engine answers, there is no base, or docker fails.
        subprocess.CalledProcessError: if another command fails; it has printed why.
    """
    if not engine_answers():
        raise ImageError(
            "no Docker engine answers; `python -m container.engine` starts one "
            "if it may"
        )
    bases = find_bases(base or public_base(), os.environ, platform)

    arguments = {
        "BASE_IMAGE": bases.final,
        "BUILDER_IMAGE": bases.builder,
        **build_arguments(root, os.environ, gpu=gpu),
    }
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options += platform.options
    if not use_cache:
        options.append("--no-cache")
    if stream_docker("build", *options, "--tag", tag, str(root)):
        raise ImageError(f"docker build of {tag} failed; its output says why")

    size = int(_inspect(tag, "{{.Size}}"))
    base_size = int(_inspect(bases.final, "{{.Size}}"))
    return ImageFacts(
        tag=tag,
        image_id=_inspect(tag, "{{.Id}}"),
        base=bases.final,
        bytes_over_base=size - base_size,
    )


def public_base() -> str:
    """The base that the Dockerfile names by default."""
    dockerfile = ROOT / "Dockerfile"
    match = re.search(r"^ARG BASE_IMAGE=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    if match is None:
        raise ImageError(f"{dockerfile} has no line `ARG BASE_IMAGE=…`")
    return match[1]


def _inspect(tag: str, template: str) -> str:
    """One fact about a local image."""
    result = run_docker("image", "inspect", "--format", template, tag)
    if result.returncode:
        raise ImageError(f"docker image inspect {tag}: {last_line(result.stderr)}")
    return result.stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """Build and print what was built; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m container.image", description="Builds the image."
    )
    parser.add_argument(
        "--tag", default=TAG, help="name of the image (default: %(default)s)"
    )
    parser.add_argument(
        "--base",
        help="image to build on (default: the Dockerfile's, or a stand-in)",
    )
    parser.add_argument(
        "--platform",
        default="",
        help="such as linux/arm64 (default: this machine's)",
    )
    parser.add_argument("--gpu", action="store_true", help="with XGBoost for GPUs")
    options = parser.parse_args(arguments)

    try:
        facts = build(
            options.tag,
            options.base,
            platform=Platform(options.platform),
            gpu=options.gpu,
        )
    except (ImageError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    megabytes = facts.bytes_over_base / MEGABYTE
    print(f"{facts.tag} built: {megabytes:.0f} MB on top of {facts.base}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
