"""Arguments and options of run folders mean the same in every command that has them."""

from typing import Any

import pytest
import typer

from cxrshort.cli.app import app

GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("name", ["PATH...", "LABEL"])
def test_checks_and_reporting_have_the_parameter_with_the_same_help(name: str) -> None:
    texts = set()
    for command in ("checks", "reporting"):
        parameters = GROUP.commands["stats"].commands[command].params
        parameter = next(parameter for parameter in parameters if parameter.metavar == name)
        texts.add((parameter.help, parameter.show_default))
    assert len(texts) == 1
