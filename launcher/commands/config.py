"""``config``: every setting with its value, its source and its meaning."""

from __future__ import annotations

import typer

from launcher.config import describe_settings
from launcher.options import Json, start_session
from launcher.redaction import HIDDEN, is_secret, redacted
from launcher.tables import text_table

# For what settings mean, beside their values.
_WIDE_ENOUGH = 100


def config(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, its value, and where it comes from."""
    session = start_session(context, as_json, needs_region=False)
    meanings = {each.key: each.meaning for each in describe_settings()}
    found: dict[str, object] = {}
    rows: list[tuple[str, str, str, str]] = []
    for key, value in session.config.items():
        source = session.sources.get(key, "default")
        if isinstance(value, str):
            # Only what the user names can be a secret; our own settings are none.
            is_hidden = key not in meanings and is_secret(key)
            value = HIDDEN if is_hidden else redacted(value)
        found[key] = {"value": value, "source": source}
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        if isinstance(value, bool):  # as in the file
            shown = shown.lower()
        rows.append((key, shown, source, meanings.get(key, "")))

    header = ("setting", "value", "source", "meaning")
    if session.width is not None and session.width < _WIDE_ENOUGH:
        session.emit(found, text_table(header[:-1], [row[:-1] for row in rows]))
        session.hint("a wider terminal shows what each setting means")
    else:
        session.emit(found, text_table(header, rows, session.width))
