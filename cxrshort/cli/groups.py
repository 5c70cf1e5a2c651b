"""Verbs with sub-commands, whose help lists these under the questions that they answer."""

from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from cxrshort.cli.commands import PanelCommand, padded
from cxrshort.registry import Entry, load_entry

_LONGEST_SUMMARY = 1000
"""Characters beyond any summary: a long one is folded, not cut."""

Wrapper = Callable[[Callable[..., None]], Callable[..., None]]


class QuestionGroup(TyperGroup):
    """List sub-commands in sections, one for each question, in the order of the table that they come from."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each question."""
        del ctx
        widest = max(map(len, self.commands), default=0)
        for question, commands in by_question(self).items():
            summaries = [(name, command.get_short_help_str(limit=_LONGEST_SUMMARY)) for name, command in commands]
            formatter.write_paragraph()
            formatter.write_text(question)  # a section would put a colon behind the question mark
            with formatter.indentation():
                formatter.write_dl(padded(summaries, widest))


def by_question(group: Any) -> dict[str, list[tuple[str, Any]]]:
    """Return the names and sub-commands of a group by the question that they answer, in order."""
    questions: dict[str, list[tuple[str, Any]]] = {}
    for name, command in group.commands.items():
        questions.setdefault(command.rich_help_panel or "Commands", []).append((name, command))
    return questions


def make_group(name: str, text: str, questions: Mapping[str, Mapping[str, Entry]], *, wrapper: Wrapper) -> typer.Typer:
    """Return a verb with sub-commands.

    Args:
        name: the verb.
        text: its description.
        questions: the sub-commands, by question and name; their modules import nothing heavy.
        wrapper: what catches the errors of a command.
    """
    group = typer.Typer(name=name, cls=QuestionGroup, help=text, rich_markup_mode=None, no_args_is_help=True)
    for question, commands in questions.items():
        for command, entry in commands.items():
            function = load_entry(commands, command, kind="command")
            settings: dict[str, Any] = {"short_help": entry.summary, "rich_help_panel": question}
            group.command(command, cls=PanelCommand, **settings)(wrapper(function))
    return group
