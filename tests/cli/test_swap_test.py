"""``swap-test`` from the options to what is written and printed, and the exit code of its gate."""

import json
from pathlib import Path

import pytest

from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.stats.verdicts import RULES

from ..training.tiny import tiny_dataset
from .console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), dataset="other")
WORDS = ("swap-test", "run", "--dataset", "tiny", "--split", "all", "--preset", "borders", "--patches", 20, *CPU)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the dataset ``tiny``, and an untrained model in ``run``."""
    monkeypatch.chdir(tmp_path)
    tiny_dataset(tmp_path / "tiny", size=16, people=40)
    (tmp_path / "run").mkdir()
    checkpoint.save_model(factory.build_model(MODEL, seed=2), tmp_path / "run" / "model.safetensors", description=MODEL)
    return tmp_path


def test_options_reach_the_run(working_folder: Path) -> None:
    options = ("--label", "Edema", "--pairs", 6, "--seed", 3, "--to", "top", "--batch-size", 5)
    result = cxrshort_here(*WORDS, *options, "--intervention", "move", "--json", "--out", "out")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["schema"], document["label"], document["folder"]) == ("cxrshort.findings/1", "Edema", "out")
    arguments = json.loads((working_folder / "out" / "run.json").read_text())["arguments"]
    expected = {"pairs": 6, "seed": 3, "to": "top", "batch_size": 5, "intervention": "move", "preset": ["borders"]}
    assert {name: arguments[name] for name in expected} == expected


def test_verdicts_are_printed_first_and_alone_with_quiet(working_folder: Path) -> None:
    result = cxrshort_here(*WORDS, "--out", "out")
    assert result.exit_code == 0, result.stderr
    headings = ["COVID-19: effects are", "The published test:", "Controls, in SD"]
    places = [result.stdout.index(heading) for heading in headings]
    assert places == sorted(places) and result.stdout.endswith("written to out\n")
    quiet = cxrshort_here(*WORDS, "--out", "out", "--force", "--quiet")
    assert quiet.stdout.startswith("COVID-19: effects") and "published" not in quiet.stdout and quiet.stderr == ""


@pytest.fixture
def verdicts(working_folder: Path) -> list[str]:
    result = cxrshort_here(*WORDS, "--out", "out", "--json")
    return [finding["verdict"] for finding in json.loads(result.stdout)["findings"]]


def test_gate_ends_with_3_exactly_where_something_was_found(verdicts: list[str]) -> None:
    stops = {"shortcut": {"shortcut"}, "suspicious": {"shortcut", "suspicious"}}
    for level, words in stops.items():
        result = cxrshort_here(*WORDS, "--out", "out", "--resume", "--fail-on", level)
        assert result.exit_code == (3 if words & set(verdicts) else 0)
        assert "written to out" in result.stdout


def test_unknown_level_of_the_gate_is_refused_before_anything_is_read(working_folder: Path) -> None:
    code, message, hint = failure(cxrshort_here(*WORDS, "--fail-on", "anything"))
    assert (code, message) == (2, "'anything' is not a known level of --fail-on")
    assert hint == "one of: shortcut, suspicious"


def test_dry_run_names_pairs_trials_and_forward_passes(working_folder: Path) -> None:
    result = cxrshort_here(*WORDS, "--dry-run")
    assert result.exit_code == 0, result.stderr
    # 20 pairs both ways with a null, their shams, and 20 exchanges within one class; 80 images of the fold.
    assert "trials           100, with 20 random patches in 40 of them" in result.stdout
    assert f"forward passes   {40 * 20 + 200 + 80:,}" in result.stdout and "nothing was written" in result.stdout
    assert not (working_folder / "results").exists()


def test_help_states_the_rule_of_the_verdict() -> None:
    text = " ".join(cxrshort_here("swap-test", "--help").stdout.split())
    rule = RULES["swap-test"]
    assert f"shortcut: an effect of at least {rule.margin:g} at p of at most {rule.level:g}." in text
