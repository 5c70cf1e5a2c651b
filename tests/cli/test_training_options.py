"""Options that every command that trains has."""

from typing import Any, get_args

import pytest
import typer.main

from cxrshort.cli import training_options
from cxrshort.cli.app import app
from cxrshort.cli.training_options import Epochs
from cxrshort.training.recipes import SCHEDULES

COMMANDS: Any = typer.main.get_command(app)


def options(command: str) -> dict[str, Any]:
    """Return the options of a command by their first name."""
    return {parameter.opts[0]: parameter for parameter in COMMANDS.commands[command].params}


SHARED = (
    "--set",
    "--name",
    "--epochs",
    "--batch-size",
    "--learning-rate",
    "--weight-decay",
    "--optimizer",
    "--schedule",
    "--weights",
    "--augment",
    "--patience",
    "--accumulate",
    "--replicate",
    "--replicates",
    "--tensorboard",
)


@pytest.mark.parametrize("name", SHARED)
def test_option_means_the_same_in_every_command_that_trains(name: str) -> None:
    trained, distilled = (options(command)[name] for command in ("train", "tea-distill"))
    assert (trained.help, trained.default, trained.metavar) == (distilled.help, distilled.default, distilled.metavar)
    assert trained.opts == distilled.opts


def test_epochs_are_left_to_the_recipe_unless_given() -> None:
    assert get_args(get_args(Epochs)[0]) == (int, type(None))
    assert options("train")["--epochs"].default is None


def test_help_of_a_schedule_names_them_all() -> None:
    text = options("train")["--schedule"].help
    assert all(schedule in text for schedule in SCHEDULES)
    assert "--recipe help" in training_options.TUNING
