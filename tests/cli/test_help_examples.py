"""Every command that the help pages and README.md show is run, on little data, in a folder of its own.

A command of README.md may be made smaller by its own documented options (images, size, epochs, weights, looks), which
are put behind those that it has. Where the output's default name would then change, ``--out`` names what it would have
been.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer.main

from cxrshort.cli.app import app
from cxrshort.datasets.phantom.cohort import DATASETS as PHANTOMS
from cxrshort.training import recipes
from cxrshort.verbs.train import default_folder

from ..verbs.roentmod.filled_sheets import fill, write_key
from ..verbs.roentmod.painted_edits import build_edits, build_films
from ..verbs.roentmod.tables import predictions as edited_predictions
from ..verbs.stats.finished_runs import evaluation, finished, scores
from ..verbs.stats.scored import predictions
from .console import COMMAND, cxrshort_here, environment

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
GROUP: Any = typer.main.get_command(app)
FAST = ("--device", "cpu", "--threads", "1")
SMALL = ("--width", "4", "--set", "blocks=1", "--set", "discriminator_width=4", "--sample-every", "10")
"""A CycleGAN of few channels that draws its figures twice an epoch, which takes longer than the epoch."""


def commands(group: Any, *before: str) -> dict[str, Any]:
    """Return every verb and sub-command by the words that name it."""
    named = {" ".join((*before, name)): command for name, command in group.commands.items()}
    for name, command in group.commands.items():
        named |= commands(command, *before, name) if hasattr(command, "commands") else {}
    return named


def example(command: Any) -> str:
    """Return the example of a command's help page, in one line; empty where it has none."""
    _, _, text = (command.help or "").partition("Example: ")
    return " ".join(text.split("\n\n")[0].split())


EXAMPLES = {name: example(command) for name, command in commands(GROUP).items() if example(command)}


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS", "CXRSHORT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def succeed(*arguments: str) -> None:
    result = cxrshort_here(*arguments)
    assert result.exit_code == 0, f"{shlex.join(arguments)}\n{result.stderr}"


def values(words: Sequence[str], option: str) -> list[str]:
    return [words[number + 1] for number, word in enumerate(words[:-1]) if word == option]


def build_phantoms(words: Sequence[str]) -> None:
    for dataset in (*values(words, "--dataset"), *values(words, "--compare-with")):
        if dataset in PHANTOMS and not Path("datasets", dataset).exists():
            succeed("build-dataset", "--dataset", dataset, "--images", "80", "--size", "32", "--jobs", "1")


def test_every_verb_that_is_built_has_an_example() -> None:
    assert {"build-dataset", "train", "evaluate", "explain", "swap-test", "tea-distill"} <= set(EXAMPLES)
    groups = ("cyclegan ", "roentmod ", "stats ")
    assert {name for name in commands(GROUP) if name.startswith(groups)} <= set(EXAMPLES)


