"""Evaluation by two processes, as torchrun starts them: the files of one."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxrshort.verbs.train import train

from ..cli.console import cxrshort_here
from ..training.test_distributed_steps import run_two, start_two
from ..training.tiny import tiny_dataset, tiny_manifest, tree, write_dataset

CPU = ["--device", "cpu", "--precision", "fp32", "--threads", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset of two batches, one of a single batch, a classifier and a segmenter."""
    folder = tmp_path_factory.mktemp("home")
    manifest = tiny_manifest(folder / "tiny", people=160).assign(mask_row=range(320))
    write_dataset(folder / "tiny", manifest, signal=8)
    masks = np.zeros((320, 32, 32), np.uint8)
    masks[:, :, :16] = 1
    np.save(folder / "tiny" / "masks.npy", masks)
    tiny_dataset(folder / "small", name="small", people=40, seed=1, signal=8)
    for name, arch, overrides in (("classifier", "small-cnn", {}), ("segmenter", "unet-small", {"task": "masks"})):
        train(
            str(folder / "tiny"),
            arch=arch,
            overrides={"epochs": 1, **overrides},
            out=folder / name,
            device="cpu",
            precision="fp32",
            threads=1,
        )
    return folder


@pytest.mark.parametrize(
    ("model", "data"), [("classifier", ["tiny", "small"]), ("segmenter", ["tiny"])], ids=["classifier", "segmenter"]
)
def test_two_processes_write_the_tables_of_one(
    home: Path, model: str, data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = ["--features"] if model == "classifier" else []
    options = [
        "evaluate",
        model,
        *features,
        *(word for folder in data for word in ("--dataset", folder)),
        *CPU,
        "--json",
    ]
    monkeypatch.chdir(home)
    alone = cxrshort_here(*options, "--out", f"{model}-one")
    assert alone.exit_code == 0, alone.stderr
    together = run_two(*options, "--out", f"{model}-two", cwd=home)
    actual = []
    for stdout, stderr in ((alone.stdout, alone.stderr), together):
        assert stderr.count("scored ") == len(data)
        actual.append({**json.loads(stdout), "folder": ""})  # one document, so one process has printed
    assert actual[0] == actual[1]
    one, two = (tree(home / f"{model}-{name}", without=["run.json", "summary.json"]) for name in ("one", "two"))
    assert one == two
    assert {"classifier": "predictions.csv", "segmenter": "masks.csv"}[model] in one
    assert ("features.npy" in one) == (model == "classifier")


def test_refusal_is_said_once_and_ends_both(home: Path) -> None:
    (home / "occupied").mkdir()
    (home / "occupied" / "letter.txt").write_text("mine")
    processes = start_two("evaluate", "classifier", "--dataset", "tiny", "--out", "occupied", *CPU, cwd=home)
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [73, 73], outputs
    assert "occupied" in outputs[0][1] and outputs[1] == ("", "")
