"""Verbs with sub-commands: their help by question, and errors as those of any command."""

import json
import subprocess
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cxrshort.cli.app import app
from cxrshort.cli.groups import by_question, make_group
from cxrshort.cli.stats import QUESTIONS
from cxrshort.registry import Entry

from .console import COMMAND, cxrshort_here, environment

GROUP: Any = typer.main.get_command(app)


def help_of_stats(columns: int) -> list[str]:
    variables = {**environment(), "COLUMNS": str(columns)}
    completed = subprocess.run([*COMMAND, "stats", "--help"], env=variables, capture_output=True, text=True, check=True)
    return completed.stdout.splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_help_lists_sub_commands_under_their_questions_in_full(columns: int) -> None:
    lines = help_of_stats(columns)
    assert max(map(len, lines)) <= min(columns, 100)
    start = lines.index("How good is it?")
    listed = " ".join(" ".join(lines[start:]).split())
    for question, commands in QUESTIONS.items():
        assert (question in lines[start:]) is bool(commands)
        for name, entry in commands.items():
            assert f"{name} {entry.summary}" in listed
    assert lines[start + 1].startswith("  auc  ") and " ".join(lines[start + 1].split()).startswith("auc AUC, average")


def test_every_sub_command_of_the_table_is_there_in_its_order() -> None:
    actual = {
        question: [name for name, _ in commands] for question, commands in by_question(GROUP.commands["stats"]).items()
    }
    assert actual == {question: list(commands) for question, commands in QUESTIONS.items() if commands}


def test_verbs_with_sub_commands_stand_among_the_verbs() -> None:
    assert list(GROUP.commands)[-3:] == ["stats", "paths", "doctor"]


def test_verb_alone_shows_its_help() -> None:
    result = cxrshort_here("stats")
    assert result.exit_code == 2
    assert "How good is it?" in result.stdout + result.stderr


def test_unknown_sub_command_is_a_usage_error() -> None:
    result = cxrshort_here("stats", "acu")
    assert result.exit_code == 2
    assert "acu" in result.stderr


def test_error_of_a_sub_command_is_a_document_on_stdout_too() -> None:
    result = cxrshort_here("stats", "auc", "nope.csv", "--json")
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["exit_code"], error["message"]) == (66, 66, "'nope.csv' does not exist")
    result = cxrshort_here("stats", "auc", "nope.csv", "--json", "--level", "high")
    assert (result.exit_code, json.loads(result.stdout)["error"]["exit_code"]) == (2, 2)


def test_group_wraps_what_its_table_names() -> None:
    seen = []

    def wrapper(function: Any) -> Any:
        seen.append(function.__name__)
        return function

    questions = {"Where?": {"paths": Entry("cxrshort.cli.paths:paths", "Show paths.")}, "Never?": {}}
    program = typer.Typer(rich_markup_mode=None)
    program.add_typer(make_group("ask", "Ask.", questions, wrapper=wrapper))
    assert seen == ["paths"]
    shown = CliRunner().invoke(program, ["ask", "--help"]).stdout
    assert "Where?\n  paths  Show paths." in shown and "Never?" not in shown
