"""What a user reads when AWS refuses, or when something else answers in its place.

A server on loopback answers every request with an error, in the form of AWS's services,
or with a web page, as proxies and wrong addresses do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from launcher.aws import Aws
from launcher.errors import AwsError
from launcher.ports import LOOPBACK, free_port
from launcher.s3_uri import S3Uri
from tests.launcher.conftest import (
    AwsServer,
    Launcher,
    Result,
)
from tests.launcher.page_server import PageServer, running


class RefusingServer(ThreadingHTTPServer):
    """Answers every request with the same error."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.code = ""
        self.message = ""
        self.n_asked = 0


class Refusal(BaseHTTPRequestHandler):
    """The server's error, as services with JSON bodies give it."""

    server: RefusingServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.n_asked += 1
        error = {"__type": self.server.code, "message": self.server.message}
        body = json.dumps(error).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on stderr, which the tests read."""


@pytest.fixture
def server() -> Iterator[RefusingServer]:
    server = RefusingServer()
    with running(server):
        yield server


def refused(
    launcher: Launcher, server: RefusingServer, code: str, message: str
) -> Result:
    """The result of a command whose first call is refused."""
    server.code = code
    server.message = message
    url = f"http://127.0.0.1:{server.server_port}"
    result = launcher("--endpoint-url", url, "status")
    assert result.code == 1
    assert len(result.err.strip().splitlines()) == 1
    return result


@pytest.mark.parametrize(
    "code",
    [
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "RequestExpired",
    ],
)
def test_credentials_that_are_refused_are_to_be_renewed(
    launcher: Launcher, server: RefusingServer, code: str
) -> None:
    message = "The security token included in the request is expired"
    said = refused(launcher, server, code, message).err
    assert said.startswith(
        "launcher: sagemaker ListHyperParameterTuningJobs: the credentials were refused"
    )
    assert "is expired); renew them, or choose another profile" in said


PASS_ROLE = "User: u is not authorized to perform: iam:PassRole on resource: arn:aws:r"


def test_a_denial_is_answered_with_the_action_and_resource_that_the_service_names(
    launcher: Launcher, server: RefusingServer
) -> None:
    because = "because no identity-based policy allows the iam:PassRole action"
    message = f"{PASS_ROLE} {because}"
    said = refused(launcher, server, "AccessDeniedException", message).err
    statement, _ = json.JSONDecoder().raw_decode(said[said.index("{") :])
    assert statement == {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "arn:aws:r",
    }
    assert "add this statement to the identity-based policy" in said


@pytest.mark.parametrize(
    "policy", ["permissions boundary", "service control policy", "session policy"]
)
def test_a_denial_names_the_kind_of_policy_that_lacks_the_statement(
    launcher: Launcher, server: RefusingServer, policy: str
) -> None:
    message = f"{PASS_ROLE} because no {policy} allows the iam:PassRole action"
    said = refused(launcher, server, "AccessDeniedException", message).err
    assert f"add this statement to the {policy} of" in said


@pytest.mark.parametrize(
    "policy",
    ["identity-based policy", "service control policy", "permissions boundary"],
)
def test_an_explicit_deny_is_not_answered_with_an_allow(
    launcher: Launcher, server: RefusingServer, policy: str
) -> None:
    message = f"{PASS_ROLE} with an explicit deny in a {policy}"
    said = refused(launcher, server, "AccessDeniedException", message).err
    assert f"an explicit deny in a {policy} refuses it" in said
    assert "Allow" not in said


@pytest.mark.slow
def test_a_throttled_call_is_tried_again_before_it_fails(
    launcher: Launcher, server: RefusingServer
) -> None:
    said = refused(launcher, server, "ThrottlingException", "Rate exceeded").err
    assert "throttled after 5 attempts; run the command again later" in said
    assert server.n_asked == 5


def test_any_other_error_is_in_the_services_own_words(
    launcher: Launcher, server: RefusingServer
) -> None:
    message = "The account-level service limit is 0"
    said = refused(launcher, server, "ResourceLimitExceeded", message).err
    assert said.endswith(f"ResourceLimitExceeded: {message}\n")


def test_a_missing_permission_names_the_statement_to_add(
    launcher: Launcher, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="weak")
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}],
    }
    iam.put_user_policy(
        UserName="weak", PolicyName="p", PolicyDocument=json.dumps(allowed)
    )
    key = iam.create_access_key(UserName="weak")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    aws.post("/moto-api/reset-auth", b"0")  # from now on the server asks IAM
    try:
        result = launcher("--set", "bucket=b-c-d", "status")
    finally:
        aws.post("/moto-api/reset-auth", b"inf")
    assert result.code == 1
    assert "sagemaker ListHyperParameterTuningJobs: permission denied" in result.err
    assert '"Action": "sagemaker:ListHyperParameterTuningJobs"' in result.err
    assert key["SecretAccessKey"] not in result.err
    assert "Traceback" not in result.err


# The first call of `status` is of a service with JSON, that of `init` of one with XML.
@pytest.mark.slow
@pytest.mark.parametrize("command", ["status", "init"])
@pytest.mark.parametrize(
    ("status", "page"),
    [
        (200, b"<!DOCTYPE html><html><body>Log in first</body></html>"),
        (200, b"\n<!-- a comment --><HTML></HTML>"),
        (200, b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>'),
        (200, b"Forbidden by your administrator"),
        (302, b"<!DOCTYPE html><html><body>Moved</body></html>"),
        (403, b"Forbidden by your administrator"),
        (404, b"<html><body>Not Found</body></html>"),
    ],
)
def test_a_page_in_place_of_an_answer_is_named(
    launcher: Launcher, pages: PageServer, command: str, status: int, page: bytes
) -> None:
    pages.page = page
    pages.status = status
    result = launcher("--endpoint-url", pages.url, command)
    assert (result.code, result.out) == (1, "")
    said = f"{pages.url} gives an answer that isn't AWS's (status {status}, text/html)"
    assert f"{said}; check AWS_ENDPOINT_URL and the proxy" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("page", [b'{"hello": "world"}', b"[]", b"<hello/>", b""])
@pytest.mark.parametrize("command", [("status",), ("init",), ("predict", "1:318")])
def test_an_answer_of_another_server_is_named(
    launcher: Launcher, pages: PageServer, command: tuple[str, ...], page: bytes
) -> None:
    pages.page = page
    pages.media_type = "application/json"
    result = launcher("--endpoint-url", pages.url, *command)
    assert (result.code, result.out) == (1, "")
    assert "check AWS_ENDPOINT_URL and the proxy" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_page_in_place_of_an_object_is_named(
    connection_of: Callable[[str], Aws], pages: PageServer
) -> None:
    connection = connection_of(pages.url)
    with pytest.raises(AwsError, match=r"s3 GetObject: .* isn't AWS's"):
        connection.get_object(S3Uri("a-bucket", "key"))
    with pytest.raises(AwsError, match=r"s3 ListObjectsV2: .* isn't AWS's"):
        list(connection.pages("s3", "ListObjectsV2", "Contents", Bucket="a-bucket"))


def test_a_proxy_that_answers_a_page_is_named(
    launcher: Launcher, pages: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, pages.url)
    result = launcher("--endpoint-url", "http://aws.intra.net", "status")
    assert result.code == 1
    assert pages.n_asked == 1
    assert "http://aws.intra.net gives an answer that isn't AWS's" in result.err
    assert "HTTPS_PROXY, NO_PROXY" in result.err


def test_a_gateway_that_fails_is_tried_again_and_its_page_not_shown(
    launcher: Launcher, pages: PageServer
) -> None:
    pages.status = 502
    result = launcher("--endpoint-url", pages.url, "status")
    assert result.code == 1
    assert pages.n_asked == 5
    said = "sagemaker ListHyperParameterTuningJobs: 502 Bad Gateway; check"
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_an_answer_that_cannot_be_read_is_no_bug(
    launcher: Launcher, pages: PageServer
) -> None:
    pages.page = b"<GetCallerIdentityResult><Arn>"
    pages.media_type = "application/xml"
    result = launcher("--endpoint-url", pages.url, "init")
    assert result.code == 1
    assert "sts GetCallerIdentity: Unable to parse response" in result.err
    assert "check AWS_ENDPOINT_URL and the proxy" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("command", [("status",), ("init",), ("transform", "ROWS")])
def test_a_profile_that_does_not_exist_is_wrong_input(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    rows = launcher.folder / "rows.csv"
    rows.write_text("1,318\n")
    monkeypatch.setenv("AWS_PROFILE", "nonexistent")
    arguments = [str(rows) if each == "ROWS" else each for each in command]
    result = launcher(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "The config profile (nonexistent) could not be found" in result.err
    assert "`aws configure list-profiles` lists those that exist" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_broken_configuration_file_of_aws_is_wrong_input(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = launcher.folder / "aws-config"
    path.write_text("[default\nregion")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    result = launcher("status")
    assert result.code == 2
    assert f"Unable to parse config file: {path}" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_ENDPOINT_URL", "localhost:4566", "expected an address such as http://"),
        ("AWS_ENDPOINT_URL_SAGEMAKER", "localhost:4566", "Invalid endpoint: localhost"),
        ("AWS_REGION", "eu central", "'eu central' doesn't match a supported format"),
    ],
)
def test_a_variable_that_cannot_be_used_is_wrong_input(
    launcher: Launcher,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    message: str,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(variable, value)
    result = launcher("status")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_a_proxy_that_nobody_runs_is_named(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, nowhere)
    result = launcher("--endpoint-url", "http://aws.intra.net", "status")
    assert result.code == 1
    assert f'Failed to connect to proxy URL: "{nowhere}"' in result.err
    assert len(result.err.splitlines()) == 1
