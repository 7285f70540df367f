"""Bytes to rows and predictions to bytes, by media type; no HTTP here."""

from __future__ import annotations

from collections.abc import Callable

from serve.answers import Renderer, render_csv, render_json, render_json_lines
from serve.csv_rows import parse_csv
from serve.json_rows import parse_json, parse_json_lines
from serve.rows import ParsedRequest

Parser = Callable[[bytes], ParsedRequest]

CSV = "text/csv"
JSON = "application/json"

PARSERS: dict[str, Parser] = {
    JSON: parse_json,
    "application/jsonlines": parse_json_lines,
    "application/x-jsonlines": parse_json_lines,
    "application/x-ndjson": parse_json_lines,
    CSV: parse_csv,
}

RENDERERS: dict[str, Renderer] = {
    JSON: render_json,
    "application/jsonlines": render_json_lines,
    "application/x-jsonlines": render_json_lines,
    "application/x-ndjson": render_json_lines,
    CSV: render_csv,
}
