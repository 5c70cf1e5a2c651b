"""Options of pairs of methods mean the same in every command that has them."""

from typing import Any

import pytest
import typer

from cxrshort.cli.app import app

GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("name", ["--before", "--after", "--value", "--group", "--image"])
def test_compare_and_superiority_have_the_option_with_the_same_help(name: str) -> None:
    texts = set()
    for command in ("compare", "superiority"):
        option = next(option for option in GROUP.commands["stats"].commands[command].params if name in option.opts)
        texts.add((option.help, option.metavar, option.show_default))
    assert len(texts) == 1


@pytest.mark.parametrize("command", ["compare", "superiority"])
def test_second_table_may_be_left_out(command: str) -> None:
    second = next(
        argument for argument in GROUP.commands["stats"].commands[command].params if argument.metavar == "TABLE2"
    )
    assert not second.required and "--image" in second.help
