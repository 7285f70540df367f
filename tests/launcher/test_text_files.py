from __future__ import annotations

from pathlib import Path

import pytest

from launcher.errors import ConfigError
from launcher.text_files import read_text

TEXT = "a = 1\nb = 'ä'\n"


def write(folder: Path, data: bytes) -> Path:
    path = folder / "any.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, TEXT.encode(encoding))
    assert read_text(path, ConfigError) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, TEXT.encode(encoding))
    with pytest.raises(ConfigError, match=r"any\.txt is UTF-16, .* save it as UTF-8$"):
        read_text(path, ConfigError)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_of_another_encoding_is_named_with_its_line(
    tmp_path: Path, mark: bytes
) -> None:
    path = write(tmp_path, mark + TEXT.encode("latin-1"))
    message = r"any\.txt line 2: byte 0xe4 isn't UTF-8: save the file as UTF-8$"
    with pytest.raises(ConfigError, match=message):
        read_text(path, ConfigError)


def test_lf_and_crlf_may_be_mixed(tmp_path: Path) -> None:
    path = write(tmp_path, b"a\r\nb\nc\r\n")
    assert read_text(path, ConfigError) == "a\r\nb\nc\r\n"


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"a\rb\rc\r", 1), (b"a\rb\nc\n", 1), (b"a\nb\r", 2), (b"a\r\nb\r\r\n", 2)],
)
def test_a_cr_alone_is_refused_and_the_line_ends_named(
    tmp_path: Path, data: bytes, line: int
) -> None:
    message = (
        rf"any\.txt line {line}: a line ends in CR alone, expected LF or CRLF: "
        "save the file with these line ends$"
    )
    with pytest.raises(ConfigError, match=message):
        read_text(write(tmp_path, data), ConfigError)
