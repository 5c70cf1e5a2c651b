"""Help in panels, options that became settings, and usage errors as JSON."""

import json
import re
import subprocess

import pytest

from .console import COMMAND, cxrshort_here, environment, failure

TRAIN_PANELS = [
    "Data",
    "Training",
    "Output files",
    "Optimisation (defaults from --recipe; --recipe help shows them)",
    "Replicates, searches and ensembles",
    "Labels and validation",
    "Groups, masks and backgrounds",
    "Device and workers",
    "What is printed",
    "Options",
    "Notes",
]


def panels(command: str, columns: int) -> dict[str, list[str]]:
    """Return the lines of a help page by panel, in a terminal of that width."""
    variables = {**environment(), "COLUMNS": str(columns)}
    completed = subprocess.run([*COMMAND, command, "--help"], env=variables, capture_output=True, text=True, check=True)
    actual: dict[str, list[str]] = {"": []}
    title = ""
    for line in completed.stdout.splitlines():
        if re.fullmatch(r"[A-Z].*:", line):
            title = line[:-1]
        actual.setdefault(title, []).append(line)
    return actual


@pytest.mark.parametrize("columns", [80, 120])
def test_help_of_train_has_panels_in_order_and_fits(columns: int) -> None:
    actual = panels("train", columns)
    assert list(actual)[1:] == TRAIN_PANELS
    lines = [line for panel in actual.values() for line in panel]
    assert max(map(len, lines)) <= min(columns, 100)
    assert not [line for line in lines if "from the recipe" in line]
    options = {title: [line for line in panel if line.startswith("  -")] for title, panel in actual.items()}
    del options["Notes"]
    assert max(map(len, options.values())) <= 10
    assert sum(map(len, options.values())) <= 50


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate", "MODEL..."),
        ("doctor", "[MODEL]"),
        ("stats auc", "TABLE"),
        ("stats compare", "[TABLE] [TABLE2]"),
        ("stats superiority", "TABLE [TABLE2]"),
        ("stats leakage", "DATASET..."),
        ("stats attributes", ""),
    ],
)
def test_usage_line_has_optional_arguments_in_brackets(command: str, words: str) -> None:
    first = cxrshort_here(*command.split(), "--help").stdout.splitlines()[0]
    assert first.endswith(f" {command} [OPTIONS] {words}".rstrip())


def test_help_of_the_optimisation_panel() -> None:
    assert panels("train", 80)["Optimisation (defaults from --recipe; --recipe help shows them)"][1:] == [
        "  --epochs N                   Number of epochs.",
        "  --batch-size N               Images per optimiser step, over all processes.",
        "  --learning-rate, --lr X      Initial learning rate.",
        "  --weight-decay X             Weight decay: decoupled (AdamW), L2 penalty",
        "                               (SGD, Adam).",
        "  --optimizer NAME             sgd, adam or adamw.",
        "  --schedule NAME              Learning rate schedule: constant, step,",
        "                               milestones, cosine, plateau or one-cycle.",
        "  --weights W                  Initial weights: none, imagenet (downloaded) or",
        "                               a file.",
        "  --augment NAME               Augmentation: none, degrave, cv19, tea, fastai",
        "                               or random-colour.",
        "  --patience N                 Early stopping: epochs without a better score",
        "                               on val.",
        "  --accumulate N               Gradient accumulation steps: micro-batches per",
        "                               batch.",
        "",
    ]


def test_summaries_of_all_commands_are_whole_and_fit() -> None:
    completed = subprocess.run(
        [*COMMAND, "--help"], env={**environment(), "COLUMNS": "80"}, capture_output=True, text=True
    )
    lines = completed.stdout.splitlines()
    assert not [line for line in lines[1:] if "..." in line] and max(map(len, lines)) <= 80
    assert "  evaluate       Evaluate models on internal and external test sets.\n" in completed.stdout


def test_usage_shows_an_argument_that_may_be_left_out_in_one_pair_of_brackets() -> None:
    assert panels("doctor", 80)[""][0].endswith("doctor [OPTIONS] [MODEL]")
    assert "MODEL" in panels("doctor", 80)["Arguments"][1].split()


def test_limits_of_a_number_are_left_to_the_error() -> None:
    assert not [line for panel in panels("train", 100).values() for line in panel if "x>=" in line]


def test_help_begins_with_what_a_command_does_and_its_example() -> None:
    actual = panels("build-dataset", 120)
    assert actual[""][2:3] == [
        "  Build a dataset from downloaded repositories, from your own files, or draw a phantom."
    ]
    assert actual[""][-2] == "  Example: cxrshort build-dataset --dataset phantom-I --images 1000 --size 64"
    assert list(actual)[1:4] == ["Data", "Output files", "Rows and splits"]


def test_names_and_options_are_not_broken_at_their_hyphens() -> None:
    variables = {**environment(), "COLUMNS": "80"}
    for command in ("identity", "reader-sheets", "edit"):
        words = [*COMMAND, "roentmod", command, "--help"]
        page = subprocess.run(words, env=variables, capture_output=True, text=True, check=True).stdout
        text = page[page.index("  Example:") : page.index("\nData:")]
        assert not [line for line in text.splitlines() if line.endswith("-")]
        assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "option", "setting"),
    [("train", "--momentum", "momentum"), ("train", "--step-factor", "step_factor"),
     ("build-dataset", "--require-report", "require_report")],
)  # fmt: skip
def test_option_that_is_a_setting_is_said_to_be_one(command: str, option: str, setting: str) -> None:
    result = cxrshort_here(command, option, "1")
    assert failure(result) == (2, f"{option} is a setting, not an option", f"write --set {setting}=VALUE")


def test_usage_error_is_a_document_on_stdout_too() -> None:
    result = cxrshort_here("train", "--json", "--epochs", "many")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.error/1"
    message = "--epochs is 'many', it must be a whole number"
    assert document["error"] == {"message": message, "hint": "", "exit_code": 2}
    assert result.stderr == f"error: {message}\n"


def test_error_of_a_command_is_a_document_on_stdout_too() -> None:
    result = cxrshort_here("train", "--json", "--dataset", "nope", "--arch", "small-cnn")
    error = {
        "message": "'nope' is not built yet",
        "hint": "cxrshort build-dataset --dataset help lists the names, cxrshort paths the datasets that are built",
        "exit_code": 66,
    }
    assert json.loads(result.stdout) == {"schema": "cxrshort.error/1", "error": error}
    assert (result.exit_code, result.stderr) == (66, f"error: {error['message']}\nhint: {error['hint']}\n")


@pytest.mark.parametrize("arguments", [("--version",), ("train", "--help")])
def test_json_does_not_change_what_is_no_error(arguments: tuple[str, ...]) -> None:
    result = cxrshort_here(*arguments, *(["--json"] if len(arguments) > 1 else []))
    assert result.exit_code == 0
