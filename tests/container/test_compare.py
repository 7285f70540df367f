"""What counts as a difference of two images, and that two builds have none."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from container.compare import Entry, compare, differences, read_tar
from container.image import ROOT, ImageFacts, build
from launcher.docker import run_docker
from launcher.source import build_arguments

COPIED = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "NOTICE",
)
FILE = Entry(content="ab", kind="0", mode="0644", owner=(0, 0), time=5)


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> dict[str, Entry]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r|") as tar:
        return dict(read_tar(tar))


def member(
    name: str, kind: bytes = tarfile.REGTYPE, /, **more: object
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for attribute, value in more.items():
        setattr(made, attribute, value)
    return made


def test_equal_images_have_no_differences() -> None:
    assert differences({"a": FILE}, {"a": FILE}) == []


def test_a_file_of_one_image_alone_is_named() -> None:
    assert differences({"a": FILE}, {"b": FILE}) == [
        "a: only in the first",
        "b: only in the second",
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"content": b"other"}, "content"),
        ({"mode": 0o4755}, "mode"),
        ({"uid": 1000}, "owner"),
        ({"mtime": 6.0}, "time"),
        ({"mtime": 6.0, "content": b"other"}, "content, time"),
    ],
)
def test_a_file_that_differs_is_named_with_what_differs(
    change: dict[str, object], named: str
) -> None:
    content = change.pop("content", b"ab")
    assert isinstance(content, bytes)
    first = tar_of((member("bin/su", mtime=5.0), b"ab"))
    second = tar_of((member("bin/su", **{"mtime": 5.0, **change}), content))
    assert differences(first, second) == [f"bin/su: {named}"]


def test_the_target_of_a_link_is_its_content() -> None:
    first = tar_of((member("lib64", tarfile.SYMTYPE, linkname="lib"), b""))
    second = tar_of((member("lib64", tarfile.SYMTYPE, linkname="usr/lib"), b""))
    assert differences(first, second) == ["lib64: content"]


def test_times_of_directories_and_dockers_own_files_do_not_count() -> None:
    first = tar_of((member("opt/", tarfile.DIRTYPE, mtime=5.0), b""))
    second = tar_of(
        (member("opt/", tarfile.DIRTYPE, mtime=6.0), b""),
        (member("etc/hostname"), b"abc"),
    )
    assert differences(first, second) == []


@pytest.mark.slow
def test_another_checkout_of_the_same_commit_gives_the_same_files(
    image: ImageFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An unknown file makes docker build our package again, and no one but the owner
    # can read its source. The dependencies come from docker's cache.
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", checkout / "src")
    shutil.copytree(ROOT / "container", checkout / "container")
    for name in COPIED:
        shutil.copy(ROOT / name, checkout / name)
    (checkout / "src" / "unknown").write_text("")
    for path in (checkout / "src").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)

    arguments = build_arguments(ROOT, {})
    monkeypatch.setenv("SOURCE_DATE_EPOCH", arguments["SOURCE_DATE_EPOCH"])
    again = build("halfstar:test-again", root=checkout)
    try:
        found = compare(image.tag, again.tag)
    finally:
        run_docker("image", "rm", again.tag)

    assert again.image_id != image.image_id
    # The copy is no repository, so its revision isn't known.
    assert [line.partition(":")[0] for line in found] == ["Labels"]
