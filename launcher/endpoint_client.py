"""Sends requests to our endpoint, in the way that its kind takes them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

from launcher import names
from launcher.errors import AwsError, JobFailedError, LauncherError
from launcher.kinds import ENDPOINT, SERVING
from launcher.s3_uri import S3Uri
from launcher.session import Session
from movielens.json_text import parse_json

_JSON = "application/json"
_SHOWN_BYTES = 80
# How SageMaker quotes what a container has answered.
_QUOTED = re.compile(r'with message "(.*)"\. See ', re.DOTALL)


class EndpointClient:
    """Asks our endpoint.

    Args:
        session: says which endpoint.
        async_seconds: how long an asynchronous endpoint may take for an answer.

    Raises:
        LauncherError: there is no endpoint, or it doesn't serve.
    """

    def __init__(self, session: Session, async_seconds: float = 15 * 60) -> None:
        self._session = session
        self._aws = session.aws
        self._async_seconds = async_seconds
        self._endpoint = names.endpoint(session.config)

        describe = ENDPOINT.request("Describe", self._endpoint)
        described = self._aws.send_or_none(describe)
        if described is None:
            raise LauncherError(
                f"there is no endpoint {self._endpoint}: run `launcher deploy`"
            )
        status = described["EndpointStatus"]
        if status not in SERVING:
            raise LauncherError(
                f"endpoint {self._endpoint} is {status}: "
                "`launcher deploy` waits for it, or repairs it"
            )
        self._is_async = "AsyncInferenceConfig" in described

    def ask(self, question: dict[str, Any]) -> Any:
        """The JSON of the answer to one request.

        Raises:
            JobFailedError: the container refused the request or failed over it. The
                message has its own words.
            AwsError: the endpoint couldn't be asked.
            LauncherError: it answered something else than JSON.
        """
        body = json.dumps(question).encode()
        answer = self._invoke_async(body) if self._is_async else self._invoke(body)
        try:
            return parse_json(answer)
        except ValueError as error:
            beginning = answer[:_SHOWN_BYTES].decode(errors="replace")
            raise LauncherError(
                f"endpoint {self._endpoint} answered {beginning!r}, expected JSON: "
                "check that it runs this project's image"
            ) from error

    def _invoke(self, body: bytes) -> bytes:
        try:
            answer = self._aws.read(
                "sagemaker-runtime",
                "InvokeEndpoint",
                EndpointName=self._endpoint,
                ContentType=_JSON,
                Accept=_JSON,
                Body=body,
            )
        except AwsError as error:
            if error.code != "ModelError":
                raise
            raise self._refusal(str(error)) from error
        return bytes(answer["Body"])

    def _invoke_async(self, body: bytes) -> bytes:
        """Put the request into the bucket, and wait until the answer is there."""
        account = self._session.account
        bucket = names.bucket(self._session.config, account.id)
        digest = hashlib.sha256(body).hexdigest()[:16]
        uploaded = S3Uri(bucket, f"async/input/{digest}.json")
        self._aws.read(
            "s3", "PutObject", **account.owned(bucket), Key=uploaded.key, Body=body
        )
        places = self._aws.read(
            "sagemaker-runtime",
            "InvokeEndpointAsync",
            EndpointName=self._endpoint,
            ContentType=_JSON,
            Accept=_JSON,
            InputLocation=str(uploaded),
        )
        for _ in self._ticks():
            answer = self._object(places.get("OutputLocation"))
            if answer is not None:
                return answer
            failure = self._object(places.get("FailureLocation"))
            if failure is not None:
                raise self._refusal(failure.decode(errors="replace"))
        raise LauncherError(
            f"endpoint {self._endpoint} gave no answer within "
            f"{self._async_seconds} s: see `launcher logs {self._endpoint}`"
        )

    def _object(self, uri: str | None) -> bytes | None:
        """The bytes at an address in S3, or None if nothing is there yet."""
        if uri is None:
            return None
        try:
            return self._aws.get_object(S3Uri.parse(uri))
        except AwsError as error:
            if error.is_absent:
                return None
            raise

    def _ticks(self) -> Iterator[None]:
        """When to look for an answer, until time is up."""
        deadline = time.monotonic() + self._async_seconds
        while time.monotonic() < deadline:
            yield
            self._session.executor.sleep(min(self._session.poll_seconds, 1.0))

    def _refusal(self, said: str) -> JobFailedError:
        """The container's own words, taken out of SageMaker's."""
        quoted = _QUOTED.search(said)
        text = quoted[1] if quoted else said
        # `serve` answers an error as JSON, another container as it likes.
        with contextlib.suppress(ValueError, LookupError, TypeError):
            text = parse_json(text)["error"]["message"]
        return JobFailedError(
            f"endpoint {self._endpoint}: {text}; "
            f"its log: `launcher logs {self._endpoint}`"
        )
