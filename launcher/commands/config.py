"""``config``: every setting with its value, its source and its meaning."""

from __future__ import annotations

import typer

from launcher.config import describe_settings
from launcher.options import Json, start_session
from launcher.redaction import HIDDEN, is_secret, redacted
from launcher.tables import text_table


def config(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, its value, and where it comes from."""
    session = start_session(context, as_json, needs_region=False)
    meanings: dict[str, str] = {}
    for key, _, meaning in describe_settings():
        meanings[key] = meaning

    found: dict[str, object] = {}
    rows: list[tuple[str, str, str, str]] = []
    for key, value in session.config.items():
        source = session.sources.get(key, "default")
        if isinstance(value, str):
            value = HIDDEN if is_secret(key) else redacted(value)
        found[key] = {"value": value, "source": source}
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        if isinstance(value, bool):  # as in the file
            shown = shown.lower()
        rows.append((key, shown, source, meanings.get(key, "")))

    header = ("setting", "value", "source", "meaning")
    session.emit(found, text_table(header, rows, session.width))
