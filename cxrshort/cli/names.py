"""What ``help`` in the place of a value prints: the settings of ``--set``, and the recipes with their values."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.cli.tables import document, line, text_width


def settings(sections: Mapping[str, Sequence[Mapping[str, Any]]], *, json: bool) -> None:
    """Print every setting that ``--set`` takes beyond the options: name, type, default, meaning."""
    if json:
        return document({"settings": {title: list(rows) for title, rows in sections.items()}}, kind="settings")
    name = max(len(row["name"]) for rows in sections.values() for row in rows)
    kind = max(len(row["type"]) for rows in sections.values() for row in rows)
    value = max(len(_show(row["default"])) for rows in sections.values() for row in rows)
    blocks = []
    for title, rows in sections.items():
        lines = [title]
        for row in rows:
            start = f"  {row['name']:<{name}}  {row['type']:<{kind}}  {_show(row['default']):<{value}}  "
            lines.append(_fold(row["meaning"], start))
        blocks.append("\n".join(lines))
    return line("\n\n".join(blocks))


def recipes(
    sources: Mapping[str, str], values: Mapping[str, Mapping[str, Any]], *, standard: Mapping[str, Any], json: bool
) -> None:
    """Print where each recipe comes from, and its values: all of the standard one, what differs of the others."""
    if json:
        listed = {name: {"source": sources[name], "values": {**standard, **values[name]}} for name in sources}
        return document({"recipes": listed}, kind="recipes")
    blocks = []
    for name in sorted(sources, key=lambda each: each != "standard"):
        shown = {key: value for key, value in standard.items() if key != "name"} if name == "standard" else values[name]
        text = ", ".join(f"{key} {_show(value)}" for key, value in shown.items() if value != "" or name != "standard")
        blocks.append("\n".join([name, _fold(sources[name], "  "), _fold(text, "  values: ", "    ")]))
    line("\n\n".join(blocks))
    return line("\nwhat a recipe does not list has its standard value")


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"


def _fold(text: str, start: str, following: str | None = None) -> str:
    further = " " * len(start) if following is None else following
    return textwrap.fill(text, text_width(), initial_indent=start, subsequent_indent=further, break_on_hyphens=False)
