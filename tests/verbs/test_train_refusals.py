"""What training refuses before it begins or goes on: other settings, groups and masks that are not there."""

import hashlib
import io
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.errors import CxrshortError, DataError, ResumableError, UsageError
from cxrshort.files import sha256
from cxrshort.verbs.train import train

from ..training.tiny import tiny_dataset

QUICK: dict[str, Any] = {"arch": "small-cnn", "device": "cpu", "precision": "fp32", "threads": 1}
BEGUN: dict[str, Any] = {"epochs": 2, "method": "group-dro", "group": "view", "settings": "step=0.1"}
CHANGES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"settings": "step=0.2"}, {}, "settings was 'step=0.1' and is 'step=0.2'"),
    ({"settings": ""}, {}, "settings was 'step=0.1' and is ''"),
    ({"learning_rate": 0.01}, {}, "learning_rate was '0.001' and is '0.01'"),
    ({"epochs": 3}, {}, "epochs was '2' and is '3'"),
    ({"batch_size": 8}, {}, "batch_size was '32' and is '8'"),
    ({"augment": "degrave"}, {}, "augment was 'none' and is 'degrave'"),
    ({"group": "sex"}, {}, "group was 'view' and is 'sex'"),
    ({"labels": "Edema"}, {}, "labels was 'all' and is 'Edema'"),
    ({}, {"precision": "bf16"}, "precision was 'fp32' and is 'bf16'"),
    ({}, {"threads": 2}, "threads was '1' and is '2'"),
    ({}, {"replicate": 1}, "replicate was '0' and is '1'"),
    (
        {"learning_rate": 0.01},
        {"seed": 4, "threads": 2},
        "learning_rate was '0.001' and is '0.01', seed was '0' and is '4', threads was '1' and is '2'",
    ),
]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_dataset(tmp_path / "tiny")


def stop_at_once(event: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def begin(dataset: object, out: Path, **options: Any) -> None:
    """Leave an unfinished run, whose settings are ``BEGUN``."""
    with pytest.raises(ResumableError):
        train(str(dataset), overrides=BEGUN, out=out, report=stop_at_once, **{**QUICK, **options})


def fails(dataset: object, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(str(dataset), **{**QUICK, **options})
    return caught.value


@pytest.mark.parametrize("complete", [False, True], ids=["unfinished", "complete"])
def test_resume_names_every_setting_that_changed_and_leaves_the_run_alone(
    tiny: Path, tmp_path: Path, complete: bool
) -> None:
    out, message = tmp_path / "run", "--resume with other settings would change the model: "
    if complete:
        train(str(tiny), overrides=BEGUN, out=out, **QUICK)
        message = f"'{out}' is complete and was made with other arguments: "
    else:
        begin(tiny, out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != runs.UNFINISHED}
    for overrides, options, changed in CHANGES:
        error = fails(tiny, overrides={**BEGUN, **overrides}, out=out, resume=True, **options)
        assert isinstance(error, UsageError)
        # Labels also stand in the model's description, as the outputs that they come to.
        assert changed in error.message and error.message.startswith(message)
        if "labels" not in overrides:
            assert error.message == message + changed
        assert error.hint == "--force starts over"
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != runs.UNFINISHED} == before
    assert train(str(tiny), overrides=BEGUN, out=out, resume=True, **QUICK).summary["history"][-1]["epoch"] == 2


def edit(manifest: Path) -> None:
    """Make one patient of the training fold a year older, which changes nothing that a network sees."""
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table.loc[0, "age_years"] = "99"
    table.to_csv(manifest, index=False)


@pytest.mark.parametrize("grid", [[], ["lr=0.001,0.01"]], ids=["run", "series"])
def test_resume_refuses_another_manifest(tiny: Path, tmp_path: Path, grid: list[str]) -> None:
    before = sha256(tiny / "manifest.csv")
    options: dict[str, Any] = {"overrides": BEGUN, "out": tmp_path / "run", "grid": grid}
    train(str(tiny), **options, **QUICK)
    edit(tiny / "manifest.csv")
    error = fails(tiny, resume=True, **options)
    assert error.message == (
        f"'{tmp_path / 'run'}' is complete and was made with other arguments: "
        f"manifest_sha256 was '{before}' and is '{sha256(tiny / 'manifest.csv')}'"
    )


def test_resume_refuses_another_manifest_of_an_unfinished_run(tiny: Path, tmp_path: Path) -> None:
    begin(tiny, tmp_path / "run")
    before = sha256(tiny / "manifest.csv")
    edit(tiny / "manifest.csv")
    error = fails(tiny, overrides=BEGUN, out=tmp_path / "run", resume=True)
    assert error.message == (
        "--resume with other settings would change the model: "
        f"manifest_sha256 was '{before}' and is '{sha256(tiny / 'manifest.csv')}'"
    )


def test_resume_refuses_other_rows_through_standard_input(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe() -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO((tiny / "manifest.csv").read_text()))

    pipe()
    begin("-", tmp_path / "run")
    edit(tiny / "manifest.csv")
    pipe()
    error = fails("-", overrides=BEGUN, out=tmp_path / "run", resume=True)
    assert "--resume with other settings would change the model: manifest_sha256 was '" in error.message
    assert hashlib.sha256(b"").hexdigest() not in error.message and "''" not in error.message


def test_resume_refuses_other_weights_in_the_same_file(tiny: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        train(str(tiny), overrides={"epochs": 1}, out=tmp_path / f"first-{seed}", seed=seed, **QUICK)
    files = [tmp_path / f"first-{seed}" / "model.safetensors" for seed in (0, 1)]
    hashes = [sha256(file) for file in files]
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(files[0].read_bytes())
    options: dict[str, Any] = {
        "overrides": {"epochs": 1, "weights": str(weights)},
        "out": tmp_path / "run",
        "grid": ["lr=0.001,0.01"],
    }
    train(str(tiny), **options, **QUICK)
    weights.write_bytes(files[1].read_bytes())
    error = fails(tiny, resume=True, **options)
    assert error.message.endswith(
        f"made with other arguments: weights was 'sha256:{hashes[0]}' and is 'sha256:{hashes[1]}'"
    )


@pytest.mark.parametrize("method", ["irm", "group-dro", "pgi"])
@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("repository", "'{}' needs two groups or more, all training images are in one"),
        ("age_years >= 0", "'{}' needs two groups or more, all training images are in one"),
        ("", "'{}' needs groups"),
    ],
)
def test_groups_of_one_value_leave_no_run(tiny: Path, tmp_path: Path, method: str, group: str, message: str) -> None:
    for dry_run in (False, True):
        overrides = {"method": method, "group": group}
        error = fails(tiny, overrides=overrides, out=tmp_path / "run", dry_run=dry_run)
        assert isinstance(error, UsageError)
        assert error.message == message.format(method)
        assert error.hint == "--group takes a column such as repository or view, or an expression"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["irm", "group-dro", "pgi"])
