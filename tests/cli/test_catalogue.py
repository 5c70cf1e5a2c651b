"""The names that build-dataset knows, printed without loading anything heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cxrshort.datasets.building.pixel_recipes import RECIPES
from cxrshort.training import METHODS, recipes

from ..test_imports import HEAVY
from .console import cxrshort_here, failure

SHOWN = """\
benchmarks
  coloured-mnist     digits whose colour gives the class away
  waterbirds         birds pasted over land and water
  coco-on-places     nine kinds of objects pasted over scenes
  dogs-with-ties     two breeds of dogs, each with its own tie

phantoms
  phantom-I          worst case: each class from its own hospital
  phantom-II         two hospitals of one regional system, half confounded
  phantom-III        both classes from the same two hospitals
  phantom-external   an unseen hospital, style unrelated to COVID-19
  phantom-deceiving  phantom-I with the styles of the classes exchanged
"""


def test_catalogue_lists_every_name_with_its_summary() -> None:
    result = cxrshort_here("build-dataset", "--dataset", "help")
    assert result.exit_code == 0
    cohorts, repositories, *_ = result.stdout.split("\n\n")
    assert result.stdout.endswith("\n\n" + SHOWN)
    assert cohorts.splitlines()[:2] == [
        "cohorts",
        "  I                  dataset I of DeGrave et al. 2021: ChestX-ray14 + GitHub-COVID",
    ]
    assert repositories.splitlines()[0] == "repositories"
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_catalogue_is_one_json_document() -> None:
    listed = json.loads(cxrshort_here("build-dataset", "--dataset", "help", "--json").stdout)
    assert list(listed) == ["schema", "cohorts", "repositories", "benchmarks", "phantoms"]
    assert listed["repositories"]["bimcv-"] == "BIMCV-COVID-19-: people with negative tests only"


def test_catalogue_loads_nothing_heavy() -> None:
    code = """
import sys
sys.argv = ["cxrshort", "build-dataset", "--dataset", "help"]
from cxrshort.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("modules:", *sys.modules)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = shown.rpartition("modules:")[2].split()
    assert "cxrshort.datasets.catalogue" in modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


def test_unknown_name_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    for typed, meant in (("watrbirds", "waterbirds"), ("padchst", "padchest"), ("phantom-i", "phantom-I")):
        code, message, hint = failure(cxrshort_here("build-dataset", "--dataset", typed, "--root", tmp_path))
        assert (code, message, hint) == (2, f"'{typed}' is not a known dataset", f"did you mean '{meant}'?")


@pytest.mark.parametrize(
    ("command", "section", "names"),
    [
        (("train", "--method", "help"), "methods", list(METHODS)),
        (("build-dataset", "--recipe", "help"), "pixel recipes", list(RECIPES)),
    ],
)
def test_help_in_place_of_a_name_lists_the_names(command: tuple[str, ...], section: str, names: list[str]) -> None:
    result = cxrshort_here(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == section
    assert [line.split()[0] for line in lines[1:] if line[2] != " "] == names
    assert max(map(len, lines)) <= 100
    listed = json.loads(cxrshort_here(*command, "--json").stdout)
    assert list(listed[section]) == names and all(listed[section].values())


def test_recipe_help_shows_the_values_of_every_recipe() -> None:
    text = cxrshort_here("train", "--recipe", "help").stdout
    standard, *others = text.split("\n\n")
    assert standard.splitlines()[:2] == ["standard", "  cxrshort's own: a start that works without pretrained weights"]
    assert "epochs 10, batch_size 32, optimizer adamw, learning_rate 0.001, momentum 0.9" in " ".join(standard.split())
    roentmod = next(other for other in others if other.startswith("roentmod\n"))
    assert roentmod.splitlines()[2:] == [
        "  values: weights imagenet, epochs 100, optimizer adam, learning_rate 0.0001, weight_decay 0,",
        "    schedule constant, patience 50",
    ]
    shown = sorted(name.split("\n")[0] for name in [standard, *others[:-1]])
    assert shown == [name for name in recipes.names() if recipes.load_recipe(name).method in METHODS]
    listed = json.loads(cxrshort_here("train", "--recipe", "help", "--json").stdout)
    assert listed["schema"] == "cxrshort.recipes/1"
    assert listed["recipes"]["tea2025"]["values"]["milestones"] == "10,40,160"


def test_missing_dataset_is_said_with_the_way_to_the_names() -> None:
    hint = "cxrshort build-dataset --dataset help lists the names"
    assert failure(cxrshort_here("build-dataset")) == (2, "--dataset is missing", hint)
