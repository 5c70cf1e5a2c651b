"""Where training runs are written when nobody says where."""

import re
from pathlib import Path

import pytest

from cxrshort.errors import UsageError
from cxrshort.training import recipes
from cxrshort.training.folders import default_folder, replicate_folders, run_folders


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "runs/tiny/small-cnn/erm/replicate-0"),
        ({"epochs": 3}, "runs/tiny/small-cnn/erm+epochs-3/replicate-0"),
        (
            {"labels": "A,B", "weights": "a/b.pt"},
            "runs/tiny/small-cnn/erm+weights-a-b.pt-5032be+labels-A_B/replicate-0",
        ),
    ],
)
def test_default_folder_names_what_is_off_its_default(settings: dict[str, object], expected: str) -> None:
    recipe = recipes.load_recipe("standard", overrides=settings)
    assert default_folder("tiny", "small-cnn", recipe, replicate=0, seed=0) == Path(expected)


def test_default_folder_names_recipe_seed_and_replicate() -> None:
    recipe = recipes.load_recipe("degrave2021")
    got = default_folder("I", "densenet121", recipe, replicate=2, seed=7)
    assert got == Path("runs/I/densenet121/erm+degrave2021/replicate-2-seed-7")
    named = default_folder("I", "densenet121", recipe, replicate=2, seed=7, name="x")
    assert named == Path("runs/I/densenet121/erm/x")


def test_default_folder_names_a_grid_as_the_options_are_written() -> None:
    recipe = recipes.load_recipe("standard")
    got = default_folder("I", "resnet18", recipe, replicate=0, seed=0, grid=["batch_size=8,16", "lr=0.1"])
    assert got == Path("runs/I/resnet18/erm+grid-batch-size-8_16_lr-0.1/replicate-0")


def test_folder_of_many_settings_has_a_name_that_file_systems_take_and_tells_them_apart() -> None:
    many = {"labels": ",".join(f"Finding {number}" for number in range(40))}
    folders = [
        default_folder(
            "I", "resnet18", recipes.load_recipe("standard", overrides={**many, **more}), replicate=0, seed=0
        )
        for more in ({}, {"epochs": 3}, {"select_label": "Finding 1"})
    ]
    assert all(len(folder.name) < 200 for folder in folders)
    assert len(set(folders)) == 3


def test_replicates_lie_within_the_parent_or_at_their_defaults() -> None:
    def default(replicate: int) -> Path:
        return Path(f"runs/{replicate}")

    assert replicate_folders(default, [0, 2], parent=None) == {0: Path("runs/0"), 2: Path("runs/2")}
    assert replicate_folders(default, [2], parent=Path("all")) == {2: Path("all/replicate-2")}


def test_default_folder_is_left_alone_by_makefiles_and_tells_trainings_apart() -> None:
    groups = ['sex == "M"', 'sex != "M"', "sex", "sex,view", "sex_view", "a:b", "a#b", "a$b", "a%b", "ä b"]
    folders = [
        default_folder("I", "resnet18", recipes.load_recipe("standard", overrides={"method": "irm", "group": group}),
                       replicate=0, seed=1, grid=["learning_rate", "batch_size"])
        for group in groups
    ]  # fmt: skip
    assert len(set(folders)) == len(groups)
    assert all(re.fullmatch(r"[\w./+-]+", str(folder)) for folder in folders)
    assert folders[2] == Path("runs/I/resnet18/irm+group-sex+grid-learning-rate_batch-size/replicate-0-seed-1")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/tmp", "x/"])
def test_name_that_leaves_the_folder_of_the_method_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        default_folder("I", "resnet18", recipes.load_recipe("standard"), replicate=0, seed=0, name=name)
    assert (caught.value.message, caught.value.hint) == (
        f"--name '{name}' is not the name of a folder",
        "--out takes a path",
    )


def test_folders_of_a_run_and_of_a_series() -> None:
    def default(*, replicate: int) -> Path:
        return Path("runs") / f"replicate-{replicate}"

    single = {"replicate": 3, "replicates": None, "name": None}
    assert run_folders(default, out=None, **single) == {3: Path("runs/replicate-3")}
    assert run_folders(default, out=Path("mine"), **single) == {3: Path("mine")}
    series = {"replicate": 0, "replicates": 2}
    assert run_folders(default, out=None, name=None, **series) == {
        number: default(replicate=number) for number in (0, 1)
    }
    named = run_folders(lambda *, replicate: Path("runs/mine"), out=None, name="mine", **series)
    assert named == {0: Path("runs/mine/replicate-0"), 1: Path("runs/mine/replicate-1")}
