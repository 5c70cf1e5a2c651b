"""``explain`` from the options to what is written, printed and returned."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.stats import verdicts
from cxrshort.verbs import explain as verb

from ..training.tiny import tiny_dataset
from .console import cxrshort_here, failure

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), dataset="other")


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the dataset ``tiny`` and an untrained model in ``run``."""
    monkeypatch.chdir(tmp_path)
    tiny_dataset(tmp_path / "tiny", size=16)
    (tmp_path / "run").mkdir()
    checkpoint.save_model(factory.build_model(MODEL, seed=2), tmp_path / "run" / "model.safetensors", description=MODEL)
    return tmp_path


def test_options_reach_the_verb(working_folder: Path) -> None:
    words = (
        *("--dataset", "tiny", "--split", "all", "--label", "Edema", "--images", 6, "--method", "occlusion"),
        *(
            "--set",
            "patch=0.5",
            "--set",
            "fill=black",
            "--expected",
            "lungs, marker",
            "--batch-size",
            4,
            "--seed",
            7,
            "--sanity",
        ),
        *("--sanity", "--out", "results"),
    )
    result = cxrshort_here("explain", "run", *words, *CPU, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.findings/1" and document["folder"] == "results"
    assert document["settings"] == {"patch": 0.5, "stride": 0.5, "fill": "black"}
    assert np.load("results/maps.npy").shape == (6, 16, 16)
    arguments = json.loads(Path("results/run.json").read_text())["arguments"]
    assert (arguments["seed"], arguments["batch_size"], arguments["expected"]) == (7, 4, ["lungs", "marker"])
    assert arguments["sanity"] is True and list(document["sanity"]) == ["Edema"]


def test_help_lists_methods_and_settings_without_a_model() -> None:
    methods = cxrshort_here("explain", "--method", "help").stdout
    assert "expected-gradients" in methods and "occlusion" in methods
    settings = cxrshort_here("explain", "--set", "help", "--json")
    assert "--method smoothgrad" in json.loads(settings.stdout)["settings"]


def test_help_states_the_numbers_of_the_rule() -> None:
    rule, text = verdicts.RULES["explain"], " ".join(cxrshort_here("explain", "--help").stdout.split())
    assert f"at least {100 * rule.margin:g} % of the difference" in text and f"p of at most {rule.level:g} (" in text
    assert f"at least {rule.ratio_margin:g} times the attribution" in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "MODEL is missing"),
        (("run",), 2, "--dataset is missing"),
        (("run", "--dataset", "nope"), 66, "'nope' is not built yet"),
        (("walk", "--dataset", "tiny"), 66, "'walk' does not exist"),
        (("run", "--dataset", "tiny", "--method", "saliency"), 2, "'saliency' is not a known attribution method"),
        (("run", "--dataset", "tiny", "--fail-on", "never"), 2, "'never' is not a known level of --fail-on"),
        (("run", "--dataset", "tiny", "--set", "samples"), 2, "--set 'samples' is not of the form NAME=VALUE"),
    ],
)
def test_what_is_missing_or_unknown_is_refused(
    working_folder: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    assert failure(cxrshort_here("explain", *words))[:2] == (code, message)


def test_gate_ends_with_three_where_something_was_found(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "explain",
        "run",
        "--dataset",
        "tiny",
        "--split",
        "all",
        "--method",
        "gradient",
        *CPU,
        "--quiet",
        "--force",
    )
    border = [verdicts.Verdict("border", verdicts.SUSPICIOUS, "why", verdicts.Evidence("border", 0.3, 0.2, 0.4, 0.01))]
    judge = verb.judge_label

    def suspect(*arguments: object, **options: object) -> object:
        judged = judge(*arguments, **options)  # type: ignore[arg-type]
        return type(judged)(judged.label, judged.whole, border)

    monkeypatch.setattr(verb, "judge_label", suspect)
    for level, code in ((None, 0), ("shortcut", 0), ("suspicious", 3)):
        result = cxrshort_here(*words, *(("--fail-on", level) if level else ()))
        assert result.exit_code == code, result.stderr
        assert "border   suspicious   30 % [20, 40]       why" in result.stdout
