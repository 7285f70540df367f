"""What users of the launcher write, and what its local services are asked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from launcher import names
from launcher.config import Config
from launcher.errors import ConfigError, JobFailedError
from launcher.local.errors import RefusedError
from launcher.local.operation import page
from launcher.local.registry import ImageName
from launcher.local.service_clients import parse_s3_uri
from launcher.play.answers import Answers
from launcher.play.data import PlayData
from launcher.play.server import Application, Request
from launcher.queries import Pair, PairError, parse_pairs, read_pairs
from launcher.s3_uri import S3Uri
from movielens.errors import RequestError
from movielens.readers import Dataset
from movielens.tables import MovieTable, RatingTable
from serve.formats.csv_rows import PAIRS
from serve.rows import Rows
from tests.fuzz import samples
from tests.fuzz.target import Target


def configuration(data: bytes) -> None:
    """A ``halfstar.toml`` is read, or refused with a ConfigError."""
    path = samples.folder("project") / "halfstar.toml"
    path.write_bytes(data)
    try:
        with contextlib.suppress(ConfigError):
            Config.load(path, {}, {}, "prod")
        found, sources = Config.load(path, {}, {})
    except ConfigError:
        return
    assert set(dict(found.items())) <= set(sources)
    for name in (names.image, names.endpoint, names.repository, names.package_group):
        with contextlib.suppress(ConfigError):
            assert name(found) == name(found).strip()


def _configurations() -> Iterator[bytes]:
    yield b'name = "stars"\n[training]\nspot = true\nvolume_gb = 20\n'
    yield b'[hyperparameters]\neta = 0.1\n[tags]\n"a b" = "c"\n'
    yield b'name = "a"\n[environments.prod]\nnetwork.subnets = ["subnet-1"]\n'
    yield b'bucket = "b"\n[environments.prod]\nname = "c"\ncapture.percent = 20\n'
    yield b'hosting.kind = "async"\nendpoint_url = "http://x:1"\nhost = 1979-05-27\n'
    yield b"a = " + b"[" * 2000
    yield b"a." * 1200 + b"a = 1"
    yield b"a = " + b"9" * 2400 + b"9" * 2400
    yield b'\xef\xbb\xbfname = """x\r\n"""\n'


def query_rows(data: bytes) -> None:
    """A file of rows is read, or refused with a PairError.

    A file that the server reads has the same rows here. A file without quotes that is
    read here has the same rows in a batch.
    """
    path = samples.folder("rows") / "rows.csv"
    path.write_bytes(data)
    try:
        pairs = read_pairs(path)
    except PairError:
        with contextlib.suppress(RequestError):
            assert not PAIRS.strict(data).whole().n_rows
        return
    if b'"' in data:
        return
    rows = PAIRS.lenient(data).whole()
    assert all("is blank" in message for message in rows.faults.values())
    _compare(pairs, rows)


def _compare(pairs: list[Pair], rows: Rows) -> None:
    queries = rows.queries
    assert [pair.user_id for pair in pairs] == queries.user_id.tolist()
    assert [pair.movie_id for pair in pairs] == queries.movie_id.tolist()
    times = [np.nan if pair.timestamp is None else pair.timestamp for pair in pairs]
    np.testing.assert_array_equal(times, queries.timestamp)


def query_arguments(data: bytes) -> None:
    """Arguments are pairs, or refused with a PairError.

    The server reads the pairs that are sent as the same pairs.
    """
    try:
        pairs = parse_pairs(data.decode("utf-8", "surrogateescape").split(" "))
    except PairError:
        return
    sent = "\n".join(pair.as_csv() for pair in pairs)
    _compare(pairs, PAIRS.strict(sent.encode()).whole())


def _query_rows() -> Iterator[bytes]:
    yield b"1,318\n1,296,964982703\n"
    yield b'\xef\xbb\xbfmovieId,"userId"\r\n3,1\r\n\r\n'
    yield b"userId,movieId,timestamp,x\n1,1,2015-03-09,y\n-1,2.0,,\x1a\n"
    yield b'1,"1\n"\n2,3\n'
    yield b"1,1\r2,2\n"


def _query_arguments() -> Iterator[bytes]:
    yield b"1:318 1:296:964982703 -4:+3.0:2015-03-09T18:53:20Z 1:2:"
    yield b"1:2:0.5"


def addresses(data: bytes) -> None:
    """A URI of S3 is read and written alike, or refused with a RefusedError.

    The name of an image begins with what was read of it. Any text is fitted into the
    characters of a name, or refused with a ConfigError.
    """
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(RefusedError):
        found = parse_s3_uri(text)
        assert S3Uri.parse(str(found)) == found
        assert (found / "x").bucket == found.bucket
    image = ImageName.parse(text)
    if image is not None:
        assert text.startswith(f"{image.host}/{image.repository}")
        assert image.reference
    with contextlib.suppress(ConfigError):
        fitted = names.fitted(text, 20)
        assert 0 < len(fitted) <= 20
        assert names.fitted(fitted, 20) == fitted


def _addresses() -> Iterator[bytes]:
    yield b"s3://bucket/jobs/model.tar.gz"
    yield b"s3://b"
    yield b"000000000000.dkr.ecr.eu-west-1.amazonaws.com/halfstar:v1@sha256:00"
    yield b"localhost:5000/a/b"


def page_tokens(data: bytes) -> None:
    """A token of a list is a page, or refused with a RefusedError."""
    try:
        parameters = json.loads(data)
    except (ValueError, RecursionError):
        return
    token = parameters.get("NextToken") if isinstance(parameters, dict) else None
    if not isinstance(token, str):  # botocore lets no other through
        return
    summaries = [{"Name": str(number)} for number in range(25)]
    with contextlib.suppress(RefusedError):
        found = page(summaries, {"NextToken": token}, "Summaries")
        assert len(found["Summaries"]) <= len(summaries)


def _page_tokens() -> Iterator[bytes]:
    yield b'{"NextToken": "10"}'
    yield '{"NextToken": "\u0661"}'.encode()
    yield b'{"NextToken": "' + b"9" * 5000 + b'"}'


_NOTHING = np.empty(0)
_NO_DATA = Dataset(
    RatingTable.of(_NOTHING, _NOTHING, _NOTHING, None),
    MovieTable(np.empty(0, np.int32), (), (), np.empty(0, np.int16)),
    files=(),
    dropped={},
)


class _Unwilling:
    """A model that refuses all questions, as a server does with what it can't use."""

    def ask(self, question: dict[str, Any]) -> Any:
        raise JobFailedError(f"not {json.dumps(question)[:20]}")


