"""``cxrshort stats audits``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

from ...verbs.stats.finished_runs import finished
from ..console import cxrshort_here, failure


def results(folder: Path) -> Path:
    for name, verdict, effect in (("before", "shortcut", 1.5), ("after", "no evidence", 0.0)):
        finding = {"region": "marker", "verdict": verdict, "effect": effect, "low": effect, "high": effect + 0.25}
        summary = {"model": f"runs/{name}", "dataset": "marked", "rule": {"unit": "SD"}, "findings": [finding]}
        finished(folder / "results" / name, "swap-test", summary=summary, outputs=[])
    return folder / "results"


def test_text_for_people(tmp_path: Path) -> None:
    folder = results(tmp_path)
    result = cxrshort_here("stats", "audits", folder / "before", folder / "after")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "audit question on before after"
    row = "swap-test marker marked shortcut 1.500 [1.500, 1.750] no evidence 0.000 [0.000, 0.250]"
    assert lines[2] == row
    assert lines[-1] == "swap-test: SD"


def test_one_json_document(tmp_path: Path) -> None:
    document = json.loads(cxrshort_here("stats", "audits", results(tmp_path), "--json").stdout)
    assert (document["schema"], document["questions"]) == ("cxrshort.stats-audits/1", 1)
    assert {answer["verdict"] for answer in document["answers"]} == {"shortcut", "no evidence"}


def test_folder_without_audits_is_refused_in_one_line(tmp_path: Path) -> None:
    finished(tmp_path / "training", "train", outputs=[])
    assert failure(cxrshort_here("stats", "audits", tmp_path / "training")) == (
        65,
        "no evaluation and no audit lies in or below the folders",
        "evaluate, explain, swap-test and roentmod stress-test write some",
    )
