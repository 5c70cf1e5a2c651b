"""``cxrshort stats slices``: the text, the document, the gate, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.groups import sliced_predictions
from ..console import cxrshort_here, failure, run_and_list_imports


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sliced_predictions(tmp_path_factory.mktemp("slices") / "ev")[0]


def test_table_for_people(folder: Path) -> None:
    result = cxrshort_here("stats", "slices", folder, "--threshold", "0.5")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == (
        "Slices found on half of the persons, tested on the other half against images with about the same score; "
        "95 % intervals; P one-sided, by Holm"
    )
    assert lines[1].startswith("slice label training tested on repl. images persons errors expected excess P, Holm")
    assert lines[3].startswith("1 Edema a/small-cnn/erm tiny 0 ") and " shown " in lines[3] and "view AP: " in lines[3]
    assert lines[-1].startswith("Not tested, ")


def test_one_json_document_and_the_gate(folder: Path) -> None:
    result = cxrshort_here("stats", "slices", folder, "--json", "--fail-on", "suspicious")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["schema"]) == (3, "cxrshort.stats-slices/1")
    assert document["slices"][0]["finding"] == "shown"


def test_folder_and_pipe_without_torch(folder: Path, tmp_path: Path) -> None:
    words = ["stats", "slices", "-", "--features", folder / "features.csv", "--out", "o", "--figures"]
    with (folder / "predictions.csv").open() as stream:
        _, modules = run_and_list_imports(*words, cwd=tmp_path, stdin=stream)
    assert "pandas" in modules and not modules & {"torch", "torchvision"}
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "slices.csv", "slice-images.csv", "slices.png", "run.json", "summary.json",
    }  # fmt: skip


def test_missing_features_are_one_line(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    table.write_bytes((folder / "predictions.csv").read_bytes())
    hint = "cxrshort evaluate MODEL --dataset D --features writes them"
    expected = (66, f"'{tmp_path / 'features.csv'}' does not exist", hint)
    assert failure(cxrshort_here("stats", "slices", table)) == expected


def test_few_images_are_one_line(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "predictions.csv").read_text().splitlines()[:31]
    (tmp_path / "few.csv").write_text("\n".join(lines) + "\n")
    result = cxrshort_here("stats", "slices", tmp_path / "few.csv", "--features", folder)
    code, message, _ = failure(result)
    assert code == 65 and message.endswith("images are too few to find slices in and to test them")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--fail-on", "shortcut"), "'shortcut' is not a known level of --fail-on"),
        (("--figures",), "--figures needs a folder"),
        (("--dataset", "tiny"), "--dataset is for contact sheets, which are figures"),
        (("--level", "0"), 'level "0" is not between 0 and 1'),
    ],
)
def test_wrong_usage_is_one_line(folder: Path, option: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "slices", folder, *option))[:2] == (2, message)
