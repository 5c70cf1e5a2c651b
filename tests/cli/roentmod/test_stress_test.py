"""``cxrshort roentmod stress-test``: what is printed, the document, the gate, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.tables import predictions
from ..console import cxrshort_here, failure

VERB = ("roentmod", "stress-test")


@pytest.fixture
def planted(tmp_path: Path) -> tuple[object, ...]:
    before, after, cohort = predictions(tmp_path, shortcut=1.9)
    return (*VERB, "--before", before, "--after", after, "--reference", cohort)


def test_verdicts_come_first_and_the_matrix_follows(planted: tuple[object, ...]) -> None:
    result = cxrshort_here(*planted, "--expected", "targets")
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("Cells off target: 1 shortcut, 11 no evidence; effects are mean percentile points")
    assert lines[3].startswith("edema Hernia shortcut ")
    assert "after: median change of the percentile, 40 images of 40 persons; [on target], * p <= 0.05" in result.stdout
    assert any(line.startswith("sham ") for line in lines)
    quiet = cxrshort_here(*planted, "--expected", "targets", "--quiet").stdout
    assert quiet.startswith("Cells off target") and "median change of" not in quiet


def test_verbose_prints_all_cells_and_probabilities(planted: tuple[object, ...]) -> None:
    shown = cxrshort_here(*planted, "--expected", "targets", "--verbose").stdout
    assert "Median predicted probability" in shown and shown.count("no evidence") >= 11


def test_document_holds_findings_and_cells(planted: tuple[object, ...]) -> None:
    document = json.loads(cxrshort_here(*planted, "--expected", "targets", "--label", "Hernia", "--json").stdout)
    assert document["schema"] == "cxrshort.stress-test/1" and len(document["cells"]) == 4
    assert document["findings"][0]["verdict"] == "shortcut" and document["rule"]["margin"] == 25.0


@pytest.mark.parametrize(
    ("expected", "level", "code"),
    [("targets", "shortcut", 3), (None, "shortcut", 0), (None, "suspicious", 3), ("targets", None, 0)],
)
def test_gate_ends_with_3_where_the_level_is_reached(
    planted: tuple[object, ...], expected: str | None, level: str | None, code: int
) -> None:
    options = [*(["--expected", expected] if expected else []), *(["--fail-on", level] if level else [])]
    assert cxrshort_here(*planted, *options).exit_code == code


def test_missing_options_and_unknown_levels_are_refused(tmp_path: Path, planted: tuple[object, ...]) -> None:
    code, message, hint = failure(cxrshort_here(*VERB, "--before", "before.csv"))
    assert (code, message) == (2, "--after is missing") and hint.startswith("cxrshort roentmod stress-test --before")
    assert failure(cxrshort_here(*planted, "--fail-on", "all"))[:2] == (2, "'all' is not a known level of --fail-on")
    missing = cxrshort_here(*VERB, "--before", tmp_path / "none.csv", "--after", tmp_path / "none.csv")
    assert failure(missing)[:2] == (66, f"'{tmp_path / 'none.csv'}' does not exist")


def test_only_what_is_built_is_listed() -> None:
    shown = cxrshort_here("roentmod", "--help").stdout
    assert "Does it take one finding for another?" in shown and "stress-test" in shown
    assert all(f"  {name} " in shown for name in ("edit", "tune", "readers", "identity"))
