"""``cxrshort cyclegan transform``: what is printed, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...generative.cyclegan.test_model import write
from ...training.tiny import tiny_dataset
from ..console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the dataset ``tiny`` and the cyclegan ``model``."""
    monkeypatch.chdir(tmp_path)
    tiny_dataset(tmp_path / "tiny", signal=50)
    (tmp_path / "model").mkdir()
    write(tmp_path / "model")
    return tmp_path


def transform(*words: object):  # type: ignore[no-untyped-def]
    """Run the command on the tiny dataset."""
    return cxrshort_here("cyclegan", "transform", "model", "--dataset", "tiny", *words, *CPU)


def test_line_says_how_much_changed() -> None:
    result = transform("--direction", "to", "--out", "made", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("24 images of tiny toward `COVID-19` == 1: a mean change of ")
    document = json.loads(transform("--direction", "to", "--out", "again", "--json").stdout)
    assert document["schema"] == "cxrshort.dataset/1" and document["figures"] == ["transformed.png"]
    assert document["rows"] == 24 and document["direction"] == "to"


def test_dry_run_forecasts() -> None:
    result = transform("--direction", "from", "--where", "", "--out", "made", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "48 of tiny" in result.stdout and not Path("made").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "--direction is missing"),
        (("--direction", "up"), 2, "--direction is 'up', it must be to or from"),
        (("--direction", "to", "--where", "age_years > 999"), 2, "tiny: no image fulfils 'age_years > 999'"),
    ],
)
def test_bad_input_is_one_line(words: tuple[object, ...], code: int, message: str) -> None:
    assert failure(transform(*words, "--out", "made"))[:2] == (code, message)


def test_model_that_is_not_there_is_refused() -> None:
    result = cxrshort_here("cyclegan", "transform", "none", "--dataset", "tiny", "--direction", "to")
    assert failure(result)[:2] == (66, "'none' does not exist")


def test_classifiers_are_no_cyclegans() -> None:
    trained = cxrshort_here("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "c", *CPU)
    assert trained.exit_code == 0, trained.stderr
    result = cxrshort_here("cyclegan", "transform", "c", "--dataset", "tiny", "--direction", "to", *CPU)
    assert failure(result)[:2] == (2, "'c' is a classifier, not a cyclegan")


def test_cyclegan_is_not_evaluated() -> None:
    result = cxrshort_here("evaluate", "model", "--dataset", "tiny", *CPU)
    assert failure(result)[:2] == (2, "'model' is a cyclegan, which returns images and no labels")
