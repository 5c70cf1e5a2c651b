"""Options that mean the same in every command."""

from typing import Any

import pytest
import typer

from cxrshort.cli import options
from cxrshort.cli.app import app
from cxrshort.errors import UsageError


def parameters() -> dict[str, dict[str, object]]:
    """Return the options of every command by their first name."""
    return _of_commands(typer.main.get_command(app))


def _of_commands(group: Any, *before: str) -> dict[str, dict[str, object]]:
    commands = {}
    for name, command in group.commands.items():
        words = " ".join((*before, name))
        commands[words] = {option.opts[0]: option for option in command.params if hasattr(option, "is_flag")}
        commands |= _of_commands(command, *before, name) if hasattr(command, "commands") else {}
    return commands


def test_option_of_one_name_says_the_same_in_every_command() -> None:
    shared = ("--out", "--device", "--precision", "--json", "--quiet", "--verbose", "--force", "--resume")
    by_command = parameters()
    for name in (*shared, "--jobs", "--dry-run", "--split", "--regions"):
        texts = {command[name].help for command in by_command.values() if name in command}  # type: ignore[attr-defined]
        assert len(texts) == 1, name
    gates: dict[str, Any] = {
        words: command["--fail-on"] for words, command in by_command.items() if "--fail-on" in command
    }
    assert gates["explain"].help == gates["swap-test"].help  # the others judge other things than regions
    assert all("exit with code 3 if" in gate.help.lower() for gate in gates.values())


def test_threads_say_where_resume_needs_the_same_number() -> None:
    threads: dict[str, Any] = {
        words: command["--threads"] for words, command in parameters().items() if "--threads" in command
    }
    kept = {words for words, threads_option in threads.items() if "--resume" in threads_option.help}
    assert kept == {"train", "tea-distill", "cyclegan train", "explain", "swap-test"}
    assert all("--resume" in parameters()[words] for words in kept)
    assert {threads_option.help for threads_option in threads.values()} == {
        "CPU threads of torch.",
        "CPU threads of torch; --resume needs the same number.",
    }


def test_every_option_has_a_heading_a_phrase_and_a_placeholder_for_its_value() -> None:
    for command, actual in parameters().items():
        for name, option in actual.items():
            if name in ("--help", "--install-completion", "--show-completion"):
                continue
            assert option.rich_help_panel, (command, name)  # type: ignore[attr-defined]
            text = option.help  # type: ignore[attr-defined]
            assert text.endswith(".") and (text[0].isupper() or not text[0].isalpha() or " " in text), (command, name)
            assert option.is_flag or option.metavar, (command, name)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("least", "most", "value", "fits"), [
    (1, None, "0", False), (1, None, "1", True), (0, 4, "5", False), (0, 4, "4", True), (None, None, "-9", True),
])  # fmt: skip
def test_option_takes_the_numbers_from_its_least_to_its_most(
    least: int | None, most: int | None, value: str, fits: bool
) -> None:
    small = typer.Typer()

    @small.command()
    def command(
        number: int = options.option("--number", text="A number.", panel="Data", metavar="N", least=least, most=most),
    ) -> None:
        typer.echo(str(number))

    result = typer.testing.CliRunner().invoke(small, ["--number", value])
    assert (result.exit_code == 0) is fits
    assert not fits or result.stdout == f"{value}\n"


def test_quiet_and_verbose_exclude_each_other() -> None:
    options.check_loudness(quiet=True, verbose=False)
    options.check_loudness(quiet=False, verbose=True)
    with pytest.raises(UsageError) as caught:
        options.check_loudness(quiet=True, verbose=True)
    assert (caught.value.message, caught.value.hint) == (
        "--quiet and --verbose exclude each other",
        "give one of them",
    )
