"""What a person sees at a terminal: a live bar while training, and tables that fit."""

import contextlib
import re
from pathlib import Path

import pytest

from ..training.tiny import tiny_dataset
from .console import cxrshort_here
from .terminal import plain, watch

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
TRAIN = ("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 15, "--out", "run", *CPU)
BUILD = ("build-dataset", "--images", 120, "--size", 32, "--jobs", 1)
BAR = r"epoch \d+/15 .*\d+ images/s  loss \d+\.\d{3}  validation AUC \d\.\d{3} +(-|\d+):(--|\d\d):(--|\d\d)"
COLOUR = r"\x1b\[[0-9;]*(3[0-8]|9[0-7])[0-9;]*m"


def test_bar_of_training_shows_speed_loss_auc_and_time_left(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "tiny")
    written = watch(*TRAIN, cwd=tmp_path)
    assert re.search(BAR, plain(written))
    assert re.search(r" \d+:\d\d:\d\d", plain(written))  # the time left is known at some time
    assert re.search(COLOUR, written)
    assert "epoch 1: loss" not in written
    assert "\x1b[2K" in written.rpartition("images/s")[2]  # the bar is wiped out before the result stands there
    assert plain(written).rstrip("\n").endswith("written to run/model.safetensors")


def test_bar_has_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "tiny")
    written = watch(*TRAIN, cwd=tmp_path, settings={"NO_COLOR": "1"})
    assert re.search(BAR, plain(written))
    assert not re.search(COLOUR, written)


def test_bar_vanishes_where_stderr_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_dataset(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    completed = cxrshort_here(*TRAIN, "--epochs", 2)
    assert completed.exit_code == 0
    assert "\x1b" not in completed.stderr + completed.stdout
    lines = [r"epoch [12]: loss \d\.\d{4}, validation AUC \d\.\d{3}, \d+ s"] * 2
    assert re.fullmatch("\n".join([*lines, ""]), completed.stderr)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two datasets and a model; a complete build prints its tables again with --resume."""
    folder = tmp_path_factory.mktemp("home")
    with contextlib.chdir(folder):
        for name in ("phantom-I", "phantom-external"):
            assert cxrshort_here(*BUILD, "--dataset", name).exit_code == 0
        train = ("train", "--dataset", folder / "datasets/phantom-I", "--arch", "small-cnn", "--epochs", 1, *CPU)
        assert cxrshort_here(*train, "--out", "run").exit_code == 0
    return folder


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal_and_break_no_number(home: Path, columns: int) -> None:
    shown = []
    for name in ("phantom-I", "phantom-external"):
        shown.append(plain(watch(*BUILD, "--resume", "--dataset", name, cwd=home, columns=columns)))
    datasets = ("--dataset", "phantom-I", "--dataset", "phantom-external", "--label", "COVID-19")
    out = ("--out", f"results-{columns}")
    shown.append(plain(watch("evaluate", "run", *datasets, *out, *CPU, cwd=home, columns=columns)))
    for text in shown:
        rows = [line for line in text.splitlines() if "━" not in line and not line.startswith("note: ")]
        assert max(map(len, rows)) <= columns
        assert text.count("[0.") + text.count("[-0.") + text.count("[1.") == len(
            re.findall(r"-?[01]\.\d{3} \[-?[01]\.\d{3}, -?[01]\.\d{3}\]", text)
        )
    assert re.search(r"^COVID-19 +repository +1\.000 \[", shown[0], flags=re.MULTILINE)
    models = "" if columns == 80 else "phantom-I/small-cnn/erm, epochs=1 +"  # columns that say the same give way
    assert re.search(rf"^{models}phantom-external +external +\d+ +\d+ +[01]\.\d{{3}} \[", shown[2], flags=re.MULTILINE)
