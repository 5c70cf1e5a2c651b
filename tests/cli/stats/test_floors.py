"""``cxrshort stats floors``: what is printed, the gate, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.test_floors import model_table, trees_grown_once
from ..console import cxrshort_here, failure, run_and_list_imports

__all__ = ["trees_grown_once"]


@pytest.fixture
def dataset(planted_phantom: Path) -> Path:
    return planted_phantom


def test_table_for_people(dataset: Path) -> None:
    result = cxrshort_here("stats", "floors", "--dataset", dataset)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("95 % intervals; ") and lines[0].endswith("counts are positives + negatives")
    assert lines[1].startswith("learned from AUC, ") and " within AP, " in lines[1] and " within PA, " in lines[1]
    assert [line.split(" 0.")[0] for line in lines[3:10]] == [
        "prevalence",
        "age, sex, view",
        "metadata",
        "histogram",
        "border strips",
        "thumbnail",
        "shuffled pixels",
    ]
    assert "expected external AUC of a model: P_Est = P_source - 0." in result.stdout


def test_model_that_is_not_superior_stops_the_gate(dataset: Path, tmp_path: Path) -> None:
    poor = model_table(tmp_path / "poor", dataset, effect=1.0)
    options = ("stats", "floors", "--dataset", dataset, "--predictions")
    result = cxrshort_here(*options, poor, "--fail-on", "suspicious")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1] == (
        "A model that is not superior to its floors has not shown that it sees disease."
    )
    assert "not shown" in result.stdout
    assert cxrshort_here(*options, poor, "--fail-on", "shortcut").exit_code == 0
    good = model_table(tmp_path / "good", dataset, effect=8.0)
    assert cxrshort_here(*options, good, "--fail-on", "suspicious").exit_code == 0


def test_one_json_document(dataset: Path) -> None:
    document = json.loads(cxrshort_here("stats", "floors", "--dataset", dataset, "--json").stdout)
    assert (document["schema"], document["by"], document["label"]) == ("cxrshort.stats-floors/1", "view", "COVID-19")


def test_manifest_through_a_pipe_and_no_torch(dataset: Path, tmp_path: Path) -> None:
    words = ["stats", "floors", "--dataset", "-", "--out", "o", "--figures"]
    with (dataset / "manifest.csv").open() as stream:
        _, modules = run_and_list_imports(*words, cwd=tmp_path, stdin=stream)
    assert "sklearn" in modules
    assert modules & {"torch", "torchvision", "captum", "pydicom", "diffusers"} == set()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--label", "Efusion"), 65, "planted: there is no label 'Efusion'"),
        (("--by", "veiw"), 65, "manifest.csv: there is no column 'veiw'"),
        (("--score", "x"), 2, "--score names a column of --predictions"),
        (("--level", "2"), 2, 'level "2" is not between 0 and 1'),
        (("--figures",), 2, "--figures needs a folder"),
        (("--fail-on", "never"), 2, "'never' is not a known level of --fail-on"),
        (("--predictions", "nope.csv"), 66, "'nope.csv' does not exist"),
    ],
)
def test_bad_input_is_one_line(dataset: Path, options: tuple[str, ...], code: int, message: str) -> None:
    assert failure(cxrshort_here("stats", "floors", "--dataset", dataset, *options))[:2] == (code, message)
