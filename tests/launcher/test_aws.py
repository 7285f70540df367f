"""What a user reads when AWS refuses.

A server on loopback answers every request with an error, in the form of AWS's services.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from launcher.aws import permission
from launcher.requests import Request
from tests.launcher.conftest import AwsServer, Launcher, Result


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
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_a_denial_names_the_statement_for_the_very_resource(
    launcher: Launcher, server: RefusingServer
) -> None:
    action = "sagemaker:ListHyperParameterTuningJobs"
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:hyper-parameter-tuning-job/*"
    message = (
        f"User: u is not authorized to perform: {action} on resource: {arn} because"
    )
    said = refused(launcher, server, "AccessDeniedException", message).err
    statement = json.loads(said[said.rindex("{") :])
    assert statement == {"Effect": "Allow", "Action": action, "Resource": arn}


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


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("sagemaker", "CreateModel", "sagemaker:CreateModel"),
        ("sagemaker-runtime", "InvokeEndpoint", "sagemaker:InvokeEndpoint"),
        ("s3", "HeadBucket", "s3:ListBucket"),
    ],
)
def test_the_permission_of_a_call_is_what_iam_names_it(
    service: str, operation: str, action: str
) -> None:
    assert permission(Request(service, operation)) == action