def playground(data: bytes) -> None:
    """A request to the playground is answered or refused, and is no bug.

    The first line is the target; what follows is a question.
    """
    target, _, body = data.partition(b"\n")
    answers = Answers(_Unwilling(), PlayData.of(_NO_DATA), "nothing")
    request = Request(
        method="POST" if body else "GET",
        target=target.decode("latin-1"),
        headers={"host": "localhost:1", "content-type": "application/json"},
        body=body,
    )
    response = Application(answers, port=1).respond(request)
    assert response.status < 500 or response.status == 502
    if response.status != 200:
        assert json.loads(response.body)["error"]


def _playground() -> Iterator[bytes]:
    yield b"/"
    yield b"/api/start"
    yield b"/api/movies?text=the%20god&text=%ff"
    yield b"/api/user?id=17"
    yield b'/api/predict\n{"user_id": 1, "movie_id": 318}'
    yield b'/api/recommend\n{"rated": [[1, 4.5]], "count": 3, "genres": ["War"]}'
    yield b'/api/onboarding\n{"rated": [[1, 4.5]], "count": 6}'
    yield b"http://[::1/api\n[]"


_KEYS = (b"[training]", b"name = ", b"hyperparameters.", b'"""', b"true")
_ROW_WORDS = (b"userId", b"movieId", b"timestamp", b'"', b"\r\n", b"\x1a", b"T00:00Z")

TARGETS = [
    Target(configuration, _configurations, _KEYS, weight=2, most_bytes=5000),
    Target(query_rows, _query_rows, _ROW_WORDS, weight=3, most_bytes=300),
    Target(query_arguments, _query_arguments, (b":", b"T00:00Z"), most_bytes=100),
    Target(addresses, _addresses, (b"s3://", b"@sha256:"), most_bytes=100),
    Target(playground, _playground, (b"/api/user?id=", b'"rated": ['), most_bytes=300),
    Target(page_tokens, _page_tokens, (b'"NextToken"',), most_bytes=5100),
]
