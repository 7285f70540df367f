"""How much memory one body takes, and how long: bodies of every kind, valid or not.

Each body is answered by `serve.endpoint.answer` in a process of its own, forked once
the model is loaded. Memory is how much that process grows at its peak, and so includes
the body. Parts of an answer are dropped as a client takes them. After ``--seconds`` a
client has enough, because an answer may be thousands of times as long as its body.

    python -m benchmarks.body_memory --base-dir DIR [--mib 6] [--only WORD]

``DIR/model`` is the model; without it, one is trained, which takes some minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# The server has one thread a request.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.table import Table

from benchmarks.results import BENCH, console, save
from movielens.errors import HalfstarError
from serve.endpoint import AnswerRules, answer
from serve.negotiation import RequestHeaders
from serve.resources import MIB
from serve.served_model import ServedModel, load

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonlines"

# A process that wants more than this has shown what it does.
_MOST_MIB = 4096

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of body.

    Attributes:
        name: what it is.
        make: makes one of so many bytes.
        headers: sent along.
        is_batch: whether it is part of a batch.
    """

    name: str
    make: Make
    headers: RequestHeaders
    is_batch: bool = False


class Figures(NamedTuple):
    """What one body took.

    Attributes:
        mib: growth of the process.
        seconds: of processor time.
        status: of the answer.
        answer_bytes: how long the answer was, or what the client took of it.
        is_all: whether the client took all of it.
    """

    mib: float
    seconds: float
    status: int
    answer_bytes: int
    is_all: bool


# Bodies


def repeated(
    row: bytes, before: bytes = b"", after: bytes = b"", between: bytes = b"\n"
) -> Make:
    """The same row again and again."""

    def make(size: int) -> bytes:
        room = size - len(before) - len(after) + len(between)
        n_rows = room // (len(row) + len(between))
        return before + between.join([row] * n_rows) + after

    return make


def in_list(row: bytes, after: bytes = b"]") -> Make:
    """A JSON list of the same row."""
    return repeated(row, b"[", after, b",")


def nested(opening: bytes, closing: bytes = b"") -> Make:
    """Brackets in brackets."""

    def make(size: int) -> bytes:
        depth = size // len(opening + closing)
        return opening * depth + closing * depth

    return make


def counted(
    template: str, before: str = "", after: str = "", between: str = ","
) -> Make:
    """Rows that differ by a number, which stands where the template has ``{}``."""

    def make(size: int) -> bytes:
        items: list[str] = []
        left = size - len(before) - len(after)
        while left > 0:
            item = template.replace("{}", str(len(items)))
            left -= len(item) + len(between)
            items.append(item)
        return (before + between.join(items[:-1]) + after).encode()

    return make


def wide_rows(n_columns: int) -> Make:
    """CSV rows with many columns beside ours."""
    names = ",".join(f"c{number}" for number in range(n_columns))
    header = f"userId,movieId,{names}\n"
    row = "1,318" + ",ab" * n_columns
    return repeated(row.encode(), before=header.encode())


ROW = b'{"userId":1,"movieId":318}'
QUESTION = b'{"userId":1,"recommend":9}'
RATED = b'{"movieId":1,"rating":1}'
PLAIN = b"1,318"


def _in_every_way(name: str, make: Make, content_type: str) -> Iterator[Kind]:
    """A kind of body with every type of answer, alone and in a batch."""
    for accept in (CSV, f"{CSV}; verbose=true", JSON, LINES):
        label = accept.replace("application/", "").replace("text/", "")
        headers = RequestHeaders(content_type, accept)
        yield Kind(f"{name}, answered in {label}", make, headers)
    headers = RequestHeaders(content_type)
    yield Kind(f"{name}, in a batch", make, headers, is_batch=True)
    for option in ("on_unknown=error", "contributions=100"):
        headers = RequestHeaders(content_type, JSON, option)
        yield Kind(f"{name}, {option}", make, headers)
        yield Kind(f"{name}, {option}, in a batch", make, headers, is_batch=True)


def _both(name: str, make: Make, content_type: str) -> Iterator[Kind]:
    """A kind of body alone and in a batch."""
    headers = RequestHeaders(content_type)
    yield Kind(name, make, headers)
    yield Kind(f"{name}, in a batch", make, headers, is_batch=True)


def kinds() -> Iterator[Kind]:
    """All kinds."""
    yield from _kinds_of_csv()
    yield from _kinds_of_json()
    yield from _kinds_of_json_lines()


