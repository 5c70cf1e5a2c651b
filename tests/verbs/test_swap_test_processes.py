"""A swap-test by two processes, as torchrun starts them, and one that was killed: the files of an unbroken one."""

import contextlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

from ..cli.console import cxrshort_here, start
from ..training.test_distributed_steps import run_two
from ..training.tiny import tiny_dataset, tree

CPU = ["--device", "cpu", "--precision", "fp32", "--threads", "1"]
WORDS = ["swap-test", "run", "--dataset", "tiny", "--split", "all", "--preset", "borders", "--patches", "400", *CPU]
WITHOUT = ["run.json", ".lock"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset, a model that was trained on none of it, and its swap-test in ``one``."""
    folder = tmp_path_factory.mktemp("home")
    tiny_dataset(folder / "tiny", people=60, signal=8)
    description = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32))
    (folder / "run").mkdir()
    model = factory.build_model(description, seed=1)
    checkpoint.save_model(model, folder / "run" / "model.safetensors", description=description)
    with contextlib.chdir(folder):
        completed = cxrshort_here(*WORDS, "--json", "--out", "one")
    assert completed.exit_code == 0, completed.stderr
    (folder / "one.json").write_text(completed.stdout)
    return folder


def test_two_processes_write_the_files_of_one(home: Path) -> None:
    stdout, _ = run_two(*WORDS, "--json", "--out", "two", cwd=home)
    documents = [json.loads(text) for text in ((home / "one.json").read_text(), stdout)]
    assert {**documents[0], "folder": ""} == {**documents[1], "folder": ""}
    one, two = (tree(home / name, without=WITHOUT) for name in ("one", "two"))
    assert one == two and "null.npy" in one


def rows_done(journal: Path) -> int:
    try:
        return int(json.loads(journal.read_text())["rows"])
    except (OSError, ValueError):
        return 0


def test_killed_run_goes_on_to_the_same_bytes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    journal, ends = home / "cut" / ".null.npy.journal.json", time.monotonic() + 120
    with start(*WORDS, "--out", "cut", cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not rows_done(journal) and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.002)
        process.kill()
    assert rows_done(journal) > 0 and not (home / "cut" / "run.json").exists()
    completed = cxrshort_here(*WORDS, "--out", "cut")
    assert completed.exit_code == 73 and "holds an unfinished run" in completed.stderr
    completed = cxrshort_here(*WORDS, "--out", "cut", "--resume")
    assert completed.exit_code == 0, completed.stderr
    assert tree(home / "cut", without=WITHOUT) == tree(home / "one", without=WITHOUT)
