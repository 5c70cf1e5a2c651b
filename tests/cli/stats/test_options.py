"""Options that mean the same in every sub-command of ``stats``."""

from typing import Any

import typer

from cxrshort.cli.app import app

GROUP: Any = typer.main.get_command(app)


def test_option_of_one_name_says_the_same_in_every_sub_command() -> None:
    everywhere = ("--level", "--figures", "--out")
    of_scores = ("--target", "--score", "--person", "--label", "--by")  # datasets and run folders have labels of theirs
    texts: dict[str, set[tuple[str, str]]] = {}
    for command in GROUP.commands["stats"].commands.values():
        options = {option.opts[0]: (option.help, getattr(option, "rich_help_panel", "")) for option in command.params}
        for name in (*everywhere, *(of_scores if "--target" in options else ())):
            if name in options:
                texts.setdefault(name, set()).add(options[name])
    assert {name: len(values) for name, values in texts.items()} == dict.fromkeys((*everywhere, *of_scores), 1)