def _kinds_of_csv() -> Iterator[Kind]:
    header = b"userId,movieId\n"
    yield from _in_every_way("CSV of the shortest rows", repeated(b"1,2"), CSV)
    bodies = {
        "with a header": repeated(b"1,2", header),
        "with the header turned around": repeated(b"2,1", b"movieId,userId\n"),
        "with dates": repeated(b"1,2,2015-03-09"),
        "in quotes": repeated(b'"1","2"'),
        "in quotes over two lines": repeated(b'1,2,"\n"', b"userId,movieId,x\n"),
        "with floats": repeated(b"1.,2."),
        "of other widths": repeated(b"1,2\n1,2,3"),
        "of one character": repeated(b"x"),
        "of a digit": repeated(b"1"),
        "with a bad value": repeated(b"1,x"),
        "with a bad last row": repeated(b"1,2", after=b"\n1,x"),
        "of commas and line ends": repeated(b","),
        "of quotes": repeated(b'"'),
        "of blank lines": repeated(b"", before=b"1,2\n", after=b"1,2"),
        "of blanks": repeated(b"", before=b"1,2\n", after=b"1,2", between=b" "),
        "of CR": repeated(b"", before=b"1,2\n", after=b"1,2", between=b"\r"),
        "of CRLF": repeated(b"", before=b"1,2\n", after=b"1,2", between=b"\r\n"),
        "of CR CR LF": repeated(b"", before=b"1,2\n", between=b"\r\r\n"),
        "of bytes that aren't text": repeated(b"\xff"),
        "with an emoji": repeated(b"1,2", after="\n1,\U0001f600".encode()),
        "of emojis": repeated("1,\U0001f600".encode()),
        "of different bad rows": counted("{}", between="\n"),
        "below a bad header": repeated(b"1,2", b"userId,userId,movieId\n"),
        "in one line of commas": repeated(b"", between=b","),
        "in one line of short fields": repeated(b"ab", between=b","),
        "in one line of quoted fields": repeated(b'""', between=b","),
        "of one field": repeated(b"", before=b"1,", between=b"x"),
        "of one number": repeated(b"", before=b"1,", between=b"9"),
        "of one open quote": repeated(b"", before=b'1,"', between=b"x"),
        "of an open quote over lines": repeated(b"", before=b'1,"', between=b"\n"),
        "of a quoted field": repeated(b"", before=b'1,"', after=b'"', between=b"x"),
        "of 1,000 columns": wide_rows(1000),
        "of 90,000 columns": wide_rows(90_000),
        "of 900,000 columns": wide_rows(900_000),
        "of different ids": counted("{},{}", between="\n"),
    }
    for name, make in bodies.items():
        yield from _both(f"CSV {name}", make, CSV)
    users = f"{CSV}; recommend=10"
    yield from _both("CSV of users", repeated(b"1"), users)
    yield from _both("CSV of users with dates", repeated(b"1,2015-03-09"), users)
    yield from _both("CSV of bad users", repeated(b"x"), users)
    yield from _both("CSV of users, 1,000 movies", repeated(b"1"), f"{users}00")
    thousands = repeated(b"\n".join([b"1,2"] * 1000 + [b"x"]))
    yield from _both("CSV, one row in a thousand bad", thousands, CSV)
    for accept in (JSON, f"{CSV}; verbose=true; header=present"):
        headers = RequestHeaders(CSV, accept)
        name = f"CSV of one character, answered in {accept}, in a batch"
        yield Kind(name, repeated(b"x"), headers, is_batch=True)