def write_tables(words: Sequence[str]) -> None:
    """Write the tables, datasets and run folders that an example of stats reads."""
    rng = np.random.default_rng(0)
    count = 400 if any(name.endswith(".npy") for name in words) else 80
    rows = pd.DataFrame({name: rng.normal(size=count) for name in ("logit_before", "logit_after")})
    rows = rows.assign(
        probability=rng.random(count),
        label=np.arange(count) % 2,
        patient=np.arange(count) // 2,
        view=["PA", "PA", "AP", "AP"] * (count // 4),
    )
    runs = pd.DataFrame({"auc": rng.random(count), "training": ["before", "after"] * (count // 2)})
    runs = runs.assign(replicate=np.arange(count) // 2, dataset=np.arange(count) // 2)
    rows = rows.assign(public_auc=rng.random(count), private_auc=rng.random(count), challenge=rows["view"])
    for name in words:
        if name.endswith(".csv"):
            (runs if name == "aucs.csv" else rows).to_csv(name, index=False)
        if name.endswith(".npy"):
            np.save(name, rng.normal(size=(count, 5)))
        if name.startswith("results/"):
            Path(name).mkdir(parents=True)
            predictions().to_csv(Path(name, "predictions.csv"), index=False)
            finding = {"region": "marker", "verdict": "no evidence", "effect": 0.1, "low": 0.0, "high": 0.2}
            summary = {"model": name, "dataset": "marked", "findings": [finding]}
            finished(Path(name, "swap-test"), "swap-test", summary=summary, outputs=[])
        if name in ("results", "runs"):
            evaluation(Path(name, "model"), scores(0))
        if name in PHANTOMS:
            build_phantoms(["--dataset", name])


def write_edited_scores(folder: Path) -> None:
    """Write the predictions of originals and edits, and what readers saw, that an example of roentmod reads."""
    edited_predictions(folder)
    (folder / "readers.csv").write_text("added,Edema,Effusion\nEdema,0.97,0.1\n")


def write_study(folder: Path, words: Sequence[str]) -> None:
    """Write the dataset of edits, or the readers' answers and their key, that an example of roentmod reads."""
    if "edits" in values(words, "--dataset"):
        build_edits(folder, build_films(folder))
    if "--key" in words:
        fill(write_key(folder, readers=2))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_in_help_runs(working_folder: Path, name: str) -> None:
    program, verb, *words = shlex.split(EXAMPLES[name])
    assert program == "cxrshort" and " ".join([verb, *words]).startswith(name)
    if verb == "stats":
        write_tables(words)
    if verb == "roentmod":
        write_edited_scores(working_folder)
        write_study(working_folder, words)
    if verb != "build-dataset":
        build_phantoms(words)
    if name == "roentmod identity":
        build_phantoms(["--dataset", "phantom-III"])
        succeed("roentmod", "edit", "--dataset", "phantom-III", "--editor", "phantom", "--split", "all", *FAST)
    if verb in (
        "evaluate",
        "explain",
        "swap-test",
        "tea-distill",
    ):  # their models are those that train makes of the first dataset
        training = ("--dataset", values(words, "--dataset")[0], "--arch", "small-cnn", "--epochs", "1")
        for model in (word for word in words if word.startswith("runs/")):
            succeed("train", *training, "--out", model, *FAST)
    if verb == "cyclegan":
        write_models(words)
        words += [*SMALL, *FAST] if words[0] == "train" else FAST
    succeed(verb, *words)


def write_models(words: Sequence[str]) -> None:
    """Train what an example of cyclegan reads: a cyclegan, and classifiers of the same dataset behind it."""
    models = [word for word in words if word.startswith("runs/")]
    dataset = ("--dataset", values(words, "--dataset")[0], "--epochs", "1", *FAST)
    sides = ("--from", "COVID-19 == 0", "--to", "COVID-19 == 1", *SMALL)
    for model in models[:1]:
        succeed("cyclegan", "train", *dataset, *sides, "--out", model)
    for model in models[1:]:
        succeed("train", *dataset, "--arch", "small-cnn", "--out", model)


def blocks() -> list[str]:
    """Return the ``sh`` and ``console`` blocks of README.md, prompts removed."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    actual = re.findall(r"^```(sh|console)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [body if kind == "sh" else _typed(body) for kind, body in actual]


def _typed(session: str) -> str:
    return "".join(line[2:] + "\n" for line in session.splitlines() if line.startswith("$ "))


def test_targets_of_make_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    named = {target for block in blocks() for target in re.findall(r"^make ([a-z-]+)", block, flags=re.MULTILINE)}
    if not named:
        pytest.skip("README.md names no target of make")
    assert named <= targets


def smaller(line: str) -> str:
    """Return a command of cxrshort with little work; other lines stay as they are."""
    if not line.startswith("cxrshort "):
        return line
    _, verb, *words = shlex.split(line)
    if verb == "build-dataset":
        phantom = values(words, "--dataset")[0] in PHANTOMS
        return f"{line} --size 32" + (" --images 120" if phantom else "")
    if verb == "train":
        reduced = "--epochs 1 --weights none --device cpu --threads 1 --precision fp32"
        return f"{line} {reduced} --out {shlex.quote(str(_usual_folder(words)))}"
    if verb == "explain":
        return f"{line} --images 8 --references 8 --set samples=8 --device cpu --threads 1"
    if verb == "swap-test":
        return f"{line} --patches 20 --device cpu --threads 1"
    if verb == "tea-distill":
        return f"{line} --epochs 1 --device cpu --threads 1"
    if verb == "cyclegan":
        return f"{line} --device cpu --threads 1" + (
            " --epochs 1 --sample-every 10" if words[0] == "train" else " --images 6"
        )
    scoring = verb == "evaluate" or (verb == "roentmod" and words[0] != "reader-sheets")
    return f"{line} --device cpu --threads 1" if scoring else line


def _usual_folder(words: list[str]) -> Path:
    """Return where a train command writes as it stands."""
    parameters = GROUP.commands["train"].make_context("train", list(words)).params
    settings = {
        name: parameters[name]
        for name in recipes.load_recipe("standard").record()
        if name in parameters and name != "name"
    }
    settings["settings"] = ",".join(parameters["settings"] or []) or None
    recipe = recipes.load_recipe(parameters["recipe"], overrides=settings)
    numbers = {"replicate": parameters["replicate"], "seed": parameters["seed"]}
    return parameters["out"] or default_folder(
        parameters["dataset"], parameters["arch"], recipe, **numbers, name=parameters["name"]
    )


def commands_of(block: str) -> list[str]:
    """Return the lines of a block, joined where a backslash continues them, without those of make and pip."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not re.match(r"(make|pip|git|cd|python) ", line)]


def run_line(line: str, exports: Mapping[str, str]) -> None:
    """Run a whole command: within this process, which is fast, where a shell would add nothing, else in a shell."""
    if line.startswith("cxrshort ") and not re.search(r"[|<>;&$`~*?#]", line):
        succeed(*shlex.split(line)[1:])
        return
    setting = {**environment(), **exports}
    result = subprocess.run(["bash", "-c", line], env=setting, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{line}\n{result.stderr}"


def test_commands_of_the_readme_run_one_after_the_other(
    working_folder: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = [smaller(line) for block in blocks() for line in commands_of(block)]
    if not script:
        pytest.skip("README.md shows no command yet")
    assert sum(line.startswith("cxrshort ") for line in script) >= 3
    program = working_folder / "bin" / "cxrshort"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    (working_folder / "downloads").symlink_to(test_data)  # where the README has the downloads
    exports = {"HOME": str(working_folder), "PATH": f"{program.parent}:{environment()['PATH']}"}
    for line in script:
        if setting := re.fullmatch(r"export (\w+)=(\S+)", line):
            exports[setting[1]] = setting[2].replace("~", str(working_folder), 1)
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        run_line(line, exports)
