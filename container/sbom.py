"""Writes the image's bill of materials (CycloneDX, JSON): what it is made of.

It runs in the build, inside of what will be the image, and lists what is really there:

1. the Python packages, ours and the base's, as their metadata name them;
2. the Debian packages, as dpkg's list of installed packages names them;
3. Python itself, where it is no Debian package, and the distribution.

Each has a name, a version, a package URL, its licences, and the files of the image that
hold their text. A Python package also has the hash of the file that the index gave. The
same files give the same bill: its time is ``SOURCE_DATE_EPOCH``, its serial number is
made from the components. It is in version 1.5 of CycloneDX, since Amazon Inspector
reads no other.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot5
from packageurl import PackageURL

OURS = "halfstar"
LICENCE_FILE = "halfstar:licence-file"
# Where Python packages are, in the image and in its possible bases.
PACKAGE_DIRS = (
    "opt/halfstar/lib/python3*/site-packages",
    "usr/local/lib/python3*/site-packages",
    "usr/lib/python3/dist-packages",
)
DPKG_STATUS = "var/lib/dpkg/status"
LICENCE_NAME = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)
CLASSIFIER = "License :: OSI Approved :: "
# A licence field can hold a whole licence. This is the longest that is a name.
LONGEST_NAME = 50
COMMON_LICENCE = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])")
DECLARED_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Downloads:
    """The hashes of what the index gave for the locked packages.

    Attributes:
        locked: of each package, the SHA-256 of all its files, by name and version.
        wheels: the SHA-256 of the wheels that were installed, by name and version.
    """

    locked: Mapping[tuple[str, str], frozenset[str]]
    wheels: Mapping[tuple[str, str], str]

    def hash_of(self, name: str, version: str) -> str | None:
        """The locked hash of the wheel, or of the source that it was built from.

        A wheel that isn't locked was built here. The lock then has one file, its
        source.
        """
        key = (name, version)
        locked = self.locked.get(key, frozenset())
        wheel = self.wheels.get(key)
        if wheel in locked:
            return wheel
        return next(iter(locked)) if len(locked) == 1 else None


def read_lock(text: str) -> dict[tuple[str, str], frozenset[str]]:
    """The hashes that a lock of pip's allows, by name and version.

    Example:
        >>> read_lock("Six==1.0 \\\\\\n    --hash=sha256:ab\\n    # via x\\n")
        {('six', '1.0'): frozenset({'ab'})}
    """
    entry = re.compile(r"^(\S+)==(\S+)((?:.*\\\n)+.*)$", re.MULTILINE)
    locked = {}
    for name, version, rest in entry.findall(text):
        hashes = re.findall(r"--hash=sha256:([0-9a-f]+)", rest)
        locked[_normal(name), version] = frozenset(hashes)
    return locked


def read_wheels(text: str) -> dict[tuple[str, str], str]:
    """The hashes that ``sha256sum *.whl`` has printed, by name and version.

    Example:
        >>> read_wheels("ab  zope_event-6.2-py3-none-any.whl\\n")
        {('zope-event', '6.2'): 'ab'}
    """
    wheels = {}
    for line in text.splitlines():
        sha256, file_name = line.split()
        name, version, *_ = file_name.split("-")
        wheels[_normal(name), version] = sha256
    return wheels


def python_components(root: Path, downloads: Downloads) -> Iterator[Component]:
    """The Python packages that are installed below a root directory."""
    for pattern in PACKAGE_DIRS:
        for folder in sorted(root.glob(pattern)):
            for distribution in distributions(path=[str(folder)]):
                yield _python_component(root, distribution, downloads)


def debian_components(root: Path) -> Iterator[Component]:
    """The Debian packages that are installed below a root directory."""
    status = root / DPKG_STATUS
    if not status.is_file():
        return
    release = _os_release(root)
    vendor = release.get("ID", "debian")
    distro = f"{vendor}-{release.get('VERSION_ID', '')}"
    for paragraph in status.read_text().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield _debian_component(root, fields, vendor, distro)


def other_components(root: Path) -> Iterator[Component]:
    """The distribution, and Python itself where it is no Debian package."""
    release = _os_release(root)
    if "ID" in release:
        yield Component(
            type=ComponentType.OPERATING_SYSTEM,
            name=release["ID"],
            version=release.get("VERSION_ID", ""),
        )

    major, minor, _ = platform.python_version_tuple()
    name = f"python{major}.{minor}"
    if (root / f"usr/local/bin/{name}").exists():
        version = platform.python_version()
        licence = root / f"usr/local/lib/{name}/LICENSE.txt"
        yield Component(
            type=ComponentType.APPLICATION,
            name="python",
            version=version,
            purl=PackageURL("generic", None, "python", version),
            cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
            licenses=[LicenseFactory().make_from_string("PSF-2.0")],
            properties=_licence_files(root, [licence] if licence.exists() else []),
        )


def bill(components: Iterable[Component], created: datetime) -> str:
    """The bill of an image that has these components, as JSON.

    Args:
        components: in any order. Ours, `OURS`, is what the bill is about.
        created: the time to write into it.
    """
    parts = []
    image = Component(type=ComponentType.CONTAINER, name=OURS)
    for component in components:
        if component.name == OURS:
            component.type = ComponentType.CONTAINER
            image = component
        else:
            parts.append(component)

    names = sorted(str(part.purl or part.name) for part in [image, *parts])
    bom = Bom(
        components=parts,
        metadata=BomMetaData(component=image, timestamp=created),
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(names)),
    )
    bom.register_dependency(image, parts)
    for component in [image, *parts]:
        component.bom_ref.value = str(component.purl or component.name)
    return JsonV1Dot5(bom).output_as_string(indent=1)


def _python_component(
    root: Path, distribution: Distribution, downloads: Downloads
) -> Component:
    name = _normal(distribution.name)
    version = distribution.version
    sha256 = downloads.hash_of(name, version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("pypi", None, name, version),
        hashes=hashes,
        licenses=_licences(_stated_licences(distribution)),
        properties=_licence_files(root, _python_licence_files(distribution)),
    )


def _stated_licences(distribution: Distribution) -> list[str]:
    """An expression, or names: as the package states its licence."""
    metadata = distribution.metadata
    for name in ("License-Expression", "License"):
        stated = metadata.get_all(name) or []
        if stated and 0 < len(stated[0]) <= LONGEST_NAME:
            return stated
    classifiers = metadata.get_all("Classifier") or []
    return [
        value.removeprefix(CLASSIFIER)
        for value in classifiers
        if value.startswith(CLASSIFIER)
    ]


def _python_licence_files(distribution: Distribution) -> list[Path]:
    """The files of a package's metadata that are named like a licence."""
    found = []
    for file in distribution.files or ():
        is_metadata = file.parts[0].endswith(".dist-info")
        if is_metadata and LICENCE_NAME.search("/".join(file.parts[1:])):
            found.append(Path(str(distribution.locate_file(file))))
    return [path for path in found if path.is_file()]


