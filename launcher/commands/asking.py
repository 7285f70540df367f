"""``predict`` and ``recommend``: what the endpoint answers, whatever its kind, as a
table of titles or as JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from launcher import names
from launcher.errors import AwsError, JobFailedError, LauncherError
from launcher.plans.hosting import SERVING
from launcher.queries import Pair, Wanted
from launcher.s3_uri import S3Uri
from launcher.session import Session, table

_ROWS_AT_ONCE = 10_000
_ASYNC_SECONDS = 15 * 60
_JSON = "application/json"
# How SageMaker quotes what a container has answered.
_QUOTED = re.compile(r'with message "(.*)"\. See ', re.DOTALL)


def predict(session: Session, pairs: Sequence[Pair]) -> None:
    """Ask the endpoint for pairs of raw ids, thousands in one request."""
    asker = Asker(session)
    answers: list[dict[str, Any]] = []
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        rows = [pair.as_json() for pair in pairs[start : start + _ROWS_AT_ONCE]]
        answers += asker.ask({"instances": rows})["predictions"]
    lines = (
        (
            a["userId"],
            a["movieId"],
            _title(a),
            a["rating"],
            f"{a['expected_rating']:.2f}",
        )
        for a in answers
    )
    session.emit(
        answers, table(("userId", "movieId", "title", "rating", "expected"), lines)
    )


def recommend(session: Session, wanted: Wanted) -> None:
    """Ask the endpoint for a user's best movies among those that pass the filters."""
    answer = Asker(session).ask(wanted.as_json())
    movies = enumerate(answer["recommendations"], start=1)
    lines = (
        (
            n,
            a["movieId"],
            _title(a),
            f"{a['expected_rating']:.2f}",
            ", ".join(a["genres"]),
        )
        for n, a in movies
    )
    if not answer["known_user"]:
        session.say(
            f"user {wanted.user_id} isn't known: these are movies that most users like"
        )
    session.emit(answer, table(("", "movieId", "title", "expected", "genres"), lines))


def _title(answer: dict[str, Any]) -> str:
    return answer["title"] or "(unknown)"


class Asker:
    """Sends requests to our endpoint as its kind takes them.

    Raises:
        LauncherError: if the endpoint isn't there, or doesn't serve.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._aws = session.aws
        self._endpoint = names.endpoint(session.config)
        described = self._aws.read_or_none(
            "sagemaker", "DescribeEndpoint", EndpointName=self._endpoint
        )
        if described is None:
            raise LauncherError(
                f"there is no endpoint {self._endpoint}: run `launcher deploy`"
            )
        if (status := described["EndpointStatus"]) not in SERVING:
            raise LauncherError(
                f"endpoint {self._endpoint} is {status}: `launcher deploy` waits for it, or mends it"
            )
        self._is_async = "AsyncInferenceConfig" in described

    def ask(self, body: dict[str, Any]) -> Any:
        """The JSON of the answer to one request.

        Raises:
            JobFailedError: with the container's own words, where it refused the request
                or failed over it.
            AwsError: if it wasn't reached.
        """
        sent = json.dumps(body).encode()
        return json.loads(self._later(sent) if self._is_async else self._at_once(sent))

    def _at_once(self, sent: bytes) -> bytes:
        request = {
            "EndpointName": self._endpoint,
            "ContentType": _JSON,
            "Accept": _JSON,
            "Body": sent,
        }
        try:
            return bytes(
                self._aws.read("sagemaker-runtime", "InvokeEndpoint", **request)[
                    "Body"
                ].read()
            )
        except AwsError as error:
            if error.code != "ModelError":
                raise
            raise self._refusal(str(error)) from error

    def _later(self, sent: bytes) -> bytes:
        """Put the request into the bucket, and wait until its answer lies there."""
        account = self._session.account.account
        bucket = names.bucket(self._session.config, account)
        key = f"async/input/{hashlib.sha256(sent).hexdigest()[:16]}.json"
        self._aws.read(
            "s3",
            "PutObject",
            Bucket=bucket,
            Key=key,
            Body=sent,
            ExpectedBucketOwner=account,
        )
        request = {
            "EndpointName": self._endpoint,
            "ContentType": _JSON,
            "Accept": _JSON,
        }
        answer = self._aws.read(
            "sagemaker-runtime",
            "InvokeEndpointAsync",
            **request,
            InputLocation=f"s3://{bucket}/{key}",
        )
        for _ in self._ticks():
            if (found := self._object(answer.get("OutputLocation"))) is not None:
                return found
            if (found := self._object(answer.get("FailureLocation"))) is not None:
                raise self._refusal(found.decode(errors="replace"))
        raise LauncherError(
            f"endpoint {self._endpoint} gave no answer within {_ASYNC_SECONDS} s: `launcher logs {self._endpoint}`"
        )

    def _object(self, uri: str | None) -> bytes | None:
        if uri is None:
            return None
        place = S3Uri.parse(uri)
        found = self._aws.read_or_none(
            "s3", "GetObject", Bucket=place.bucket, Key=place.key
        )
        return bytes(found["Body"].read()) if found else None

    def _ticks(self) -> Iterator[None]:
        deadline = time.monotonic() + _ASYNC_SECONDS
        while time.monotonic() < deadline:
            yield
            self._session.executor.sleep(min(self._session.poll_seconds, 1.0))

    def _refusal(self, said: str) -> JobFailedError:
        """The container's own words out of SageMaker's, and `serve`'s out of its JSON,
        where they are there.
        """
        quoted = _QUOTED.search(said)
        text = quoted[1] if quoted else said
        # Another container may say anything.
        with contextlib.suppress(ValueError, LookupError, TypeError):
            text = json.loads(text)["error"]["message"]
        return JobFailedError(
            f"endpoint {self._endpoint}: {text}; its log: `launcher logs {self._endpoint}`"
        )
