"""Signs manifests, so that a server can tell its own models from anybody's.

The hashes in a manifest find damage. Whoever writes a file on purpose writes its hash
too; but not the signature, which takes a key. It is the HMAC-SHA-256 of the manifest's
bytes, in hexadecimal, and covers all files through their hashes. It doesn't say which
of two signed models is the newer one.

The key comes from the environment, which this module reads itself: whatever reads a
model asks here, so no reader can forget it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from movielens.errors import ArtifactError, HalfstarError
from movielens.regular_files import read_regular

SIGNATURE = "manifest.sig"
KEY_VARIABLE = "HALFSTAR_SIGNING_KEY"
KEY_FILE_VARIABLE = "HALFSTAR_SIGNING_KEY_FILE"

LEAST_KEY_BYTES = 16
_MOST_KEY_BYTES = 4096
_MOST_SIGNATURE_BYTES = 100


class SigningKeyError(HalfstarError):
    """A signing key that can't be used."""


def signing_key(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """The key that models are signed with, or None if there is none.

    A file's line end is no part of the key. An empty variable counts as absent.

    Raises:
        SigningKeyError: the key is short, there are two, or the file can't be read.
    """
    text = environment.get(KEY_VARIABLE, "")
    file = environment.get(KEY_FILE_VARIABLE, "")
    if text and file:
        raise SigningKeyError(
            f"both {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are set: remove one"
        )
    if not text and not file:
        return None

    variable = KEY_FILE_VARIABLE if file else KEY_VARIABLE
    key = _key_in(Path(file)) if file else os.fsencode(text)
    if len(key) < LEAST_KEY_BYTES:
        raise SigningKeyError(
            f"the key of {variable} has {len(key)} bytes, expected at least "
            f"{LEAST_KEY_BYTES}: make one with `openssl rand -hex 32`"
        )
    return key


def signature_of(manifest: bytes, key: bytes) -> bytes:
    """What ``manifest.sig`` holds.

    Args:
        manifest: the bytes of ``manifest.json``.
        key: see `signing_key`.
    """
    return hmac.new(key, manifest, hashlib.sha256).hexdigest().encode() + b"\n"


def check_signature(
    model_dir: Path, manifest: bytes, key: bytes, below: Path | None = None
) -> None:
    """Check that a manifest was signed with this key.

    Args:
        model_dir: has the signature.
        manifest: the bytes of ``manifest.json``.
        key: see `signing_key`.
        below: as of `read_regular`.

    Raises:
        ArtifactError: the signature is absent, or not of this manifest and key.
    """
    path = model_dir / SIGNATURE
    try:
        found = read_regular(path, _MOST_SIGNATURE_BYTES, below)
    except FileNotFoundError:
        raise ArtifactError(
            f"{model_dir} has no {SIGNATURE}, and a signing key is set: train with "
            f"this key in {KEY_VARIABLE} or {KEY_FILE_VARIABLE}"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise ArtifactError(f"can't read {path}: {reason}") from error

    expected = signature_of(manifest, key)
    if not hmac.compare_digest(found.strip(), expected.strip()):
        raise ArtifactError(
            f"{path} isn't the signature of the manifest by this key: the model was "
            "changed, or trained with another key"
        )


def _key_in(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_KEY_BYTES).rstrip(b"\r\n")
    except OSError as error:
        reason = error.strerror or error
        raise SigningKeyError(
            f"{KEY_FILE_VARIABLE}: can't read {path}: {reason}"
        ) from error
