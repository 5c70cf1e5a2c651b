"""Explaining by two processes, as torchrun starts them, and after kill -9: the files of one unbroken process."""

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from cxrshort.models import checkpoint, factory
from cxrshort.models.blocks import BlockArray
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

from ..cli.console import cxrshort_here, start
from ..training.test_distributed_steps import run_two
from ..training.tiny import tiny_dataset, tree

CPU = ["--device", "cpu", "--precision", "fp32", "--threads", "1"]
OPTIONS = [
    *("explain", "run", "--dataset", "tiny", "--label", "COVID-19", "--label", "Edema", "--sanity", "--json"),
    *("--references", "20", "--set", "samples=6", "--batch-size", "2", *CPU),
]
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32))
JOURNAL = BlockArray("maps.npy", (1,)).journal


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset, an untrained model and what one process makes of both."""
    folder = tmp_path_factory.mktemp("home")
    tiny_dataset(folder / "tiny", people=24, signal=20)
    (folder / "run").mkdir()
    model = factory.build_model(MODEL, seed=1)
    checkpoint.save_model(model, folder / "run" / "model.safetensors", description=MODEL)
    with contextlib.chdir(folder):
        completed = cxrshort_here(*OPTIONS, "--out", "one")
    assert completed.exit_code == 0, completed.stderr
    (folder / "one.json").write_text(completed.stdout)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return tree(folder, without=["run.json"])


def test_two_processes_write_the_files_of_one(home: Path) -> None:
    stdout, _ = run_two(*OPTIONS, "--out", "two", cwd=home)
    document = json.loads(stdout)  # one document, so one process has printed
    assert {**document, "folder": "one"} == json.loads((home / "one.json").read_text())
    assert files(home / "two") == files(home / "one")
    assert {"maps.npy", "sanity.csv", "visible.csv"} <= set(files(home / "two"))


@pytest.fixture(scope="module")
def interrupted(home: Path) -> Path:
    """Return the folder of a run that was killed once the first of its two blocks was on the disk.

    On a busy machine the second block may be there too; the checks of the maps, which take longer, are then not.
    """
    journal = home / "killed" / JOURNAL
    with start(*OPTIONS, "--out", "killed", cwd=home) as process:
        while process.poll() is None and not (journal.exists() and json.loads(journal.read_text())["rows"]):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert json.loads(journal.read_text())["rows"] in (16, 24) and not (home / "killed" / "run.json").exists()
    return home / "killed"


def test_interrupted_run_with_other_settings_is_refused(
    home: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    completed = cxrshort_here(*OPTIONS, "--out", interrupted.name, "--resume", "--seed", "5")
    assert completed.exit_code == 2
    assert "--resume with other settings would change the result: seed was '0' and is '5'" in completed.stdout


def test_killed_run_goes_on_to_the_same_bytes(home: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    shutil.copytree(interrupted, home / "resumed")
    completed = cxrshort_here(*OPTIONS, "--out", "resumed", "--resume")
    assert completed.exit_code == 0, completed.stderr
    assert files(home / "resumed") == files(home / "one")
