"""Manual pages and shell completions, made from the command tree so that they cannot disagree with it.

``python -m cxrshort.cli.pages FOLDER`` writes ``man/`` and ``completions/`` below FOLDER; ``--check`` compares instead.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from cxrshort import __version__
from cxrshort.cli import completions
from cxrshort.cli.app import app
from cxrshort.cli.commands import argument_term
from cxrshort.cli.groups import by_question
from cxrshort.columns import COLUMNS, Column
from cxrshort.stats.verdicts import RULES, describe_rule

_FILES = (
    ("dataset", "folder: manifest.csv, images.npy, excluded.csv, run.json; where known masks.npy and regions.csv"),
    ("model", "model.safetensors, with labels, input, recipe and hashed training patients in its header"),
    ("predictions", "predictions.csv: one row per model and image, complete in itself"),
    ("run.json", "written last: a folder whose run.json says done is complete"),
)
_EXIT_CODES = (
    (0, "done"),
    (1, "the work failed"),
    (2, "wrong usage"),
    (3, "an audit reached the verdict that --fail-on names"),
    (65, "the input data is wrong"),
    (66, "an input is missing"),
    (73, "an output cannot be written or exists already"),
    (75, "interrupted with a checkpoint: run again with --resume"),
    (130, "interrupted"),
)
_VARIABLES = (
    ("CXRSHORT_DATASETS", "folder in which dataset names are looked up and written; default datasets"),
    ("CXRSHORT_DATA", "folder of the downloaded repositories; default data"),
    (
        "CXRSHORT_CACHE",
        "folder of caches: what was read from DICOM headers, patient ids among it, readable by its owner "
        "alone; default cxrshort below $XDG_CACHE_HOME or ~/.cache",
    ),
    ("NO_COLOR", "no colours"),
)


def pages() -> dict[str, str]:
    """Return every page by its path below the repository."""
    root: Any = typer.main.get_command(app)
    made = {f"completions/{file}": text for file, text in completions.scripts(root).items()}
    made["man/cxrshort.1"] = _main_page(root)
    for words, command in _all_commands(root):
        page = _group_page if hasattr(command, "commands") else _command_page
        made[f"man/cxrshort-{'-'.join(words)}.1"] = page(words, command)
    return made


def _all_commands(group: Any, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words and the command of every verb and sub-command, each verb before its own."""
    for name, command in group.commands.items():
        yield (*before, name), command
        if hasattr(command, "commands"):
            yield from _all_commands(command, *before, name)


def _main_page(root: Any) -> str:
    lines = [*_title("cxrshort"), ".SH NAME", f"cxrshort \\- {_escape_roff(_first(root.help))}", ".SH SYNOPSIS"]
    lines += [".B cxrshort", "COMMAND [OPTIONS]", ".SH COMMANDS"]
    for words, command in _all_commands(root):
        lines += _reference(words, command)
    lines += [".SH OPTIONS", *_options(root)]
    lines += [".SH FILES", *_terms(_FILES)]
    lines += [".SH MANIFEST COLUMNS", *_terms((column.name, _describe(column)) for column in COLUMNS)]
    lines += [".SH ENVIRONMENT", *_terms(_VARIABLES)]
    lines += [".SH EXIT STATUS", *_terms((str(code), meaning) for code, meaning in _EXIT_CODES)]
    return "\n".join(lines) + "\n"


def _describe(column: Column) -> str:
    values = f": {', '.join(column.values)}" if column.values else ""
    return column.meaning + (f", in {column.unit}" if column.unit else "") + values


def _reference(words: Sequence[str], command: Any) -> list[str]:
    """Return a line of a list of commands."""
    text = command.short_help or _first(command.help)
    return [".TP", f".BR cxrshort\\-{_escape_roff('-'.join(words))} (1)", _escape_roff(text)]


