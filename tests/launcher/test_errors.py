"""What a user reads when AWS refuses: a server on loopback answers as the services do,
in words of theirs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.launcher.conftest import Launcher, Result


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with the server's error, as services with JSON bodies do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        code, message, status = self.server.refusal  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        body = json.dumps({"__type": code, "message": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on stderr, which the tests read."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.asked = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def refused(
    launcher: Launcher,
    server: ThreadingHTTPServer,
    code: str,
    message: str,
    status: int = 400,
) -> Result:
    server.refusal = (code, message, status)  # type: ignore[attr-defined]
    result = launcher(
        "--endpoint-url", f"http://127.0.0.1:{server.server_port}", "status"
    )
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
def test_credentials_that_no_longer_do_are_to_be_renewed(
    launcher: Launcher, server: ThreadingHTTPServer, code: str
) -> None:
    said = refused(
        launcher, server, code, "The security token included in the request is expired"
    ).err
    assert said.startswith(
        "launcher: sagemaker ListHyperParameterTuningJobs: the credentials were refused"
    )
    assert "is expired); renew them, or choose a profile" in said


def test_a_denial_names_the_statement_for_the_very_resource(
    launcher: Launcher, server: ThreadingHTTPServer
) -> None:
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:hyper-parameter-tuning-job/*"
    message = f"User: u is not authorized to perform: sagemaker:ListHyperParameterTuningJobs on resource: {arn} because"
    said = refused(launcher, server, "AccessDeniedException", message).err
    statement = json.loads(said[said.rindex("{") :])
    assert statement == {
        "Effect": "Allow",
        "Action": "sagemaker:ListHyperParameterTuningJobs",
        "Resource": arn,
    }


def test_a_throttled_call_is_tried_again_before_it_is_said(
    launcher: Launcher, server: ThreadingHTTPServer
) -> None:
    said = refused(launcher, server, "ThrottlingException", "Rate exceeded").err
    assert "throttled after 5 attempts; run the command again later" in said
    assert server.asked == 5  # type: ignore[attr-defined]


def test_any_other_error_is_the_services_own(
    launcher: Launcher, server: ThreadingHTTPServer
) -> None:
    said = refused(
        launcher,
        server,
        "ResourceLimitExceeded",
        "The account-level service limit is 0",
    ).err
    assert said.endswith(
        "ResourceLimitExceeded: The account-level service limit is 0\n"
    )
