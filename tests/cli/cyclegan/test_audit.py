"""``cxrshort cyclegan audit``: options, what is printed, the document, the gate, and bad words."""

import json
from pathlib import Path

import pytest
import torch

from cxrshort.generative.cyclegan.model import save_cyclegan
from cxrshort.generative.cyclegan.networks import Generator, Pair, Sizes
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

from ...generative.cyclegan.audit.audited import description
from ...training.tiny import tiny_dataset
from ..console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32), dataset="other")
WORDS = ("cyclegan", "audit", "gan", "run", "--dataset", "tiny", "--split", "all", "--images", 8, "--places", 2, *CPU)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the dataset ``tiny``, an untrained CycleGAN in ``gan``, and a classifier in ``run``."""
    monkeypatch.chdir(tmp_path)
    tiny_dataset(tmp_path / "tiny", people=20)
    torch.manual_seed(1)
    sizes = Sizes(4, 1, 4, 1)
    for name in ("gan", "run"):
        (tmp_path / name).mkdir()
    save_cyclegan(
        Pair(Generator(sizes), Generator(sizes)), tmp_path / "gan" / "model.safetensors", description=description()
    )
    checkpoint.save_model(factory.build_model(MODEL, seed=2), tmp_path / "run" / "model.safetensors", description=MODEL)
    return tmp_path


def test_options_reach_the_run_and_verdicts_come_first(working_folder: Path) -> None:
    options = ("--label", "Edema", "--seed", 3, "--batch-size", 5, "--out", "out")
    result = cxrshort_here(*WORDS, *options)
    assert result.exit_code == 0, result.stderr
    headings = [
        "Edema: effects are median changes",
        "Decisions before and after",
        "Where images changed",
        "Grey values",
    ]
    places = [result.stdout.index(heading) for heading in headings]
    assert places == sorted(places) and result.stdout.endswith("written to out\n")
    arguments = json.loads((working_folder / "out" / "run.json").read_text())["arguments"]
    expected = {"label": "Edema", "seed": 3, "batch_size": 5, "images": 8, "places": 2, "classifiers": ["run"]}
    assert {name: arguments[name] for name in expected} == expected


def test_document_and_gate_agree(working_folder: Path) -> None:
    result = cxrshort_here(*WORDS, "--json", "--out", "out")
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.cyclegan-audit/1" and document["sides"]["to"] == "COVID-19 == 1"
    words = {finding["verdict"] for finding in document["findings"]}
    for level, stops in {"shortcut": {"shortcut"}, "suspicious": {"shortcut", "suspicious"}}.items():
        result = cxrshort_here(*WORDS, "--out", "out", "--force", "--quiet", "--fail-on", level)
        assert result.exit_code == (3 if words & stops else 0) and "Decisions before" not in result.stdout


def test_dry_run_names_images_and_forward_passes(working_folder: Path) -> None:
    result = cxrshort_here(*WORDS, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "to 'COVID-19 == 1'" in result.stdout and "nothing was written" in result.stdout
    assert not (working_folder / "results").exists()


def test_bad_words_are_refused_before_anything_is_read(working_folder: Path) -> None:
    code, message, _ = failure(cxrshort_here(*WORDS, "--fail-on", "anything"))
    assert (code, message) == (2, "'anything' is not a known level of --fail-on")
    code, message, _ = failure(cxrshort_here("cyclegan", "audit", "none", "run", "--dataset", "tiny"))
    assert (code, message) == (66, "'none' does not exist")
    code, message, _ = failure(cxrshort_here(*WORDS, "--inception", "none.safetensors", "--out", "out"))
    assert (code, message) == (66, "'none.safetensors' does not exist")
