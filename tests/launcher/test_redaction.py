from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.redaction import is_secret, redacted, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:secret@host:80/x", "http://***@host:80/x"),
        ("http://user:se/cr?et@host", "http://***@host"),
        ("http://user:secr@et@host", "http://***@host"),
        ("http://user:@host", "http://***@host"),
        ("http://secret@host", "http://***@host"),
        ("http://user:secret@[::1]:80", "http://***@[::1]:80"),
        (
            'Failed to connect to proxy URL: "https://u:secret@10.0.0.1:1/"',
            'Failed to connect to proxy URL: "https://***@10.0.0.1:1/"',
        ),
        (
            "endpoint_url is 'user:secret@host', expected",
            "endpoint_url is '***@host', expected",
        ),
        ("https://h/p, see user:secret@h2", "https://h/p, see ***@h2"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=secret%2F1&"
            "X-Amz-Security-Token=secret&X-Amz-Signature=secret&X-Amz-Expires=9",
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&"
            "X-Amz-Security-Token=***&X-Amz-Signature=***&X-Amz-Expires=9",
        ),
        (
            "k?AWSAccessKeyId=secret&Signature=secret",
            "k?AWSAccessKeyId=***&Signature=***",
        ),
        ("Authorization: Basic secret==", "Authorization: Basic ***"),
        ("{'Authorization': 'Bearer secret.x'}", "{'Authorization': 'Bearer ***'}"),
    ],
)
def test_passwords_tokens_and_signatures_are_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:4566",
        "123.dkr.ecr.eu-west-1.amazonaws.com/halfstar:1.0@sha256:abcd",
        "127.0.0.1:5000/halfstar@sha256:abcd",
        "http://h:80/halfstar@sha256:abcd",
        "arn:aws:sts::123456789012:assumed-role/r/me@example.com",
        "s3://bucket/a@b",
        "sts GetCallerIdentity: 10:30 is late @home, mail me@example.com",
        "https://h/x?X-Amz-Expires=60&list-type=2",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


USER = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
PASSWORD = st.text("abcXYZ019:/?#@!$&*()+,;=._~-%", min_size=1)


@given(USER, PASSWORD)
def test_no_password_in_an_address_is_shown(user: str, password: str) -> None:
    text = f"can't reach http://{user}:{password}@proxy.example:3128 in 5 s"
    assert redacted(text) == "can't reach http://***@proxy.example:3128 in 5 s"


def test_variables_keep_their_names() -> None:
    assert without_secrets(
        {
            "HALFSTAR_SIGNING_KEY": "0123",
            "HALFSTAR_SIGNING_KEY_FILE": "/key",
            "AWS_SESSION_TOKEN": "abc",
            "HTTPS_PROXY": "http://u:p@proxy",
        }
    ) == {
        "HALFSTAR_SIGNING_KEY": "***",
        "HALFSTAR_SIGNING_KEY_FILE": "/key",
        "AWS_SESSION_TOKEN": "***",
        "HTTPS_PROXY": "http://***@proxy",
    }
    assert not is_secret("training.spot")