def _group_page(words: Sequence[str], group: Any) -> str:
    """Return the page of a verb that has sub-commands."""
    name, text = "-".join(words), group.help or ""
    lines = [
        *_title(f"cxrshort-{name}"),
        ".SH NAME",
        f"cxrshort\\-{_escape_roff(name)} \\- {_escape_roff(_first(text))}",
    ]
    lines += [".SH SYNOPSIS", f".B cxrshort {_escape_roff(' '.join(words))}", "COMMAND [OPTIONS]", ".SH DESCRIPTION"]
    lines += _paragraphs(text)
    lines.append(".SH COMMANDS")
    for question, commands in by_question(group).items():
        lines.append(f".SS {_escape_roff(question)}")
        for command, part in commands:
            lines += _reference((*words, command), part)
    return "\n".join([*lines, ".SH SEE ALSO", ".BR cxrshort (1)"]) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from (".PP", _escape_roff(" ".join(paragraph.split())))


def _command_page(words: Sequence[str], command: Any) -> str:
    name, text = "-".join(words), command.help or ""
    arguments = " ".join(argument_term(option) for option in command.params if not hasattr(option, "is_flag"))
    lines = [
        *_title(f"cxrshort-{name}"),
        ".SH NAME",
        f"cxrshort\\-{_escape_roff(name)} \\- {_escape_roff(_first(text))}",
    ]
    lines += [
        ".SH SYNOPSIS",
        f".B cxrshort {_escape_roff(' '.join(words))}",
        f"{_escape_roff(arguments)} [OPTIONS]".strip(),
        ".SH DESCRIPTION",
    ]
    body, _, example = text.partition("Example:")
    lines += _paragraphs(body)
    if rule := RULES.get(name):
        lines += [".SH VERDICTS", *_terms(describe_rule(rule))]
    if options := list(_options(command)):
        lines += [".SH OPTIONS", *options]
    if example:
        lines += [".SH EXAMPLE", ".EX", _escape_roff(" ".join(example.split())), ".EE"]
    above = [f".BR cxrshort\\-{_escape_roff('-'.join(words[:-1]))} (1)," for _ in words[1:]]
    return "\n".join([*lines, ".SH SEE ALSO", *above, ".BR cxrshort (1)"]) + "\n"


def _title(name: str) -> list[str]:
    return [f'.TH "{_escape_roff(name.upper())}" 1 "" "cxrshort {__version__}" "User Commands"']


def _options(command: Any) -> Iterator[str]:
    options = [option for option in command.params if hasattr(option, "is_flag")]
    panels = list(dict.fromkeys(option.rich_help_panel for option in options))
    previous = None
    for parameter in sorted(options, key=lambda option: panels.index(option.rich_help_panel)):
        if parameter.rich_help_panel not in (previous, None):
            yield f".SS {_escape_roff(parameter.rich_help_panel)}"
        previous = parameter.rich_help_panel
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        yield from (".TP", f".B {_escape_roff(', '.join(parameter.opts) + value)}")
        default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
        shown = f" Default: {default}." if default not in (None, False, "") and parameter.show_default else ""
        yield _escape_roff((parameter.help or "") + (" Required." if parameter.required else shown))


def _terms(pairs: Any) -> Iterator[str]:
    for term, meaning in pairs:
        yield from (".TP", f".B {_escape_roff(term)}", _escape_roff(meaning))


def _first(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")


def _escape_roff(text: str) -> str:
    """Escape text for roff: backslashes, hyphens that must stay hyphens, and a leading dot or quote."""
    escaped = text.replace("\\", "\\\\").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` say which are not current; return the exit code."""
    folder = Path(next(argument for argument in arguments if not argument.startswith("--")))
    stale = [name for name, text in pages().items() if not _is_current(folder / name, text)]
    if "--check" in arguments:
        if stale:
            sys.stderr.write(f"error: {len(stale)} pages are not current, such as {stale[0]}\nhint: make pages\n")
        return 1 if stale else 0
    for name in stale:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[name], encoding="utf-8")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
