"""``config``: every setting with its value, its source and its meaning."""

from __future__ import annotations

import typer

from launcher.config import describe_settings
from launcher.options import Json, start_session
from launcher.tables import text_table


def config(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, its value, and where it comes from."""
    session = start_session(context, as_json, needs_region=False)
    meanings = {key: meaning for key, _, meaning in describe_settings()}
    value: dict[str, object] = {}
    rows: list[tuple[str, str, str, str]] = []
    for key, setting in session.config.items():
        source = session.sources.get(key, "default")
        value[key] = {"value": setting, "source": source}
        shown = str(setting).lower() if isinstance(setting, bool) else str(setting)
        rows.append((key, shown, source, meanings.get(key, "")))
    session.emit(value, text_table(("setting", "value", "source", "meaning"), rows))
