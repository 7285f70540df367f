"""The bill of materials: of packages written here, then that of the real image."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from container.image import ROOT
from container.sbom import (
    LICENCE_FILE,
    Downloads,
    bill,
    debian_components,
    declared_licences,
    other_components,
    python_components,
    read_lock,
    read_wheels,
)
from tests.container.image_runner import ImageRunner

PYTHON = "/opt/halfstar/bin/python3"
LIST_PACKAGES = """\
from importlib.metadata import distributions
for package in distributions():
    name = package.name.lower().replace('_', '-').replace('.', '-')
    print(name, package.version)
"""
CREATED = datetime(2026, 1, 2, tzinfo=UTC)
A, B, C, D = (letter * 64 for letter in "abcd")
LOCK = f"""\
Some.Package==1.0 ; python_full_version >= '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:{B}
    # via halfstar
built-here==2.0 \\
    --hash=sha256:{C}
"""
WHEELS = f"""\
{B}  some_package-1.0-py3-none-any.whl
{D}  built_here-2.0-cp313-cp313-linux_x86_64.whl
"""
DOWNLOADS = Downloads(read_lock(LOCK), read_wheels(WHEELS))
STATUS = """\
Package: libgcc-s1
Status: install ok installed
Architecture: amd64
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-20+b1
Description: a library
 that goes on here: with a colon

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root directory of a small image."""
    files = {
        "etc/os-release": 'NAME="Debian"\nID=debian\nVERSION_ID="13"\n',
        "var/lib/dpkg/status": STATUS,
        "usr/share/doc/libgcc-s1/copyright": "see /usr/share/common-licenses/GPL-3.\n",
    }
    packages = {
        "some_package-1.0": ("Some.Package", "License-Expression: MIT OR Apache-2.0"),
        "built_here-2.0": ("built-here", "License: MIT"),
        "halfstar-0.1.0": ("halfstar", "License-Expression: Apache-2.0"),
        "long-3": ("long", f"License: {'text ' * 20}\n" + TWO_CLASSIFIERS),
    }
    for folder, (name, licence) in packages.items():
        version = folder.rpartition("-")[2]
        info = f"opt/halfstar/lib/python3.13/site-packages/{folder}.dist-info"
        head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        files[f"{info}/METADATA"] = f"{head}{licence}\n"
        files[f"{info}/licenses/LICENSE"] = "text"
        files[f"{info}/RECORD"] = f"{folder}.dist-info/licenses/LICENSE,,\n"
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


TWO_CLASSIFIERS = """\
Classifier: License :: OSI Approved :: BSD License
Classifier: License :: OSI Approved :: MIT License
Classifier: Topic :: Other"""


def components_of(text: str) -> dict[str, Any]:
    return {part["name"]: part for part in json.loads(text)["components"]}


def bill_of(root: Path, seed: int = 0) -> str:
    components = [
        *python_components(root, DOWNLOADS),
        *debian_components(root),
        *other_components(root),
    ]
    random.Random(seed).shuffle(components)
    return bill(components, CREATED)


def licence_names(component: dict[str, Any]) -> list[str]:
    names = []
    for entry in component["licenses"]:
        licence = entry.get("license", entry)
        names.append(
            licence.get("id") or licence.get("name") or licence.get("expression")
        )
    return names


def test_it_lists_what_is_installed_and_is_about_our_package(root: Path) -> None:
    text = bill_of(root)
    parts = components_of(text)
    assert sorted(parts) == [
        "built-here",
        "debian",
        "libgcc-s1",
        "long",
        "some-package",
    ]
    subject = json.loads(text)["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("halfstar", "0.1.0")
    assert parts["some-package"]["purl"] == "pkg:pypi/some-package@1.0"
    assert parts["libgcc-s1"]["purl"] == (
        "pkg:deb/debian/libgcc-s1@14.2.0-20%2Bb1"
        "?arch=amd64&distro=debian-13&upstream=gcc-14%4014.2.0-19"
    )


def test_a_wheel_has_its_locked_hash_and_a_built_one_that_of_its_source(
    root: Path,
) -> None:
    parts = components_of(bill_of(root))
    assert parts["some-package"]["hashes"] == [{"alg": "SHA-256", "content": B}]
    assert parts["built-here"]["hashes"] == [{"alg": "SHA-256", "content": C}]


def test_licences_are_those_that_the_packages_state(root: Path) -> None:
    parts = components_of(bill_of(root))
    assert licence_names(parts["some-package"]) == ["MIT OR Apache-2.0"]
    assert licence_names(parts["built-here"]) == ["MIT"]
    assert licence_names(parts["long"]) == ["BSD License", "MIT License"]
    assert licence_names(parts["libgcc-s1"]) == ["GPL-3"]


def test_the_licences_of_debians_format_are_in_its_fields() -> None:
    text = (
        "Format: 1\nLicense: Expat\n text\n\nLicense:  GPL-2+  or X\nLicense: Expat\n"
    )
    assert declared_licences(text) == ["Expat", "GPL-2+ or X"]


def test_the_same_packages_give_the_same_bytes_in_any_order(root: Path) -> None:
    assert bill_of(root, seed=1) == bill_of(root, seed=2)


def test_a_bill_meets_the_schema_of_cyclonedx(root: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_5)
    assert validator.validate_str(bill_of(root)) is None
    assert validator.validate_str('{"components": 5}') is not None


def test_every_package_of_the_lock_has_a_hash() -> None:
    locked = read_lock((ROOT / "container" / "requirements.txt").read_text())
    assert len(locked) > 30
    assert all(locked.values())


# The real image


@pytest.fixture(scope="module")
def kept(runner: ImageRunner) -> dict[str, Any]:
    """The bill that the image has."""
    text = runner.shell("cat /opt/halfstar/sbom.cdx.json")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    value: dict[str, Any] = json.loads(text)
    return value


def test_the_images_bill_has_each_debian_package_and_each_python_package(
    runner: ImageRunner, kept: dict[str, Any]
) -> None:
    debian = runner.shell("dpkg-query -W -f '${Package} ${Version}\\n'").splitlines()
    python = runner.shell(f'{PYTHON} -c "{LIST_PACKAGES}"').splitlines()
    assert len(debian) > 50
    assert len(python) > 30

    parts = [*kept["components"], kept["metadata"]["component"]]
    listed = {f"{part['name']} {part['version']}" for part in parts}
    assert set(python) <= listed
    assert set(debian) <= listed


def test_every_package_but_ours_has_the_hash_of_the_lock(kept: dict[str, Any]) -> None:
    locked = read_lock((ROOT / "container" / "requirements.txt").read_text())
    for part in kept["components"]:
        key = (part["name"], part["version"])
        if part.get("purl", "").startswith("pkg:pypi/") and key in locked:
            (entry,) = part["hashes"]
            assert entry["content"] in locked[key]


def test_every_package_of_the_image_has_the_text_of_its_licence(
    runner: ImageRunner, kept: dict[str, Any]
) -> None:
    packages = [part for part in kept["components"] if "purl" in part]
    packages.append(kept["metadata"]["component"])
    files = []
    for part in packages:
        named = [entry["value"] for entry in part.get("properties", ())]
        assert named, f"{part['name']} has no licence text"
        files += named
    assert all(entry["name"] == LICENCE_FILE for entry in packages[0]["properties"])

    check = "do test -s $file || echo $file; done"
    assert runner.shell(f"for file in {' '.join(files)}; {check}") == ""


def test_only_the_bill_is_left_of_what_made_it(runner: ImageRunner) -> None:
    assert runner.shell("ls -d /build 2>/dev/null || true") == ""
