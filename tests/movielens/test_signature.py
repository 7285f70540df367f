from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from movielens.errors import ArtifactError
from movielens.signature import (
    SigningKeyError,
    check_signature,
    signature_of,
    signing_key,
)

KEY = b"0123456789abcdef"
MANIFEST = b'{"files": {}}\n'


def test_there_is_no_key_unless_the_environment_has_one() -> None:
    assert signing_key({}) is None
    assert signing_key({"HALFSTAR_SIGNING_KEY": ""}) is None


def test_a_key_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\r\n")
    assert signing_key({"HALFSTAR_SIGNING_KEY": KEY.decode()}) == KEY
    assert signing_key({"HALFSTAR_SIGNING_KEY_FILE": str(path)}) == KEY


def test_a_key_that_cannot_be_used_names_its_variable(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("secret\n")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    absent = tmp_path / "absent"
    for environment, expected in (
        ({"HALFSTAR_SIGNING_KEY": "secret"}, "KEY has 6 bytes, expected at least 16"),
        ({"HALFSTAR_SIGNING_KEY_FILE": str(short)}, "KEY_FILE has 6 bytes"),
        ({"HALFSTAR_SIGNING_KEY_FILE": str(fifo)}, "fifo: it is no regular file"),
        ({"HALFSTAR_SIGNING_KEY_FILE": str(absent)}, "absent: No such file"),
        (
            {"HALFSTAR_SIGNING_KEY": "a", "HALFSTAR_SIGNING_KEY_FILE": "b"},
            "both HALFSTAR_SIGNING_KEY and HALFSTAR_SIGNING_KEY_FILE are set",
        ),
    ):
        with pytest.raises(SigningKeyError, match=expected) as raised:
            signing_key(environment)
        assert "secret" not in str(raised.value)


def test_openssl_makes_the_same_signature(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(MANIFEST)
    command = ["openssl", "dgst", "-sha256", "-hmac", KEY.decode(), str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.split()[-1] == signature_of(MANIFEST, KEY).decode().strip()


def test_only_this_manifest_and_key_pass(tmp_path: Path) -> None:
    signature = signature_of(MANIFEST, KEY)
    path = tmp_path / "manifest.sig"
    path.write_bytes(signature)
    check_signature(tmp_path, MANIFEST, KEY)

    for manifest, key in ((MANIFEST + b" ", KEY), (MANIFEST, KEY + b" ")):
        with pytest.raises(ArtifactError, match="isn't the signature"):
            check_signature(tmp_path, manifest, key)
    for other in (b"", signature[:-2], b"\xff" * 64, signature.upper()):
        path.write_bytes(other)
        with pytest.raises(ArtifactError, match="isn't the signature"):
            check_signature(tmp_path, MANIFEST, KEY)


def test_a_signature_is_read_with_care(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sig"
    with pytest.raises(ArtifactError, match=r"has no manifest\.sig"):
        check_signature(tmp_path, MANIFEST, KEY)
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match="no regular file"):
        check_signature(tmp_path, MANIFEST, KEY)
    path.unlink()
    path.write_bytes(bytes(1000))
    with pytest.raises(ArtifactError, match="expected at most 100"):
        check_signature(tmp_path, MANIFEST, KEY)