def _debian_component(
    root: Path, fields: Mapping[str, str], vendor: str, distro: str
) -> Component:
    name = fields["Package"]
    version = fields["Version"]
    qualifiers = {"arch": fields["Architecture"], "distro": distro}
    if "Source" in fields:
        # "gcc-14 (14.2.0-19)"; without a version it is that of the package.
        source, _, source_version = fields["Source"].partition(" ")
        qualifiers["upstream"] = f"{source}@{source_version.strip('()') or version}"

    copyright_file = root / "usr/share/doc" / name / "copyright"
    text = ""
    if copyright_file.is_file():
        text = copyright_file.read_text(errors="replace")
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("deb", vendor, name, version, qualifiers),
        licenses=_licences(declared_licences(text)),
        properties=_licence_files(root, [copyright_file] if text else []),
    )


def declared_licences(text: str) -> list[str]:
    """The names of the licences in a Debian copyright file, each once, sorted.

    In Debian's machine-readable format they have a field. Other files refer to the
    licences that all packages share.

    Example:
        >>> declared_licences("See /usr/share/common-licenses/GPL-2.")
        ['GPL-2']
    """
    if text.startswith("Format:"):
        names = DECLARED_LICENCE.findall(text)
    else:
        names = COMMON_LICENCE.findall(text)
    return sorted({" ".join(name.split()) for name in names})


def _licences(names: list[str]) -> list[License]:
    """Licences by their SPDX ids where they have one, otherwise by their names.

    One that is stated alone may be an SPDX expression.
    """
    factory = LicenseFactory()
    if len(names) == 1:
        return [factory.make_from_string(names[0])]
    return [factory.make_with_name(name) for name in names]


def _licence_files(root: Path, paths: list[Path]) -> list[Property]:
    return [
        Property(name=LICENCE_FILE, value=f"/{path.relative_to(root)}")
        for path in sorted(paths)
    ]


def _os_release(root: Path) -> dict[str, str]:
    path = root / "etc/os-release"
    text = path.read_text() if path.is_file() else ""
    return dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))


def _normal(name: str) -> str:
    """A package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print the bill of the system that this runs in."""
    parser = argparse.ArgumentParser(description="Prints a bill of materials.")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument(
        "--wheels", type=Path, required=True, help="output of sha256sum *.whl"
    )
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args()

    downloads = Downloads(
        read_lock(options.lock.read_text()), read_wheels(options.wheels.read_text())
    )
    root: Path = options.root
    components = [
        *python_components(root, downloads),
        *debian_components(root),
        *other_components(root),
    ]
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    print(bill(components, datetime.fromtimestamp(seconds, UTC)))


if __name__ == "__main__":
    main()
