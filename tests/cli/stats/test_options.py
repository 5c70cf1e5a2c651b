"""Options that mean the same in every sub-command of ``stats``."""

from typing import Any

import typer

from cxrshort.cli.app import app

GROUP: Any = typer.main.get_command(app)


def test_option_of_one_name_says_the_same_in_every_sub_command() -> None:
    texts: dict[str, set[tuple[str, str]]] = {}
    for command in GROUP.commands["stats"].commands.values():
        for option in command.params:
            texts.setdefault(option.opts[0], set()).add((option.help, getattr(option, "rich_help_panel", "")))
    shared = ("--target", "--score", "--person", "--label", "--by", "--level", "--figures", "--out")
    assert {name: len(texts[name]) for name in shared} == dict.fromkeys(shared, 1)
