"""Builds the image: ``python -m container.image [--tag TAG] [--base IMAGE]``.

The Dockerfile says what is built; this adds what it can't know: which bases there are
to build on, the version and the revision. Everything made here carries the label
``org.halfstar``, so it can be found and removed by that.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from container.base import ImageError, find_bases
from container.engine import engine_answers
from launcher.source import revision, version

ROOT = Path(__file__).resolve().parent.parent
TAG = "halfstar:latest"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A built image: the client that knows it, its tag and id, its base, and its
    unpacked size on top of that base.
    """

    docker: str
    tag: str
    image_id: str
    base: str
    bytes_over_base: int


def build(tag: str = TAG, base: str | None = None) -> ImageFacts:
    """Build the image, quickly when little has changed; docker's progress goes to the
    standard streams.

    Raises:
        ImageError: if no engine answers or there is no base to build on.
        subprocess.CalledProcessError: if a command fails; it has said why by then.
    """
    docker = shutil.which("docker")
    if docker is None or not engine_answers():
        raise ImageError(
            "no Docker engine answers; `python -m container.engine` starts one where it may"
        )
    bases = find_bases(base or public_base(), os.environ)
    stages = [f"BASE_IMAGE={bases.final}", f"BUILDER_IMAGE={bases.builder}"]
    facts = [f"VERSION={version(ROOT)}", f"REVISION={revision(ROOT)}"]
    arguments = [f"--build-arg={value}" for value in (*stages, *facts)]
    subprocess.run([docker, "build", *arguments, "--tag", tag, str(ROOT)], check=True)
    size = int(_inspect(tag, "{{.Size}}")) - int(_inspect(bases.final, "{{.Size}}"))
    return ImageFacts(docker, tag, _inspect(tag, "{{.Id}}"), bases.final, size)


def public_base() -> str:
    """The Dockerfile's own default."""
    match = re.search(
        r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    if match is None:
        raise ImageError(f"{ROOT / 'Dockerfile'} has no line `ARG BASE_IMAGE=…`")
    return match[1]


def _inspect(tag: str, template: str) -> str:
    command = ["docker", "image", "inspect", "--format", template, tag]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """Build and report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m container.image", description="Builds the image."
    )
    parser.add_argument(
        "--tag", default=TAG, help="name of the image (default: %(default)s)"
    )
    parser.add_argument(
        "--base", help="image to build on (default: the Dockerfile's, or a stand-in)"
    )
    options = parser.parse_args(arguments)
    try:
        facts = build(options.tag, options.base)
    except (ImageError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{facts.tag} built: {facts.bytes_over_base / MEGABYTE:.0f} MB on top of {facts.base}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
