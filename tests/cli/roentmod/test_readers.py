"""``cxrshort roentmod readers``: what is printed, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.filled_sheets import fill, write_key
from ..console import cxrshort_here, failure

VERB = ("roentmod", "readers")


@pytest.fixture
def study(tmp_path: Path) -> tuple[object, ...]:
    key = write_key(tmp_path, readers=2)
    return (*VERB, *fill(key), "--key", key)


def test_adherence_is_printed_first(study: tuple[object, ...]) -> None:
    result = cxrshort_here(*study)
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "Adherence: share of edits in which readers see the finding that was asked for"
    assert lines[3].startswith("cardiomegaly Cardiomegaly 20 20 0.900 [0.675, 0.989] 0.300 [0.115, 0.550] 0.600 [")
    assert "Cardiomegaly 20 [0.90] 0.20 0.00" in lines
    quiet = cxrshort_here(*study, "--quiet").stdout
    assert quiet.startswith("Adherence") and "Co-occurrence" not in quiet


def test_results_are_written_where_the_user_says(study: tuple[object, ...], tmp_path: Path) -> None:
    document = json.loads(cxrshort_here(*study, "--out", tmp_path / "out", "--json").stdout)
    assert document["schema"] == "cxrshort.readers/1" and len(document["cells"]) == 12
    assert document["figures"] == ["cooccurrence.png", "by-reader.png"]
    assert (tmp_path / "out" / "cooccurrence.csv").read_text().startswith("added,Cardiomegaly,Edema,Mass\n")


def test_bad_input_is_one_line(study: tuple[object, ...], tmp_path: Path) -> None:
    code, message, hint = failure(cxrshort_here(*study, "--unsure", "maybe"))
    assert (code, message) == (2, "'maybe' is not a known rule for unsure answers") and hint == "one of: drop, half"
    assert failure(cxrshort_here(*VERB, tmp_path / "none.csv", "--key", tmp_path / "none.csv"))[0] == 66
    assert failure(cxrshort_here(*study[:3], *study[2:]))[:1] == (65,)
    assert failure(cxrshort_here(*VERB, "--key", "key.csv"))[0] == 2
