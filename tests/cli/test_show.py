"""The exact text of the three commands' results; numbers that arithmetic may round otherwise are masked."""

import re
from pathlib import Path

import pytest

from ..training.tiny import tiny_dataset
from .console import cxrshort_here

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1, "--quiet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*arguments: object) -> str:
    """Return what a command prints, with numbers like 0.123 as 0.###, and without spaces at line ends."""
    result = cxrshort_here(*arguments)
    assert result.exit_code == 0, result.stderr
    text = re.sub(r"\b[01]\.\d{3}\b", "#.###", result.stdout)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def test_build_dataset_prints_repositories_and_the_accounting_sum(here: Path) -> None:
    text = printed("build-dataset", "--dataset", "phantom-I", "--images", 60, "--size", 32, "--jobs", 1, "--quiet")
    lines = text.splitlines()
    assert lines[0] == f"{'site-a, negative':>40}   {'site-b, positive':>16}   {'total':>11}"
    assert set(lines[1]) == {"─"}
    assert lines[2:5] == [
        f"{'images':<19}{33:>21}{27:>19}{60:>14}",
        f"{'patients':<19}{18:>21}{12:>19}{30:>14}",
        f"{'persons':<19}{18:>21}{12:>19}{30:>14}",
    ]
    assert lines[5] == f"{'view PA':<19}{'24 (72.7 %)':>21}{'5 (18.5 %)':>19}{'29 (48.3 %)':>14}"
    assert not [line for line in lines if "not labelled" in line]
    worst = [line for line in lines if line.endswith("worst-case confounded")]
    assert [line.split()[1] for line in worst] == ["repository", "repository"]
    assert lines[-3] == "candidates 60 = rows 60 + excluded 0"
    assert re.fullmatch(r"5 splits by person; split_0: train \d+, test \d+, val \d+", lines[-2])
    assert lines[-1] == "written to datasets/phantom-I"


def test_build_dataset_prints_why_images_were_left_out(test_data: Path, here: Path) -> None:
    command = ("build-dataset", "--dataset", "github-covid", "--root", test_data, "--size", 16, "--jobs", 1)
    lines = printed(*command, "--quiet").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("excluded because "))
    assert lines[start].split() == ["excluded", "because", "images"]
    end = lines.index("", start)
    counts = [int(line.rsplit(maxsplit=1)[1].replace(",", "")) for line in lines[start + 2 : end]]
    assert counts == sorted(counts, reverse=True)
    candidates, rows, excluded = map(int, re.findall(r"\d+", lines[end + 1]))
    assert lines[end + 1] == f"candidates {candidates} = rows {rows} + excluded {excluded}"
    assert candidates == rows + excluded
    assert excluded == sum(counts)


def test_train_prints_what_chose_the_model(here: Path) -> None:
    tiny_dataset(here / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 2, "--out", "run", *CPU)
    assert re.sub(r"epoch [12] of", "epoch # of", text) == (
        "small-cnn with 2 labels, trained on 24 images\n"
        "epoch # of 2 is kept, with a validation AUC of COVID-19 of #.###\n"
        "written to run/model.safetensors\n"
    )


def test_train_writes_below_runs_where_no_folder_is_named(here: Path) -> None:
    tiny_dataset(here / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, *CPU)
    assert text.splitlines()[-1] == "written to runs/tiny/small-cnn/erm/replicate-0,epochs=1/model.safetensors"


def test_train_dry_run_prints_its_forecast(here: Path) -> None:
    tiny_dataset(here / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--dry-run", *CPU)
    names = [line.partition(":")[0] for line in text.splitlines()]
    assert {"architecture", "labels", "images", "epochs", "parameters", "images per second", "hours"} <= set(names)
    assert "images: train 24, val 12\n" in text


def test_evaluate_prints_aucs_with_intervals_and_the_gap(here: Path) -> None:
    tiny_dataset(here / "tiny", signal=10)
    tiny_dataset(here / "other", name="other", seed=1, signal=10)
    for replicate in (0, 1):
        printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1,
                "--replicate", replicate, "--out", f"run-{replicate}", *CPU)  # fmt: skip
    datasets = ("--dataset", "tiny", "--dataset", "other", "--out", "results")
    lines = printed("evaluate", "run-0", "run-1", *datasets, *CPU).splitlines()
    assert lines[0] == "COVID-19, AUC with 95 % interval"
    assert lines[1] == "trained on   architecture   tested on   role       pos.   neg.   AUC"
    auc = r"#\.### \[#\.###, #\.###\], SD #\.### over 2( \(.+\))?"
    assert re.fullmatch(rf"tiny         small-cnn      tiny        internal      6      6   {auc}", lines[3])
    assert re.fullmatch(rf"tiny         small-cnn      other       external      6      6   {auc}", lines[4])
    assert lines[6] == "trained on   architecture   internal - external   generalization gap"
    gap = r"-?#\.### \[-?#\.###, -?#\.###\]"
    assert re.fullmatch(rf"tiny         small-cnn      tiny - other          {gap}", lines[8])
    assert lines[9:] == ["", "written to results"]


def test_labels_without_auc_are_a_note_on_stderr(here: Path) -> None:
    tiny_dataset(here / "tiny", signal=10)
    manifest = here / "tiny" / "manifest.csv"
    printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "run", *CPU)
    lines = [line.split(",") for line in manifest.read_text().splitlines()]
    column = lines[0].index("Edema")
    for line in lines[1:]:
        line[column] = "0" if "test" in line else line[column]
    manifest.write_text("".join(",".join(line) + "\n" for line in lines))
    loud = [each for each in CPU if each != "--quiet"]
    result = cxrshort_here("evaluate", "run", "--dataset", "tiny", "--out", "results", *loud)
    note = "note: no AUC, one class only in a test fold: Edema (reasons in aucs.csv)\n"
    assert result.stderr == "scored 12 images of tiny with run\n" + note