def test_images_of_no_group_are_counted(tiny: Path, tmp_path: Path, method: str) -> None:
    table = pd.read_csv(tiny / "manifest.csv", dtype=str, keep_default_na=False)
    table.loc[table.index[table["split_0"] == "train"][:3], "sex"] = ""
    table.to_csv(tiny / "manifest.csv", index=False)
    error = fails(tiny, overrides={"method": method, "group": "sex"}, out=tmp_path / "run")
    assert error.message == f"'{method}' needs a group for every training image, 3 have none"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("method", "warm_up"), [("irm", 1), ("pgi", 1), ("isnet", 5)])
def test_epochs_of_plain_training_alone_leave_no_run(tiny: Path, tmp_path: Path, method: str, warm_up: int) -> None:
    give_masks(tiny, without={})
    overrides = {"method": method, "epochs": warm_up, "group": None if method == "isnet" else "view"}
    error = fails(tiny, overrides=overrides, out=tmp_path / "run")
    assert error.message == f"--epochs is '{warm_up}', and the first {warm_up} of '{method}' are warm-up epochs"
    assert error.hint == f"--epochs {warm_up + 1} or more, or --set warm_up_epochs=N"
    assert not (tmp_path / "run").exists()


def give_masks(folder: Path, *, without: dict[str, int]) -> None:
    """Write masks for all images, and leave the first so many rows of a fold without."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    masks = np.zeros((len(table), 32, 32), np.uint8)
    masks[:, :16, :16] = 1
    np.save(folder / "masks.npy", masks)
    table["mask_row"] = table["cache_row"]
    for fold, count in without.items():
        table.loc[table.index[table["split_0"] == fold][:count], "mask_row"] = ""
    table.to_csv(folder / "manifest.csv", index=False)


NEEDING_MASKS: list[dict[str, Any]] = [
    {"method": "rrr"},
    {"method": "gain"},
    {"method": "isnet", "epochs": 6},
    {"background": "noise", "masks": True},
    {"background": "black", "masks": True},
    {"background": "black", "masks": True, "method": "rrr"},
]


def named(overrides: dict[str, Any]) -> str:
    return "-".join(str(value) for name, value in overrides.items() if name in ("method", "background"))


@pytest.mark.parametrize("overrides", NEEDING_MASKS, ids=named)
def test_masks_that_are_missing_everywhere_are_asked_for(tiny: Path, tmp_path: Path, overrides: dict[str, Any]) -> None:
    error = fails(tiny, overrides=overrides, out=tmp_path / "run")
    if "background" in overrides:
        assert error.message == "tiny: 24 of the 24 images in 'train' have no mask, first 'tiny/000'"
    else:
        assert error.message == f"'{overrides['method']}' needs masks of where evidence may lie"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("overrides", NEEDING_MASKS, ids=named)
def test_masks_that_some_training_images_lack_are_counted(
    tiny: Path, tmp_path: Path, overrides: dict[str, Any]
) -> None:
    give_masks(tiny, without={"train": 2})
    error = fails(tiny, overrides=overrides, out=tmp_path / "run")
    assert isinstance(error, DataError)
    assert error.message == "tiny: 2 of the 24 images in 'train' have no mask, first 'tiny/000'"
    assert error.hint == "leave those rows out of the manifest, or give --segmenter MODEL"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("background", ["noise", "black"])
def test_background_is_also_judged_by_masks(tiny: Path, tmp_path: Path, background: str) -> None:
    give_masks(tiny, without={"val": 1, "test": 3})
    error = fails(tiny, overrides={"background": background, "masks": True}, out=tmp_path / "run")
    assert error.message == "tiny: 1 of the 12 images in 'val' have no mask, first 'tiny/004'"
    assert not (tmp_path / "run").exists()


def test_methods_need_masks_of_the_training_fold_alone(tiny: Path, tmp_path: Path) -> None:
    give_masks(tiny, without={"val": 12, "test": 12})
    summary = train(str(tiny), overrides={"epochs": 1, "method": "rrr"}, out=tmp_path / "run", **QUICK).summary
    assert np.isfinite(summary["history"][0]["loss"])
