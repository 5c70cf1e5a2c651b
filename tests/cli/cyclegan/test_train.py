"""``cxrshort cyclegan train``: what is printed, the forecast, the listings, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...training.tiny import tiny_dataset
from ..console import cxrshort_here, failure

SMALL = ("--width", 4, "--set", "blocks=1", "--set", "discriminator_width=4", "--batch-size", 4, "--epochs", 1)
CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
SIDES = ("--from", "COVID-19 == 0", "--to", "COVID-19 == 1")
VERB = ("cyclegan", "train", "--dataset", "tiny", *SIDES, *SMALL, *CPU)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the dataset ``tiny``."""
    monkeypatch.chdir(tmp_path)
    return tiny_dataset(tmp_path / "tiny", signal=50)


def test_table_says_how_much_each_direction_changes() -> None:
    result = cxrshort_here(*VERB, "--out", "run", "--quiet")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert " ".join(lines[0].split()) == ("direction mean change of 255 variety kept discriminator loss generator loss")
    assert lines[2].startswith("toward COVID-19 == 1") and lines[3].startswith("toward COVID-19 == 0")
    assert "trained on 12 images of --from and 12 of --to in 3 steps" in result.stdout
    assert (Path("run") / "model.safetensors").is_file()


def test_document_holds_the_summary() -> None:
    document = json.loads(cxrshort_here(*VERB, "--out", "run", "--json").stdout)
    assert document["schema"] == "cxrshort.cyclegan-training/1"
    assert document["figures"] == ["training.png", "samples/step-0000003.png"]
    assert document["sides"] == {"from": "COVID-19 == 0", "to": "COVID-19 == 1"}


def test_dry_run_forecasts_and_writes_nothing() -> None:
    result = cxrshort_here(*VERB, "--out", "run", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "COVID-19 == 0: 12 images" in result.stdout and "nothing was written" in result.stdout
    assert not Path("run").exists()


def test_help_lists_recipes_and_settings() -> None:
    listed = cxrshort_here("cyclegan", "train", "--recipe", "help").stdout
    assert "degrave2021-paper" in listed and "loss log" in listed and "values: " in listed
    settings = cxrshort_here("cyclegan", "train", "--set", "help").stdout
    assert "constant_share" in settings and "discriminator_rate" in settings


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--from", "A == 0"), (2, "--dataset is missing")),
        (("--dataset", "tiny", "--from", "COVID-19 == 0"), (2, "--to is missing")),
        ((*VERB[2:], "--loss", "wgan"), (2, "'wgan' is not a known loss")),
        ((*VERB[2:], "--width", 8, "--set", "width=9"), (2, "--width and --set width say the same setting")),
        ((*VERB[2:], "--to", "COVID-19 == 0"), (65, "tiny: 12 images are on both sides, first 'tiny/000'")),
        (("--dataset", "none", *SIDES), (66, "'none' is not built yet")),
    ],
)
def test_bad_input_is_one_line(words: tuple[object, ...], expected: tuple[int, str]) -> None:
    code, message, hint = failure(cxrshort_here("cyclegan", "train", *words))
    assert code == expected[0] and message.startswith(expected[1]) and hint
