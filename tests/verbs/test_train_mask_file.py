"""Training with the masks of a file, from the command's options to what the run records."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, MissingInputError, ResumableError, UsageError
from cxrshort.files import sha256
from cxrshort.models import checkpoint
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

from ..cli.console import run
from ..training.tiny import tiny_dataset

QUICK: dict[str, Any] = {"arch": "small-cnn", "device": "cpu", "precision": "fp32", "threads": 1}
ROWS, SIDE = 48, 32


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tiny_dataset(tmp_path / "tiny"))


def corner(rows: int = ROWS) -> npt.NDArray[np.bool_]:
    masks = np.zeros((rows, SIDE, SIDE), bool)
    masks[:, : SIDE // 2, : SIDE // 2] = True
    return masks


@pytest.fixture
def masks(tmp_path: Path) -> str:
    np.save(tmp_path / "corner.npy", corner())
    return str(tmp_path / "corner.npy")


def fails(dataset: str, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(dataset, **{**QUICK, **options})
    return caught.value


def stop_at_once(event: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("method", "epochs"), [("rrr", 1), ("gain", 1), ("isnet", 6)])
def test_mask_methods_learn_from_a_file_as_from_the_masks_of_the_dataset(
    tiny: str, masks: str, tmp_path: Path, method: str, epochs: int
) -> None:
    own = tiny_dataset(tmp_path / "own")
    np.save(own / "masks.npy", corner().astype(np.uint8))
    table = pd.read_csv(own / "manifest.csv", dtype=str, keep_default_na=False)
    table.assign(mask_row=table["cache_row"]).to_csv(own / "manifest.csv", index=False)
    expected = train(
        str(own), overrides={"epochs": epochs, "method": method}, out=tmp_path / "by-dataset", **QUICK
    ).summary
    overrides = {"epochs": epochs, "method": method, "mask_file": masks}
    summary = train(tiny, overrides=overrides, out=tmp_path / "by-file", **QUICK).summary
    assert summary["history"] == expected["history"]
    assert summary["training_masks"] == {"images": 24, "empty": 0, "full": 0}
    assert "training_masks" not in expected


def test_run_and_model_record_the_masks_by_their_content(tiny: str, masks: str, tmp_path: Path) -> None:
    train(tiny, overrides={"epochs": 1, "method": "rrr", "mask_file": masks}, out=tmp_path / "run", **QUICK)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    content = sha256(Path(masks))
    assert record["inputs"]["mask_file"] == content
    assert record["arguments"]["mask_file"] == f"sha256:{content}"
    description = checkpoint.read_description(tmp_path / "run" / checkpoint.FILE)
    assert (description.kind, description.recipe["mask_file"]) == ("classifier", f"sha256:{content}")


def test_subset_manifest_takes_the_masks_of_its_own_rows(tiny: str, masks: str, tmp_path: Path) -> None:
    """Rows that the subset leaves out may hold anything, here no values of a mask."""
    table = pd.read_csv(Path(tiny) / "manifest.csv", dtype=str, keep_default_na=False)
    table[table["view"] == "PA"].to_csv(tmp_path / "pa.csv", index=False)
    strange = corner().astype(np.uint8)
    strange[table.index[table["view"] == "AP"]] = 7
    np.save(tmp_path / "strange.npy", strange)
    overrides = {"epochs": 1, "method": "rrr"}
    summaries = [
        train(
            str(tmp_path / "pa.csv"),
            overrides={**overrides, "mask_file": file},
            out=tmp_path / Path(file).stem,
            **QUICK,
        ).summary
        for file in (masks, str(tmp_path / "strange.npy"))
    ]
    assert summaries[0]["history"] == summaries[1]["history"]
    error = fails(tiny, overrides={**overrides, "mask_file": str(tmp_path / "strange.npy")}, out=tmp_path / "run")
    assert error.message.endswith("holds 7, a mask is 0 and 1, or 0 and 255")


def test_masks_move_what_is_learnt(tiny: str, masks: str, tmp_path: Path) -> None:
    np.save(tmp_path / "elsewhere.npy", ~corner())
    histories = [
        train(
            tiny,
            overrides={"epochs": 1, "method": "rrr", "settings": "weight=100", "mask_file": file},
            out=tmp_path / Path(file).stem,
            **QUICK,
        ).summary["history"]
        for file in (masks, str(tmp_path / "elsewhere.npy"))
    ]
    assert histories[0] != histories[1]


def test_segmenter_learns_the_masks_of_a_file(tiny: str, masks: str, tmp_path: Path) -> None:
    overrides = {"task": "masks", "mask_file": masks, "mask_bit": "heart", "epochs": 12, "learning_rate": 1e-2}
    summary = train(tiny, overrides=overrides, out=tmp_path / "run", **{**QUICK, "arch": "unet-small"}).summary
    assert summary["images_without_masks"] == {"train": 0, "val": 0}
    assert summary["selection"]["measure"] == "Dice of heart" and summary["labels"] == ["heart"]
    assert summary["selection"]["score"] > 0.7  # foreground everywhere would have 0.4
    with pytest.raises(CxrshortError) as caught:
        evaluate([str(tmp_path / "run")], dataset=[tiny], out=tmp_path / "results", device="cpu", threads=1)
    assert caught.value.message == "tiny: no image of this fold has a mask"


@pytest.mark.parametrize("resumed", ["complete", "unfinished", "grid"])
def test_resume_refuses_other_masks_in_the_same_file(tiny: str, masks: str, tmp_path: Path, resumed: str) -> None:
    options: dict[str, Any] = {"overrides": {"epochs": 2, "method": "rrr", "mask_file": masks}, "out": tmp_path / "run"}
    if resumed == "grid":
        options["grid"] = ["lr=0.001,0.01"]
    before = sha256(Path(masks))
    if resumed == "unfinished":
        with pytest.raises(ResumableError):
            train(tiny, report=stop_at_once, **options, **QUICK)
    else:
        train(tiny, **options, **QUICK)
    np.save(masks, ~corner())
    error = fails(tiny, resume=True, **options)
    assert isinstance(error, UsageError)
    changed = f"mask_file was 'sha256:{before}' and is 'sha256:{sha256(Path(masks))}'"
    message = f"'{tmp_path / 'run'}' is complete and was made with other arguments: "
    if resumed == "unfinished":
        message = "--resume with other settings would change the model: "
    assert error.message == message + changed
    assert error.hint == "--force starts over"


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (
            {},
            "--mask-file has no use with --method erm",
            "--method rrr, gain, isnet, or --target masks",
        ),
        (
            {"method": "rrr", "segmenter": "runs/lungs"},
            "--mask-file and --segmenter both say what is foreground",
            "give one of them",
        ),
        (
            {"background": "noise"},
            "--background does not take --mask-file, whose masks nobody would have when the model is used",
            "train a segmenter: --arch unet --target masks --mask-file FILE, then --background with --segmenter",
        ),
    ],
)
def test_mask_file_is_refused_where_it_has_no_use(
    tiny: str, masks: str, tmp_path: Path, overrides: dict[str, Any], message: str, hint: str
) -> None:
    error = fails(tiny, overrides={**overrides, "mask_file": masks}, out=tmp_path / "run")
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == (message, hint)
    assert not (tmp_path / "run").exists()


def test_files_that_do_not_fit_leave_no_run_behind(tiny: str, tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", corner(47))
    np.save(tmp_path / "empty.npy", np.zeros((ROWS, SIDE, SIDE), bool))
    for file, message in (
        ("none.npy", "'none.npy' does not exist"),
        ("short.npy", "'short.npy' is 47 x 32 x 32, the dataset's cache is 48 x 32 x 32"),
        ("empty.npy", "'empty.npy': none of the 24 masks of this fold has any foreground"),
    ):
        for overrides, arch in (({"method": "rrr"}, "small-cnn"), ({"task": "masks"}, "unet-small")):
            error = fails(tiny, overrides={**overrides, "mask_file": file}, arch=arch, out=tmp_path / "run")
            assert error.message == message
            assert isinstance(error, MissingInputError) == (file == "none.npy")
    assert not (tmp_path / "run").exists()
    assert load_dataset(tiny).masks is None


def test_command_takes_a_mask_file(tiny: str, masks: str, tmp_path: Path) -> None:
    completed = run(
        *("train", "--dataset", tiny, "--arch", "small-cnn", "--method", "rrr", "--mask-file", masks),
        *("--epochs", "1", "--threads", "1", "--device", "cpu", "--out", "run", "--json"),
        cwd=tmp_path,
    )
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout)["training_masks"] == {"images": 24, "empty": 0, "full": 0}
