"""From the options of ``train`` to what goes over a recipe's values."""

from pathlib import Path
from typing import Any

import pytest

from cxrshort.cli.training_settings import checked, task
from cxrshort.errors import MissingInputError, UsageError


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder in which the dataset ``hospital`` seems to be built."""
    (tmp_path / "datasets" / "hospital").mkdir(parents=True)
    (tmp_path / "datasets" / "hospital" / "manifest.csv").touch()
    monkeypatch.delenv("CXRSHORT_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)


def settle(*settings: str, arch: str = "small-cnn", dataset: str = "hospital", **options: Any) -> dict[str, Any]:
    values = {"method": None, "epochs": None, **options}
    return checked(values, settings, dataset=dataset, arch=arch, recipe="standard")


@pytest.mark.usefixtures("working_folder")
def test_settings_of_the_recipe_and_of_the_method_find_their_places() -> None:
    overrides = settle("momentum=0.5", "weight=10", method="rrr", epochs=4)
    given = {name: value for name, value in overrides.items() if value is not None}
    assert given == {"method": "rrr", "epochs": 4, "momentum": 0.5, "settings": "weight=10"}


@pytest.mark.usefixtures("working_folder")
@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ((), {"arch": "resnet81"}, "'resnet81' is not a known architecture"),
        ((), {"method": "rr"}, "'rr' is not a known method"),
        ((), {"epochs": 0}, "--epochs is '0'"),
        (("beta2=2",), {}, "--set beta2 is '2.0'"),
    ],
)
def test_values_that_cannot_be_are_refused(settings, options, message) -> None:
    with pytest.raises(UsageError) as caught:
        settle(*settings, **options)
    assert caught.value.message.startswith(message)


@pytest.mark.usefixtures("working_folder")
def test_dataset_that_is_not_built_is_refused_after_the_words() -> None:
    with pytest.raises(MissingInputError, match="'nope' is not built yet"):
        settle(dataset="nope")
    with pytest.raises(UsageError):
        settle(dataset="nope", method="rr")


@pytest.mark.parametrize(
    ("target", "multiclass", "regression", "expected"),
    [
        ("labels", None, False, None),
        ("labels", True, False, "multiclass"),
        ("labels", False, False, "multilabel"),
        ("labels", None, True, "regression"),
        ("masks", None, False, "masks"),
    ],
)
def test_task_is_what_the_options_say_or_left_to_the_recipe(target, multiclass, regression, expected) -> None:
    assert task(target, multiclass=multiclass, regression=regression) == expected


@pytest.mark.parametrize(
    ("target", "multiclass", "regression"),
    [("masks", True, False), ("masks", False, False), ("labels", True, True), ("labels", False, True)],
)
def test_two_tasks_exclude_each_other(target, multiclass, regression) -> None:
    with pytest.raises(UsageError, match="--target masks, --multiclass, --multilabel and --regression exclude each"):
        task(target, multiclass=multiclass, regression=regression)


def test_unknown_target_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        task("mask", multiclass=None, regression=False)
    assert (caught.value.message, caught.value.hint) == ("'mask' is not a known target", "did you mean 'masks'?")
