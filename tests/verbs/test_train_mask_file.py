"""Masks from a file, which belong to the rows of a dataset's images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.errors import CxrshortError, ResumableError
from cxrshort.models import checkpoint
from cxrshort.verbs.train import train

from ..training.tiny import tiny_dataset

CPU: dict[str, Any] = {"threads": 1, "device": "cpu"}
QUICK: dict[str, Any] = {"arch": "small-cnn", **CPU}
RRR = {"epochs": 1, "method": "rrr"}
HINT = "--mask-file takes an .npy of bool or uint8 with a mask for every row of images.npy"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_dataset(tmp_path / "tiny")


def corner(folder: Path, *, name: str = "masks.npy", dtype: Any = np.uint8, side: int = 16) -> str:
    """Write masks of the corner in which COVID-19 shows."""
    masks = np.zeros((48, 32, 32), dtype)
    masks[:, :side, :side] = 1
    np.save(folder / name, masks)
    return str(folder / name)


def fails(*arguments: Any, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(*arguments, **options)
    return caught.value


def model(run: Path) -> bytes:
    return (run / checkpoint.FILE).read_bytes()


@pytest.mark.parametrize("method", ["rrr", "gain", "isnet"])
def test_mask_file_trains_where_a_dataset_has_no_masks(tiny: Path, tmp_path: Path, method: str) -> None:
    file = corner(tmp_path)
    settings = "plain_epochs=1" if method == "isnet" else ""
    overrides = {"epochs": 2, "method": method, "mask_file": file, "settings": settings}
    summary = train(str(tiny), overrides=overrides, out=tmp_path / "run", **QUICK)
    assert np.isfinite(summary["history"][-1]["loss"])
    assert checkpoint.describe(tmp_path / "run" / checkpoint.FILE).recipe["mask_file"] == (
        f"sha256:{runs.sha256(Path(file))}"
    )
    assert json.loads((tmp_path / "run" / "run.json").read_text())["inputs"]["masks"] == runs.sha256(Path(file))


def test_bool_and_uint8_mean_the_same_and_other_masks_another_model(tiny: Path, tmp_path: Path) -> None:
    losses = {}
    for name, options in {"bytes": {}, "bits": {"dtype": bool}, "less": {"side": 4}}.items():
        overrides = {**RRR, "mask_file": corner(tmp_path, name=f"{name}.npy", **options), "settings": "weight=1"}
        losses[name] = train(str(tiny), overrides=overrides, out=tmp_path / name, **QUICK)["history"][0]["loss"]
    assert losses["bytes"] == losses["bits"] != losses["less"]


def test_subset_of_rows_takes_their_own_masks(tiny: Path, tmp_path: Path) -> None:
    masks = np.load(corner(tmp_path))
    manifest = pd.read_csv(tiny / "manifest.csv", dtype=str, keep_default_na=False).iloc[16:]
    manifest.to_csv(tmp_path / "subset.csv", index=False)
    # What the rows that are left out have must not matter.
    for name, rest in (("zeros", 0), ("ones", 1)):
        masks[:16] = rest
        np.save(tmp_path / f"{name}.npy", masks)
        overrides = {**RRR, "mask_file": str(tmp_path / f"{name}.npy")}
        train(str(tmp_path / "subset.csv"), overrides=overrides, out=tmp_path / name, **QUICK)
    losses = [
        json.loads((tmp_path / name / "run.json").read_text())["summary"]["history"] for name in ("zeros", "ones")
    ]
    assert losses[0] == losses[1]


def test_segmenter_learns_from_a_mask_file(tiny: Path, tmp_path: Path) -> None:
    overrides = {"task": "masks", "epochs": 1, "mask_file": corner(tmp_path)}
    summary = train(str(tiny), arch="unet-small", overrides=overrides, out=tmp_path / "run", **CPU)
    assert summary["images_without_masks"] == {"train": 0, "val": 0}
    assert {"dice", "iou"} <= set(summary["history"][0])


@pytest.mark.parametrize(
    ("masks", "message", "hint"),
    [
        (np.ones((47, 32, 32), np.uint8), "has the shape 47x32x32, the images of tiny need 48x32x32", HINT),
        (np.ones((48, 16, 16), bool), "has the shape 48x16x16, the images of tiny need 48x32x32", HINT),
        (np.ones((48, 32, 32), np.float32), "holds float32, masks are bool or uint8", HINT),
        (np.array([{}]), "is not an .npy file of masks", HINT),
    ],
)
def test_mask_file_that_does_not_fit_is_refused(
    tiny: Path, tmp_path: Path, masks: Any, message: str, hint: str
) -> None:
    np.save(tmp_path / "other.npy", masks)
    error = fails(str(tiny), overrides={**RRR, "mask_file": str(tmp_path / "other.npy")}, out=tmp_path / "run", **QUICK)
    assert (error.message, error.hint) == (f"'{tmp_path / 'other.npy'}' {message}", hint)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("side", "how"), [(0, "no"), (32, "every")])
def test_mask_file_that_says_nothing_is_refused(tiny: Path, tmp_path: Path, side: int, how: str) -> None:
    file = corner(tmp_path, side=side)
    error = fails(str(tiny), overrides={**RRR, "mask_file": file}, out=tmp_path / "run", **QUICK)
    assert error.message == f"'{file}': {how} pixel of these images is marked"
    assert error.hint == "foreground is not 0, background is"


def test_missing_or_useless_mask_file_is_refused(tiny: Path, tmp_path: Path) -> None:
    file = corner(tmp_path)
    error = fails(str(tiny), overrides={**RRR, "mask_file": "none.npy"}, out=tmp_path / "run", **QUICK)
    assert (error.message, error.hint, error.exit_code) == ("'none.npy' does not exist", HINT, 66)
    for overrides, message in (
        ({"mask_file": file}, "--mask-file has no use with --method erm"),
        ({**RRR, "mask_file": file, "segmenter": "m"}, "--mask-file and --segmenter both say what the masks are"),
        (
            {"mask_file": file, "background": "noise", "masks": True},
            "--background noise takes no --mask-file, since evaluate needs the masks too",
        ),
    ):
        assert fails(str(tiny), overrides=overrides, out=tmp_path / "run", **QUICK).message == message


def test_images_of_two_datasets_take_no_mask_file(tiny: Path, tmp_path: Path) -> None:
    other = tiny_dataset(tmp_path / "other", name="other")
    both = pd.concat([pd.read_csv(each / "manifest.csv", dtype=str, keep_default_na=False) for each in (tiny, other)])
    both.to_csv(tmp_path / "both.csv", index=False)
    overrides = {**RRR, "mask_file": corner(tmp_path)}
    error = fails(str(tmp_path / "both.csv"), overrides=overrides, out=tmp_path / "run", **QUICK)
    assert error.message == "both: --mask-file belongs to the images of one dataset, these are of 2"


def test_resume_refuses_another_mask_file_by_name(tiny: Path, tmp_path: Path) -> None:
    import os
    import signal

    def interrupt(event: Any) -> None:
        if event["event"] == "epoch":
            os.kill(os.getpid(), signal.SIGTERM)

    overrides = {**RRR, "epochs": 3, "mask_file": corner(tmp_path)}
    with pytest.raises(ResumableError):
        train(str(tiny), overrides=overrides, out=tmp_path / "run", report=interrupt, **QUICK)
    overrides["mask_file"] = corner(tmp_path, name="less.npy", side=4)
    error = fails(str(tiny), overrides=overrides, out=tmp_path / "run", resume=True, **QUICK)
    first, second = (runs.sha256(tmp_path / name) for name in ("masks.npy", "less.npy"))
    assert error.message == (
        f"--resume with other settings would change the model: mask_file was 'sha256:{first}' and is 'sha256:{second}'"
    )
