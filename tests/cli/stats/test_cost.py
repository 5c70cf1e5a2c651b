"""``cxrshort stats cost``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

from ...verbs.stats.test_cost import training
from ..console import cxrshort_here, failure


def test_text_for_people(tmp_path: Path) -> None:
    training(tmp_path / "runs" / "a")
    result = cxrshort_here("stats", "cost", tmp_path / "runs")
    assert result.stderr == "note: interrupted and deleted runs are not seen, and cost all the same\n"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "in all 1 device-hours (cuda)"
    assert lines[1] == "runs of runs time device-hours device parameters images/s"
    assert lines[3] == "train a 1 30 min 1 cuda 64 50"
    assert len(lines) == 4
    verbose = cxrshort_here("stats", "cost", tmp_path / "runs", "--verbose").stdout
    assert verbose.startswith("each run\n") and verbose.endswith(result.stdout)


def test_one_json_document(tmp_path: Path) -> None:
    training(tmp_path / "runs" / "a")
    document = json.loads(cxrshort_here("stats", "cost", tmp_path / "runs", "--json").stdout)
    assert (document["schema"], document["device_hours"]) == ("cxrshort.stats-cost/1", {"cuda": 1.0})


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    expected = (66, f"no finished run below '{tmp_path}'", "cxrshort train and evaluate write some")
    assert failure(cxrshort_here("stats", "cost", tmp_path)) == expected
    training(tmp_path / "a")
    assert failure(cxrshort_here("stats", "cost", tmp_path, "--figures"))[:2] == (2, "--figures needs a folder")
