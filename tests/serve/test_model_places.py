from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from movielens import artifact
from movielens.artifact import FILES
from movielens.errors import ArtifactError
from movielens.model import Model
from movielens.signature import SIGNATURE
from serve.errors import HttpError
from serve.model_places import ModelPlaces
from serve.served_model import load
from tests.examples import EVALUATION


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def placed(root: Path, model_dir: Path) -> Path:
    """A model below the root."""
    return shutil.copytree(model_dir, root / "hash" / "model")


def refusal(root: Path, url: object) -> HttpError:
    with pytest.raises(HttpError) as raised:
        ModelPlaces(root).find(str(url))
    return raised.value


def test_the_size_is_that_of_the_model_s_files(root: Path, placed: Path) -> None:
    n_bytes = sum(file.stat().st_size for file in placed.iterdir())
    (placed / "notes.txt").write_text("anything else")
    assert ModelPlaces(root).find(str(placed)) == (placed, n_bytes)


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/etc",
        "/etc/passwd",
        "relative",
        "",
        "{root}",
        "{root}/..",
        "{root}/../other",
        "{root}/hash/../../other",
        "{root}x/hash",
        "{root}/a\0b",
        "{root}/\udfff",
        "{root}/" + "a/" * 2100,
    ],
)
def test_a_directory_elsewhere_is_refused(
    root: Path, placed: Path, tmp_path: Path, url: str
) -> None:
    shutil.copytree(placed, tmp_path / "other")
    error = refusal(root, url.replace("{root}", str(root)))
    assert error.status == 400
    assert f"isn't below {root}" in str(error)


def test_elsewhere_nobody_learns_what_is_there(root: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    there = str(refusal(root, tmp_path / "there"))
    nowhere = str(refusal(root, tmp_path / "nowhere"))
    assert there.replace("there", "nowhere") == nowhere.replace("there", "nowhere")


def test_a_link_to_elsewhere_is_refused(
    root: Path, placed: Path, tmp_path: Path
) -> None:
    elsewhere = placed.rename(tmp_path / "elsewhere")
    (root / "link").symlink_to(elsewhere)
    (root / "deep").symlink_to(tmp_path)
    for url in (root / "link", root / "deep" / "elsewhere", root / "deep" / "nowhere"):
        assert refusal(root, url).status == 400


def test_a_file_that_is_a_link_to_elsewhere_is_refused(
    root: Path, placed: Path, tmp_path: Path
) -> None:
    elsewhere = (placed / "booster.ubj").rename(tmp_path / "booster.ubj")
    (placed / "booster.ubj").symlink_to(elsewhere)
    error = refusal(root, placed)
    assert error.status == 400
    assert "a link in it leads out of there" in str(error)


def test_links_within_the_root_are_followed(root: Path, placed: Path) -> None:
    (root / "link").symlink_to(placed)
    (placed / "booster.ubj").rename(root / "booster.ubj")
    (placed / "booster.ubj").symlink_to("../../booster.ubj")
    path, n_bytes = ModelPlaces(root).find(str(root / "link"))
    assert path == placed
    assert n_bytes > (root / "booster.ubj").stat().st_size


def test_the_root_may_be_a_link(root: Path, placed: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    assert ModelPlaces(linked).find(str(linked / "hash" / "model")).path == placed


def test_no_directory_is_404(root: Path) -> None:
    (root / "file").touch()
    assert refusal(root, root / "nowhere").status == 404
    assert refusal(root, root / "file").status == 404
    (root / "loop").symlink_to(root / "loop")
    assert refusal(root, root / "loop").status == 404


@pytest.mark.parametrize("name", ["manifest.json", "features.npz"])
def test_what_is_no_regular_file_is_refused_unopened(
    root: Path, placed: Path, name: str
) -> None:
    (placed / name).unlink()
    os.mkfifo(placed / name)
    assert f"{name} in '{placed}': it is no regular file" in str(refusal(root, placed))
    (placed / name).unlink()
    (placed / name).mkdir()
    assert refusal(root, placed).status == 400


def test_messages_are_short(root: Path) -> None:
    assert len(str(refusal(root, root / ("a/" * 2000)))) < 500


def test_a_directory_that_becomes_a_link_to_elsewhere_is_not_read(
    root: Path, placed: Path, tmp_path: Path
) -> None:
    found = ModelPlaces(root).find(str(placed))
    assert load(found.path, root).is_well()
    elsewhere = placed.rename(tmp_path / "elsewhere")
    placed.symlink_to(elsewhere)
    assert load(found.path).is_well()
    with pytest.raises(ArtifactError, match=f"it isn't below {root}"):
        load(found.path, root)


@pytest.mark.parametrize("name", sorted(FILES - {SIGNATURE}))
def test_a_file_that_becomes_a_link_to_elsewhere_is_not_read(
    root: Path, gated: Model, tmp_path: Path, name: str
) -> None:
    placed = root / "model"
    placed.mkdir()
    artifact.save(gated, EVALUATION, placed)
    found = ModelPlaces(root).find(str(placed))
    elsewhere = (placed / name).rename(tmp_path / name)
    (placed / name).symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=f"{name}: it isn't below {root}"):
        load(found.path, root)
