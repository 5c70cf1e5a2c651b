"""Options that sub-commands of ``roentmod`` share."""

from typing import Any

import typer

from cxrshort.cli.app import app
from cxrshort.cli.roentmod.options import GENERATOR, PHANTOMS
from cxrshort.generative.roentmod.noise_schedule import DEFAULT_SCHEDULER, SCHEDULERS

COMMANDS: Any = typer.main.get_command(app).commands["roentmod"].commands  # type: ignore[attr-defined]
VERBS = ("edit", "synthesise", "tune")


def options_of(verb: str) -> dict[str, Any]:
    return {parameter.opts[0]: parameter for parameter in COMMANDS[verb].params}


def test_option_of_an_editor_says_the_same_in_every_sub_command() -> None:
    texts: dict[str, set[tuple[str, str]]] = {}
    for verb in VERBS:
        for name, parameter in options_of(verb).items():
            if parameter.rich_help_panel in (GENERATOR, PHANTOMS) and name != "--generator-size":
                texts.setdefault(name, set()).add((parameter.help, parameter.rich_help_panel))
    assert {"--generator", "--scheduler", "--severity"} <= set(texts)
    assert all(len(wordings) == 1 for wordings in texts.values())


def test_option_of_images_and_shards_is_the_same_in_every_sub_command_that_has_it() -> None:
    for name in ("--replicate", "--where", "--all-images", "--merge", "--batch-size"):
        own = [options_of(verb)[name] for verb in VERBS if name in options_of(verb)]
        assert len(own) > 1
        assert (
            len({(option.help, option.metavar, option.rich_help_panel, str(option.show_default)) for option in own})
            == 1
        )


def test_help_names_the_schedulers_and_the_one_that_is_taken_without_the_option() -> None:
    for verb in VERBS:
        scheduler = options_of(verb)["--scheduler"]
        named = scheduler.help.partition(": ")[2].rstrip(".").replace(" or ", ", ").split(", ")
        assert named == list(SCHEDULERS)
        assert scheduler.show_default == DEFAULT_SCHEDULER
