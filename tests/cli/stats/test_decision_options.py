"""Options of decisions mean the same in every command that has them."""

from typing import Any

import pytest
import typer

from cxrshort.cli.app import app

GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("--threshold", ("confusion", "slices", "subgroups")),
        ("--val", ("operating-point", "slices", "subgroups")),
        ("--fail-on", ("slices", "subgroups")),
    ],
)
def test_commands_have_the_option_with_the_same_help(name: str, commands: tuple[str, ...]) -> None:
    texts = set()
    for command in commands:
        option = next(option for option in GROUP.commands["stats"].commands[command].params if name in option.opts)
        texts.add((option.help, option.metavar, option.rich_help_panel))
    assert len(texts) == 1
