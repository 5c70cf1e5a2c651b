"""How training takes its steps: passes, averages, balance, weights, compilation, curves."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.training import recipes
from cxrshort.verbs.train import train

from ..training.tiny import tiny_dataset

QUICK = {"arch": "small-cnn", "device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tiny_dataset(tmp_path / "tiny"))


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (
            {"accumulate": 64, "batch_size": 32},
            "--accumulate is '64', it must be from 1 to the batch size 32",
            "--batch-size counts the images of all passes together",
        ),
        (
            {"accumulate": 0},
            "--accumulate is '0', it must be from 1 to the batch size 32",
            "--batch-size counts the images of all passes together",
        ),
        ({"ema": 1.0}, "--set ema is '1.0', it must be at least 0 and below 1", "try 0.999"),
        (
            {"compile": True, "method": "rrr"},
            "'rrr' cannot be compiled",
            "--set compile=true takes: erm, group-dro, irm",
        ),
        (
            {"balance": "group"},
            "--balance group needs groups",
            "--group takes a column such as view, or an expression",
        ),
        (
            {"group": "view"},
            "--group has no use with --method erm",
            "--method group-dro, irm, pgi, dfr, p-clarc, or --balance group",
        ),
        (
            {"group": "view", "method": "rrr", "balance": "label"},
            "--group has no use with --method rrr",
            "--method group-dro, irm, pgi, dfr, p-clarc, or --balance group",
        ),
        ({"patience": 0}, "--patience is '0', it must be 1 or more", "leave it out to train to the last epoch"),
        (
            {"patience": -3},
            "--patience is '-3', it must be 1 or more",
            "leave it out to train to the last epoch",
        ),
        ({"class_weights": True, "task": "regression"}, "--class-weights fits labels, not regression", "leave it out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(overrides: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipes.load_recipe("standard", overrides={"batch_size": 32, **overrides})
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_settings_that_a_method_does_not_have_are_refused(tiny: str, tmp_path: Path) -> None:
    for settings, hint in (("x=1", "--set help lists them"), ("momentm=0.9", "did you mean 'momentum'?")):
        with pytest.raises(UsageError) as caught:
            train(tiny, overrides={"settings": settings}, out=tmp_path / "run", **QUICK)
        name = settings.partition("=")[0]
        assert (caught.value.message, caught.value.hint) == (f"'{name}' is not a known setting of erm", hint)


def test_batch_size_that_the_training_fold_cannot_fill_is_refused(tiny: str, tmp_path: Path) -> None:
    images = len(load_dataset(tiny).fold("train", replicate=0).manifest)
    with pytest.raises(UsageError) as caught:
        train(tiny, overrides={"batch_size": images + 1}, out=tmp_path / "run", **QUICK)
    assert caught.value.message == f"--batch-size is '{images + 1}', and the training fold has {images} images"
    assert caught.value.hint == f"--batch-size {images} takes all of them at once"
    assert not (tmp_path / "run").exists()
    train(tiny, overrides={"batch_size": images, "epochs": 1}, out=tmp_path / "run", **QUICK)


def test_only_label_is_the_one_that_is_balanced_and_that_chooses(tiny: str, tmp_path: Path) -> None:
    models = []
    for name, balance in (("plain", {}), ("balanced", {"balance": "label"})):
        overrides = {"epochs": 1, "labels": "view", **balance}
        summary = train(tiny, overrides=overrides, out=tmp_path / name, **QUICK).summary
        assert summary["selection"]["measure"] == "AUC of view"
        models.append((tmp_path / name / "model.safetensors").read_bytes())
    assert models[0] != models[1]


def test_balance_by_group_changes_what_is_seen(tiny: str, tmp_path: Path) -> None:
    for name, balance in (("plain", {}), ("balanced", {"group": "view", "balance": "group"})):
        overrides = {"epochs": 1, **balance}
        train(tiny, overrides=overrides, out=tmp_path / name, **QUICK)
    plain, balanced = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "balanced"))
    assert plain != balanced


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_compiled_network_keeps_its_names_and_learns_the_same(tiny: str, tmp_path: Path) -> None:
    """Fused kernels round otherwise: after a few steps of SGD the weights differ by little."""
    weights = []
    for name, compiled in (("eager", False), ("compiled", True)):
        overrides = {"epochs": 1, "optimizer": "sgd", "learning_rate": 0.01, "compile": compiled}
        train(tiny, overrides=overrides, out=tmp_path / name, **QUICK)
        weights.append(load_file(tmp_path / name / "model.safetensors"))
    eager, compiled_weights = weights
    assert list(eager) == list(compiled_weights)
    assert max(float((eager[key] - compiled_weights[key]).abs().max()) for key in eager) < 1e-3


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_missing_tensorboard_is_said_before_anything_is_written(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        train(tiny, overrides={"epochs": 1}, out=tmp_path / "run", tensorboard=True, **QUICK)
    assert caught.value.message == "--tensorboard needs tensorboard, which is not installed"
    assert caught.value.hint == "pip install tensorboard"
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_gets_the_events(tiny: str, tmp_path: Path) -> None:
    train(tiny, overrides={"epochs": 1}, out=tmp_path / "run", tensorboard=True, **QUICK)
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))
