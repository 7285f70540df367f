"""Compares two images file by file: ``python -m container.compare [IMAGE IMAGE]``.

Without names it builds the image twice from this folder, without Docker's cache, which
takes some minutes each. It prints what differs and exits with 1 if anything does.

Compared are the content, kind, mode, owner and time of each file, and the configuration
that containers start with. The times of directories aren't: Docker sets those of the
directories that it copies into.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from container.base import LABEL
from container.image import build
from launcher.docker import docker, last_line, run_docker
from launcher.errors import ImageError

TAGS = ("halfstar:first-build", "halfstar:second-build")
BLOCK = 2**20

# What docker puts into each container that it creates, not into the image.
DOCKERS_OWN = (
    ".dockerenv",
    "dev/console",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
)

# The parts of an image's configuration that containers start with.
CONFIGURATION = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or link of an image.

    Attributes:
        content: SHA-256 of a file's bytes, the target of a link.
        kind: as tar names it.
        mode: permissions.
        owner: user and group, by number.
        time: last change, in seconds; 0 for directories.
    """

    content: str
    kind: str
    mode: str
    owner: tuple[int, int]
    time: int


def read_image(tag: str) -> dict[str, Entry]:
    """All files of an image, by path.

    Raises:
        ImageError: if there is no such image.
    """
    created = run_docker("create", "--label", LABEL, tag)
    if created.returncode:
        raise ImageError(f"docker create {tag}: {last_line(created.stderr)}")
    container = created.stdout.strip()
    try:
        with (
            subprocess.Popen(
                [docker(), "export", container], stdout=subprocess.PIPE
            ) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as tar,
        ):
            return dict(read_tar(tar))
    finally:
        run_docker("rm", container)


def read_tar(tar: tarfile.TarFile) -> Iterator[tuple[str, Entry]]:
    """Path and entry of all that belongs to the image."""
    for member in tar:
        path = member.name.rstrip("/")
        if path in DOCKERS_OWN:
            continue
        yield (
            path,
            Entry(
                content=_content(tar, member),
                kind=member.type.decode(),
                mode=f"{member.mode:04o}",
                owner=(member.uid, member.gid),
                time=0 if member.isdir() else int(member.mtime),
            ),
        )


def differences(first: dict[str, Entry], second: dict[str, Entry]) -> list[str]:
    """A line for each file that differs, by path."""
    lines = []
    for path in sorted(first.keys() | second.keys()):
        if path not in second:
            lines.append(f"{path}: only in the first")
        elif path not in first:
            lines.append(f"{path}: only in the second")
        elif first[path] != second[path]:
            differing = ", ".join(_differing(first[path], second[path]))
            lines.append(f"{path}: {differing}")
    return lines


def configuration_differences(first: str, second: str) -> list[str]:
    """A line for each part of the configuration in which two images differ."""
    one = _configuration(first)
    other = _configuration(second)
    return [
        f"{part}: {one.get(part)} and {other.get(part)}"
        for part in CONFIGURATION
        if one.get(part) != other.get(part)
    ]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        return member.linkname
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _differing(first: Entry, second: Entry) -> list[str]:
    names = [field.name for field in fields(Entry)]
    return [name for name in names if getattr(first, name) != getattr(second, name)]


def _configuration(tag: str) -> dict[str, Any]:
    shown = run_docker("image", "inspect", "--format", "{{json .Config}}", tag)
    if shown.returncode:
        raise ImageError(f"docker image inspect {tag}: {last_line(shown.stderr)}")
    value: dict[str, Any] = json.loads(shown.stdout)
    return value


def compare(first: str, second: str) -> list[str]:
    """Print how many files two images have, and give a line for each difference."""
    one = read_image(first)
    other = read_image(second)
    print(
        f"{len(one)} files, directories and links in {first}, {len(other)} in {second}"
    )
    return [*differences(one, other), *configuration_differences(first, second)]


def main(arguments: list[str] | None = None) -> int:
    """Compare and print the differences; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m container.compare",
        description="Compares two images file by file, or two builds of this folder.",
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE")
    parser.add_argument("--base", help="image to build on, as for container.image")
    options = parser.parse_args(arguments)
    images = options.images
    if len(images) not in (0, 2):
        parser.error(f"give two images or none, not {len(images)}")

    try:
        if not images:
            for tag in TAGS:
                build(tag, options.base, use_cache=False)
        found = compare(*(images or TAGS))
    except (ImageError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if not images:
            run_docker("image", "rm", *TAGS)
    print("\n".join(found) if found else "nothing differs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