def _kinds_of_json() -> Iterator[Kind]:
    yield from _in_every_way("JSON of objects", in_list(ROW), JSON)
    yield from _in_every_way("JSON of lists", in_list(b"[1,2]"), JSON)
    bodies = {
        "with instances": repeated(b"[1,2]", b'{"instances":[', b"]}", b","),
        "with a question": in_list(ROW, b"," + QUESTION + b"]"),
        "with a question at first": repeated(
            ROW, b"[" + QUESTION + b",", b"]", between=b","
        ),
        "of questions": in_list(QUESTION),
        "of questions with histories": in_list(
            b'{"userId":1,"movieId":2,"history":[{"movieId":1,"rating":5}]}'
        ),
        "of questions for movies to rate": in_list(b'{"onboarding":100}'),
        "of 200 questions for 1,000 movies": in_list(
            b'{"userId":1,"recommend":1000,"genres":[%b]}'
            % b",".join([b'"Drama"'] * 3900)
        ),
        "of 150 long histories": _long_histories,
        "of a history": counted(
            '{"movieId":{},"rating":1}', '[{"movieId":1,"history":[', "]}]"
        ),
        "of a history alone": counted(
            '{"movieId":{},"rating":1}', '{"movieId":1,"history":[', "]}"
        ),
        "of genres": repeated(
            b'"Drama"', b'{"userId":1,"recommend":9,"genres":[', b"]}", b","
        ),
        "of empty lists": in_list(b"[]"),
        "of empty objects": in_list(b"{}"),
        "of small objects": in_list(b'{"a":1}'),
        "of digits": in_list(b"1"),
        "of floats": in_list(b"1.5"),
        "of empty texts": in_list(b'""'),
        "of short texts": in_list(b'"ab"'),
        "of null": in_list(b"null"),
        "of a list of lists": repeated(b"[]", b"[[", b"]]", b","),
        "of a list of digits": repeated(b"1", b"[[", b"]]", b","),
        "of an object of lists": repeated(b"[]", b'{"userId":[', b"]}", b","),
        "of instances that are an object": repeated(
            b"[]", b'{"instances":{"a":[', b"]}}", b","
        ),
        "of a bad end": in_list(ROW, b"}"),
        "without an end": in_list(ROW, b""),
        "with more behind": in_list(ROW, b"]x"),
        "with a comma too many": in_list(ROW, b",]"),
        "of commas": in_list(b""),
        "with NaN": in_list(b"[NaN,2]"),
        "with NaN at the end": in_list(ROW, b",[NaN,2]]"),
        "with an emoji": in_list(ROW, ',"\U0001f600"]'.encode()),
        "of emojis": in_list('"\U0001f600"'.encode()),
        "of bytes that aren't text": in_list(b'"\xff"'),
        "of escapes": in_list(b'"\\u0041"'),
        "of escaped quotes": in_list(b'"\\""'),
        "of backslashes": repeated(b"", b'["', b'"]', b"\\\\"),
        "of brackets": nested(b"["),
        "of closed brackets": nested(b"[", b"]"),
        "of nested objects": nested(b'{"a":'),
        "of nested instances": nested(b'{"instances":['),
        "of deep rows": in_list(b"[" * 900 + b"]" * 900),
        "of one text": repeated(b"", b'["', b'"]', b"x"),
        "of one text of commas": repeated(b"", b'["', b'"]', b","),
        "of one number": repeated(b"", b"[", b"]", b"9"),
        "of one float": repeated(b"", b"[1.", b"]", b"9"),
        "of blanks": repeated(b"", b"[[1,2]", b"]", b" "),
        "of line ends": repeated(b"", b"[[1,2]", b"]", b"\n"),
        "of the same field": repeated(b'"a":1', b"[{", b"}]", b","),
        "of many fields": counted('"{}":1', "[{", "}]"),
        "of many fields of the body": counted('"{}":1', "{", "}"),
        "of many parameters": counted(
            '"{}":1', '{"instances":[[1,2]],"parameters":{', "}}"
        ),
        "of many equal instances": repeated(b'"instances":[[1,2]]', b"{", b"}", b","),
        "of many signatures": repeated(
            b'"signature_name":1', b'{"instances":[[1,2]],', b"}", b","
        ),
        "of many unknown fields": counted('"{}":1', '{"instances":[[1,2]],', "}"),
        "of instances twice": _instances_twice,
        "of different ids": counted("[{},{}]", "[", "]"),
        "of nothing": repeated(b"", between=b"x"),
    }
    for name, make in bodies.items():
        yield from _both(f"JSON {name}", make, JSON)
    question = in_list(ROW, b"," + QUESTION + b"]")
    headers = RequestHeaders(JSON, CSV)
    yield Kind("JSON with a question, answered in csv", question, headers)


