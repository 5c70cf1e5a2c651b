"""``cxrshort stats ledger``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.finished_runs import evaluation, scores
from ..console import cxrshort_here, failure


def results(folder: Path) -> Path:
    for model in range(2):
        evaluation(folder / "results" / f"r{model}", scores(model), day=model)
    return folder / "results"


def test_text_for_people(tmp_path: Path) -> None:
    folder = results(tmp_path)
    (tmp_path / "plan.yaml").write_text("H1")
    result = cxrshort_here("stats", "ledger", folder, "--register", tmp_path / "plan.yaml")
    assert result.exit_code == 0
    assert result.stderr == "note: runs that were deleted or overwritten are not seen, and count all the same\n"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("p below: 0.05 over all models (Bonferroni); next p: what alpha spending leaves")
    assert lines[1] == "test fold scorings models p below next p optimism sealed"
    assert lines[3].startswith("I, replicate 0 2 2 0.025 0.0034 0.0") and lines[3].endswith(" no")
    assert lines[5] == "registered time (UTC) scorings before after file status"
    assert lines[7].startswith("../plan.yaml 20") and lines[7].endswith(" 2 0 unchanged exploratory")
    assert "../plan.yaml: exploratory: 2 scorings came before" in lines
    seal = json.loads((folder / "registrations.jsonl").read_text())["seal"]
    assert lines[-1] == f"seal of the last registration: {seal}"


def test_one_json_document(tmp_path: Path) -> None:
    document = json.loads(cxrshort_here("stats", "ledger", results(tmp_path), "--json").stdout)
    assert (document["schema"], document["scorings"]) == ("cxrshort.stats-ledger/1", 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--register", "nothing.yaml"), (66, "'nothing.yaml' does not exist")),
        (("--level", "0"), (2, 'level "0" is not between 0 and 1')),
        (("--figures",), (2, "--figures needs a folder")),
    ],
)
def test_bad_input_is_one_line(options: tuple, expected: tuple, tmp_path: Path) -> None:
    assert failure(cxrshort_here("stats", "ledger", results(tmp_path), *options))[:2] == expected


def test_no_run_is_one_line(tmp_path: Path) -> None:
    expected = (66, f"no finished run below '{tmp_path}'", "cxrshort train and evaluate write some")
    assert failure(cxrshort_here("stats", "ledger", tmp_path)) == expected
