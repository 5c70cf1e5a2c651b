"""``train`` from the options to what the run records."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cxrshort.models import checkpoint
from cxrshort.training import recipes

from ..training.tiny import tiny_dataset
from .console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1, "--quiet")
OPTIONS = {
    "--epochs": ("epochs", 1),
    "--batch-size": ("batch_size", 12),
    "--lr": ("learning_rate", 0.02),
    "--weight-decay": ("weight_decay", 0.0),
    "--optimizer": ("optimizer", "sgd"),
    "--schedule": ("schedule", "constant"),
    "--augment": ("augment", "degrave"),
    "--patience": ("patience", 4),
    "--accumulate": ("accumulate", 2),
    "--labels": ("labels", "Edema,COVID-19"),
    "--select-label": ("select_label", "Edema"),
    "--empty-labels": ("empty_labels", "zero"),
    "--set": ("momentum", "momentum=0.5"),
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tiny_dataset(tmp_path / "tiny", size=16))


def test_options_and_settings_stand_in_the_model_file(tiny: str, tmp_path: Path) -> None:
    words = [word for option, (_, value) in OPTIONS.items() for word in (option, value)]
    numbers = ("--seed", 5, "--replicate", 1)
    result = cxrshort_here("train", "--dataset", tiny, "--arch", "small-cnn", *words, *numbers, "--out", "run", *CPU)
    assert result.exit_code == 0, result.stderr
    description = checkpoint.read_description(tmp_path / "run" / "model.safetensors")
    expected = {name: value for name, value in OPTIONS.values()} | {"momentum": 0.5}
    assert {name: description.recipe[name] for name in expected} == expected
    assert not [name for name, value in expected.items() if value == getattr(recipes.load_recipe("standard"), name)]
    assert (description.seed, description.replicate, description.labels) == (5, 1, ("Edema", "COVID-19"))


def test_each_option_reaches_the_model_and_is_recorded(tiny: str, tmp_path: Path) -> None:
    options = {
        "plain": [],
        "accumulate": ["--accumulate", "2"],
        "clip_norm": ["--set", "clip_norm=0.01"],
        "ema": ["--set", "ema=0.9"],
        "balance": ["--balance", "label"],
        "class_weights": ["--class-weights"],
    }
    common = ["train", "--dataset", tiny, "--arch", "small-cnn", "--epochs", "1", "--threads", "1", "--device", "cpu"]
    models = {}
    for name, words in options.items():
        # Labels of unequal number, so that their weights are not 1.
        completed = cxrshort_here(*common, "--labels", "Edema", "--batch-size", "12", *words, "--select-label", "Edema",
                             "--out", tmp_path / name, "--quiet")  # fmt: skip
        assert completed.exit_code == 0, completed.stderr
        models[name] = (tmp_path / name / "model.safetensors").read_bytes()
        if name != "plain":
            arguments = json.loads((tmp_path / name / "run.json").read_text())["arguments"]
            assert arguments[name] != getattr(recipes.load_recipe("standard"), name)
    assert len(set(models.values())) == len(options)
    names = {tuple(load_file(tmp_path / name / "model.safetensors")) for name in options}
    assert len(names) == 1


@pytest.mark.parametrize(("words", "missing"), [(("--arch", "small-cnn"), "--dataset"), (("--dataset", "I"), "--arch")])
def test_dataset_and_architecture_are_asked_for(words: tuple[str, ...], missing: str) -> None:
    assert failure(cxrshort_here("train", *words)) == (
        2,
        f"{missing} is missing",
        "cxrshort train --dataset phantom-I --arch densenet121",
    )


def test_real_and_synthetic_images_are_mixed_by_a_share(tiny: str, tmp_path: Path) -> None:
    made = tiny_dataset(tmp_path / "made", name="made", size=16, seed=1)
    words = ("train", "--dataset", f"{tiny}+{made}", "--arch", "small-cnn", "--epochs", 1)
    assert failure(cxrshort_here(*words, *CPU)) == (
        2,
        "'tiny+made' is a real and a synthetic dataset, and --mix is missing",
        "--mix 0.3 draws 3 synthetic images of 10; 0.43 is their share of all images",
    )
    assert failure(cxrshort_here(*words, *CPU, "--mix", "0.3", "--balance", "label")) == (
        2,
        "--balance and --mix both say what an epoch draws",
        "give one of them",
    )
    result = cxrshort_here(*words, "--mix", "0.2", "--device", "cpu", "--precision", "fp32", "--threads", 1)
    assert result.exit_code == 0, result.stderr
    assert "an epoch shows 24 real images and 6 synthetic ones, drawn from the 24 of made; real" in " ".join(
        result.stderr.split()
    )
    folder = tmp_path / "runs" / "tiny+made" / "small-cnn" / "erm+epochs-1+mix-0.2" / "replicate-0"
    assert checkpoint.read_description(folder / "model.safetensors").recipe["mix"] == 0.2
    assert set(json.loads((folder / "run.json").read_text())["inputs"]) >= {"manifest", "synthetic manifest"}


def test_share_is_searched_and_0_is_the_real_images_alone(tiny: str, tmp_path: Path) -> None:
    made = tiny_dataset(tmp_path / "made", name="made", size=16, seed=1)
    result = cxrshort_here("train", "--dataset", f"{tiny}+{made}", "--arch", "small-cnn", "--epochs", 1,
                           "--grid", "mix=0,0.5,1", "--out", "run", *CPU)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    shares = [line.split(",")[1] for line in (tmp_path / "run" / "trials.csv").read_text().splitlines()]
    assert shares == ["mix", "0.0", "0.5", "1.0"]


def test_part_that_is_not_there_is_named(tiny: str) -> None:
    completed = cxrshort_here("train", "--dataset", f"{tiny}+absent", "--mix", "0.3", "--arch", "small-cnn", *CPU)
    assert failure(completed)[:2] == (66, "'absent' is not built yet")