def _instances_twice(size: int) -> bytes:
    half = repeated(b"[]", b'"instances":[', b"]", b",")(size // 2 - 2)
    return b"{" + half + b"," + half + b"}"


def _long_histories(size: int) -> bytes:
    history = counted('{"movieId":{},"rating":1}', '{"movieId":1,"history":[', "]}")
    row = history(size // 150 - 4)
    return b"[" + b",".join([row] * 150) + b"]"


def _kinds_of_json_lines() -> Iterator[Kind]:
    yield from _in_every_way("JSON Lines of objects", repeated(ROW), LINES)
    bodies = {
        "of lists": repeated(b"[1,2]"),
        "with a question": repeated(ROW, after=b"\n" + QUESTION),
        "of questions": repeated(QUESTION),
        "of one character": repeated(b"x"),
        "of two characters": repeated(b"[]"),
        "of digits": repeated(b"1"),
        "of blank lines": repeated(b"", before=b"[1,2]\n", after=b"\n[1,2]"),
        "of bad objects": repeated(b'{"userId":1}'),
        "of different bad rows": counted("x{}", between="\n"),
        "of different numbers": counted("{}", between="\n"),
        "of bytes that aren't text": repeated(b"\xff"),
        "of NaN": repeated(b"NaN"),
        "of CR": repeated(b"", before=b"[1,2]", between=b"\r"),
        "in one line": in_list(b"[1,2]"),
        "in one line of commas": in_list(b""),
        "in one line of brackets": nested(b"["),
        "in one line of many fields": counted('"{}":1', "{", "}"),
        "in one line with a history": counted(
            '{"movieId":{},"rating":1}', '{"movieId":1,"history":[', "]}"
        ),
        "in one line of text": repeated(b"", b'["', b'"]', b"x"),
    }
    for name, make in bodies.items():
        yield from _both(f"JSON Lines {name}", make, LINES)


# Measuring


def measure(
    served: ServedModel,
    kind: Kind,
    mib: int = 6,
    seconds: float = 20,
    most_mib: int = _MOST_MIB,
) -> Figures:
    """What a body of this kind takes in a process of its own.

    Args:
        served: the model.
        kind: of the body.
        mib: its length.
        seconds: after this much processor time the client has enough.
        most_mib: how much the process may grow. If it can't do with that, the status is
            500, or 0 if the process died.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "body"
        # Another process makes the body, so that this one doesn't grow.
        _in_child(lambda: path.write_bytes(kind.make(mib * MIB)), _MOST_MIB)
        found = _in_child(lambda: tuple(_answer(served, kind, path, seconds)), most_mib)
    return Figures(*found) if found else Figures(float("inf"), 0.0, 0, 0, False)


def _in_child(work: Callable[[], Any], most_mib: int) -> Any:
    """What ``work`` returns in a forked process; None if that process dies."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        receiver.close()
        most = int((_memory("VmData") + most_mib) * MIB)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        try:
            sender.send(work())
        except BaseException:  # noqa: BLE001 the process ends here, whatever it is
            traceback.print_exc()
        finally:
            os._exit(0)
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return None
    finally:
        receiver.close()
        os.waitpid(pid, 0)


def _answer(served: ServedModel, kind: Kind, path: Path, seconds: float) -> Figures:
    # What was freed before would hide as much growth.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before = _memory("VmRSS")
    began = time.process_time()
    body = path.read_bytes()
    taken = 0
    is_all = True
    try:
        rules = AnswerRules(lenient=kind.is_batch)
        response = answer(served, kind.headers, body, rules)
        status = response.status
        taken += len(response.body)
        for part in response.more or ():
            taken += len(part)
            if time.process_time() - began > seconds:
                is_all = False
                break
    except HalfstarError:
        status = 400
    except MemoryError:
        status = 500
    spent = time.process_time() - began
    return Figures(_memory("VmHWM") - before, spent, status, taken, is_all)


def _memory(name: str) -> float:
    """A figure of this process in MiB, as the kernel calls it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) / 1024
    raise AssertionError(f"the kernel says nothing about {name}")


def _trained() -> Path:
    from benchmarks.serving import fit

    base_dir = BENCH / "serving" / "model"
    fit(base_dir)
    return base_dir


def main() -> None:
    """Measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--mib", type=int, default=6)
    parser.add_argument(
        "--only", default="", help="kinds whose names have this in them"
    )
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()

    served = load((options.base_dir or _trained()) / "model")
    screen = console()
    table = Table("body", "MiB", "CPU s", "status", "MB of answer")
    results = {}
    for kind in kinds():
        if options.only not in kind.name:
            continue
        found = measure(served, kind, options.mib, options.seconds)
        results[kind.name] = found._asdict()
        answered = f"{found.answer_bytes / 1e6:,.1f}"
        if not found.is_all:
            answered += ", not all"
        mib, spent = f"{found.mib:,.0f}", f"{found.seconds:.1f}"
        table.add_row(kind.name, mib, spent, str(found.status), answered)
        screen.print(kind.name, mib, spent, found.status, answered, sep=" | ")
    screen.print(table)
    save("body_memory", json.loads(json.dumps(results)), screen)


if __name__ == "__main__":
    main()
