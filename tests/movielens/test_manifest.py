from __future__ import annotations

import json
from pathlib import Path

import pytest

from movielens.errors import ArtifactError
from movielens.manifest import SCHEMA_VERSION, FileEntry, Manifest

MANIFEST = Manifest(
    class_values=[1.0, 2.0, 3.0, 4.0, 5.0],
    decision="mode",
    feature_names=["year", "hour"],
    files={"booster.ubj": FileEntry.of(b"trees"), "forest.bin": FileEntry.of(b"flat")},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST.to_json()))
    assert Manifest.read(tmp_path) == MANIFEST
    assert MANIFEST.n_bytes == 9


def test_an_absent_manifest_is_reported_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no manifest.json in .* \(empty\)"):
        Manifest.read(tmp_path)
    (tmp_path / "password.txt").touch()
    with pytest.raises(ArtifactError, match="it has other files") as raised:
        Manifest.read(tmp_path)
    assert "password" not in str(raised.value)
    (tmp_path / "model.tar.gz").touch()
    with pytest.raises(ArtifactError, match=r"no manifest.json .*model.tar.gz.*unpack"):
        Manifest.read(tmp_path)
    with pytest.raises(ArtifactError, match="no such directory"):
        Manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "null", '"text"', "\udc80"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    data = text.encode(errors="surrogateescape")
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 200_000, "nested more than 100 levels"),
        ('{"schema_version": NaN}', "JSON has no NaN"),
        ('{"schema_version": ' + "9" * 5000 + "}", "has 5000 digits"),
        ('{"schema_version": "\\ud800"}', "surrogate"),
    ],
)
def test_json_that_could_do_harm_is_refused(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(
        ArtifactError, match=rf"can't read .*manifest\.json: .*{expected}"
    ):
        Manifest.read(tmp_path)


def test_an_endless_manifest_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ArtifactError, match="expected at most 1048576"):
        Manifest.read(tmp_path)


def test_a_message_does_not_repeat_a_long_value(tmp_path: Path) -> None:
    value = MANIFEST.to_json() | {"decision": "x" * 100_000}
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match="decision is 'xxx") as raised:
        Manifest.read(tmp_path)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, None])
def test_another_schema_version_is_refused(tmp_path: Path, version: int | None) -> None:
    value = MANIFEST.to_json() | {"schema_version": version}
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match=f"has schema version {version}, this"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_values", None),
        ("feature_names", None),
        ("decision", None),
        ("decision", "median of means"),
        ("decision", ["mode"]),
        ("files", []),
        ("files", None),
        ("files", {"booster.ubj": "x"}),
        ("files", {"booster.ubj": {}}),
        ("files", {"booster.ubj": {"bytes": "many", "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": "12", "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": True, "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": -1, "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": 2**63, "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": 1.5, "sha256": "0" * 64}}),
        ("files", {"booster.ubj": {"bytes": 1, "sha256": "0" * 63}}),
        ("files", {"booster.ubj": {"bytes": 1, "sha256": None}}),
    ],
)
def test_a_damaged_manifest_is_refused(
    tmp_path: Path, name: str, value: object
) -> None:
    damaged = MANIFEST.to_json() | {name: value}
    (tmp_path / "manifest.json").write_text(json.dumps(damaged))
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged .*copy"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["class_values", "feature_names", "decision", "files"])
def test_a_missing_member_is_named(tmp_path: Path, name: str) -> None:
    value = MANIFEST.to_json()
    del value[name]
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match=f"is damaged .'{name}'"):
        Manifest.read(tmp_path)
