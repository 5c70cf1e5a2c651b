"""Commands whose help shows options in panels, and whose usage errors are one JSON document where that is asked for.

Typer puts options into panels only where Rich formats the help. Rich costs more than the whole of ``--help`` does, so
the panels are written here, with the plain formatter.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cxrshort.cli.tables import failure, refusal, shortened
from cxrshort.cli.usage import restate
from cxrshort.errors import UsageError

_DEFAULT_PANEL = "Options"
_BEFORE = 2
"""Paragraphs of a description that stand before the options."""
_DEFAULT = re.compile(r"default: \(([^()]*)\)")
"""How Typer shows a default that is described by a text."""
_RANGE = re.compile(r"; (?:\d+<=x<=\d+|x>=\d+)(?=\])|  \[(?:\d+<=x<=\d+|x>=\d+)\]")
"""How Typer shows the limits of a number, which only an error needs to name."""
_ClickUsageError: Any = typer.BadParameter.__mro__[1]  # Typer's private Click has no public name for it


class PanelCommand(TyperCommand):
    """Show options in the panels that ``rich_help_panel`` names, in the order in which the command lists them.

    What a command does and its example stand before the options, the other paragraphs of its description behind them.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command; an option that is a setting of ``--set`` is said to be one."""
        try:
            return super().parse_args(ctx, args)
        except _ClickUsageError as error:
            error.ctx = error.ctx or ctx
            option = str(getattr(error, "option_name", ""))
            name = option.removeprefix("--").replace("-", "_")
            if name in _set_names(self.name):
                raise UsageError(f"{option} is a setting, not an option", f"write --set {name}=VALUE") from None
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line: options, then the arguments, optional ones in brackets."""
        arguments = [parameter for parameter in self.get_params(ctx) if parameter.param_type_name == "argument"]
        return [self.options_metavar or "", *map(argument_term, arguments)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does and its example."""
        del ctx
        first, _, example = self._paragraphs()
        for text in filter(None, [*first, example]):
            formatter.write_paragraph()
            with formatter.indentation():
                _write_folded(formatter, text)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the other paragraphs."""
        del ctx
        if notes := self._paragraphs()[1]:
            with formatter.section("Notes"):
                _write_folded(formatter, *notes)

    def _paragraphs(self) -> tuple[list[str], list[str], str]:
        """Return the first two paragraphs of the description, the others, and the example."""
        text = inspect.cleandoc(self.help or "")
        described, sign, example = text.partition("Example:")
        paragraphs = [paragraph.strip() for paragraph in described.strip().split("\n\n")]
        return paragraphs[:_BEFORE], paragraphs[_BEFORE:], f"{sign}{example}"

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for the arguments, then one for each panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                term, text = record
                if parameter.param_type_name == "argument":
                    term = str(parameter.metavar)
                panels.setdefault(_panel(parameter), []).append(
                    (term, _RANGE.sub("", _DEFAULT.sub(r"default: \1", text)))
                )
        # One width for all panels, so that their second columns are aligned.
        widest = max((len(term) for records in panels.values() for term, _ in records), default=0)
        for title, records in sorted(panels.items(), key=lambda panel: panel[0] == _DEFAULT_PANEL):
            with formatter.section(title):
                formatter.write_dl(padded(records, widest), col_max=_TERM)


def _write_folded(formatter: Any, *paragraphs: str) -> None:
    """Write paragraphs folded between words; names such as phantom-III and --per-edit stay whole, to be copied."""
    indent = " " * formatter.current_indent
    folded = [
        textwrap.fill(
            " ".join(text.split()),
            formatter.width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for text in paragraphs
    ]
    formatter.write("\n\n".join(folded) + "\n")


_TERM = 28
"""Columns that an option and its value take; longer ones have their text on the next line."""


def argument_term(parameter: Any) -> str:
    """Return what stands for an argument in a usage line: in brackets if optional, with dots if there may be more."""
    name = str(parameter.metavar or parameter.name.upper())
    name += "..." if parameter.nargs != 1 and not name.endswith("...") else ""
    return name if parameter.required else f"[{name}]"


def padded(records: Sequence[tuple[str, str]], widest: int) -> list[tuple[str, str]]:
    """Return lines of two columns whose first one is as wide as in all other sections of the page."""
    width = min(widest, _TERM)
    return [(term.ljust(width), text) for term, text in records]


def _panel(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return parameter.rich_help_panel or _DEFAULT_PANEL


def _set_names(command: str | None) -> Sequence[str]:
    """Return the settings that ``--set`` of a command takes beyond its options."""
    if command == "train":
        from cxrshort.training.recipes import RARE

        return RARE
    if command == "build-dataset":
        from cxrshort.datasets.building.settings import NAMES

        return NAMES
    return ()


LAST = ("paths", "doctor")
"""The commands that no work is done by; help lists them behind the verbs."""


class Root(TyperGroup):
    """Report what is wrong with a command line as any other error, and as JSON too where ``--json`` is in it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands with their summaries in full."""
        del ctx
        rows = [(name, command.get_short_help_str(limit=_LONGEST_SUMMARY)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def __init__(self, **settings: Any) -> None:
        # Typer puts verbs that have sub-commands behind all others.
        commands: dict[str, Any] = dict(settings.pop("commands", None) or {})
        ordered = sorted(commands, key=lambda name: name in LAST)
        super().__init__(commands={name: commands[name] for name in ordered}, **settings)

    def main(self, args: Sequence[str] | None = None, *positional: Any, **settings: Any) -> Any:
        """Run a command."""
        if not settings.get("standalone_mode", True):
            return super().main(args, *positional, **settings)
        words = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, *positional, **{**settings, "standalone_mode": False})
        except UsageError as error:
            raise SystemExit(_refuse(error, json="--json" in words)) from None
        except _ClickUsageError as error:
            if not words:  # no command at all: the error is the page of help
                error.show()
                raise SystemExit(error.exit_code) from None
            raise SystemExit(_refuse(restate(error), json="--json" in words)) from None
        except typer.Abort:
            raise SystemExit(1) from None
        raise SystemExit(code if isinstance(code, int) else 0)


_LONGEST_SUMMARY = 1000
"""Characters beyond any summary: a long one is folded, not cut."""


def _refuse(error: UsageError, *, json: bool) -> int:
    message, hint = shortened(error.message), shortened(error.hint)
    refusal(message, hint=hint)
    if json:
        failure(message, hint=hint, code=error.exit_code)
    return error.exit_code
