"""``evaluate`` from the options to what is written."""

import csv
import json
from pathlib import Path

import pytest

from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

from ..training.tiny import tiny_dataset
from .console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), dataset="other")


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the datasets ``tiny`` and ``small``, and an untrained model in ``run``."""
    monkeypatch.chdir(tmp_path)
    tiny_dataset(tmp_path / "tiny", size=16)
    tiny_dataset(tmp_path / "small", name="small", size=16, seed=1)
    (tmp_path / "run").mkdir()
    checkpoint.save_model(factory.build_model(MODEL, seed=2), tmp_path / "run" / "model.safetensors", description=MODEL)
    return tmp_path


def test_fold_label_datasets_and_folder_are_those_of_the_options(working_folder: Path) -> None:
    words = ("--dataset", "tiny", "--dataset", "small", "--split", "val", "--label", "Edema", "--out", "results")
    result = cxrshort_here("evaluate", "run", *words, *CPU, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.evaluation/1" and document["folder"] == "results"
    with (working_folder / "results" / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["split"] for row in rows} == {"val"} and {row["dataset"] for row in rows} == {"tiny", "small"}
    arguments = json.loads((working_folder / "results" / "run.json").read_text())["arguments"]
    assert (arguments["split"], arguments["label"], arguments["device"]) == ("val", "Edema", "cpu")


def test_other_processes_of_torchrun_say_nothing_of_what_the_first_one_refuses(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", "run", "--dataset", "nope")
    code, message, _ = failure(cxrshort_here(*words))
    assert (code, message) == (66, "'nope' is not built yet")
    monkeypatch.setenv("RANK", "1")
    other = cxrshort_here(*words)
    assert (other.exit_code, other.stdout, other.stderr) == (66, "", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--split", "tset"), "'tset' is not a known"),
        (("--label", "Mass"), "'Mass' is not a known label of these models"),
    ],
)
def test_words_that_stand_for_nothing_are_refused(working_folder: Path, words: tuple[str, ...], message: str) -> None:
    code, text, _ = failure(cxrshort_here("evaluate", "run", "--dataset", "tiny", *words, *CPU, "--quiet"))
    assert code == 2 and text.startswith(message)
