from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError
from cxrshort.verbs.stats.audits import audits

from .finished_runs import finished, scores

BEFORE, AFTER = "a" * 64, "b" * 64


def finding(verdict: str, effect: float | None, **more: Any) -> dict[str, Any]:
    limits = {} if effect is None else {"low": effect - 0.1, "high": effect + 0.1}
    return {"region": "marker", "verdict": verdict, "effect": effect, "why": "", **limits, **more}


def audit(
    folder: Path, model: str, sha256: str, *findings: dict[str, Any], verb: str = "swap-test", **more: Any
) -> Path:
    summary = {"model": model, "dataset": "marked", "rule": {"unit": "SD"}, "findings": list(findings), **more}
    inputs = {f"{model}/model.safetensors": sha256, "dataset": "films"}
    return finished(folder, verb, arguments={"split": "test"}, summary=summary, inputs=inputs, outputs=[])


def table(result: Any) -> list[list[str]]:
    shown = result.tables[0]
    return [[row[column.key] for column in shown.columns] for row in shown.rows]


def test_models_stand_side_by_side_in_the_order_of_the_folders(tmp_path: Path) -> None:
    before = audit(tmp_path / "z", "runs/plain", BEFORE, finding("shortcut", 1.62))
    after = audit(tmp_path / "a", "runs/cured", AFTER, finding("no evidence", 0.004))
    result = audits([before, after])
    assert [column.heading for column in result.tables[0].columns][3:] == ["plain", "cured"]
    assert table(result) == [
        ["swap-test", "marker", "marked", "shortcut 1.620 [1.520, 1.720]", "no evidence 0.004 [-0.096, 0.104]"]
    ]
    assert not result.notes
    reverse = audits([after, before])
    assert [column.heading for column in reverse.tables[0].columns][3:] == ["cured", "plain"]


def test_model_that_was_moved_stays_one_column(tmp_path: Path) -> None:
    audit(tmp_path / "all" / "swap", "runs/plain", BEFORE, finding("shortcut", 1.0))
    audit(tmp_path / "all" / "explain", "elsewhere/plain", BEFORE, finding("suspicious", 0.3), verb="explain")
    result = audits([tmp_path / "all"])
    assert len(result.summary["models"]) == 1 and len(table(result)) == 2


def test_evaluations_come_first_and_belong_to_their_models(tmp_path: Path) -> None:
    audit(tmp_path / "all" / "a-swap", "runs/1", "m1" + "0" * 62, finding("shortcut", 1.0))
    auc = {"dataset": "I", "dataset_id": "id-I", "role": "internal", "label": "Edema", "replicate": 0}
    aucs = [
        {**auc, "training_id": f"t{number}", "auc": 0.7 + number / 10, "low": 0.6, "high": 0.95, "reason": ""}
        for number in (1, 2)
    ]
    folder = finished(
        tmp_path / "all" / "b-scores", "evaluate", summary={"label": "Edema", "aucs": aucs}, outputs=["predictions.csv"]
    )
    pd.concat([scores(1), scores(2)]).to_csv(folder / "predictions.csv", index=False)
    result = audits([tmp_path / "all"])
    rows = table(result)
    assert rows[0][:3] == ["evaluate", "AUC of Edema, internal", "I"]
    assert sorted(rows[0][3:]) == ["", "0.800 [0.600, 0.950]", "0.900 [0.600, 0.950]"]
    assert result.notes == ["2 of 2 questions were not put to every model, on the same images"]


def test_answers_on_other_images_never_share_a_row(tmp_path: Path) -> None:
    first = audit(tmp_path / "1", "runs/plain", BEFORE, finding("shortcut", 1.0), dataset_id="x")
    second = audit(tmp_path / "2", "runs/cured", AFTER, finding("no evidence", 0.0), dataset_id="y")
    result = audits([first, second])
    assert len(table(result)) == 2
    assert result.notes == ["2 of 2 questions were not put to every model, on the same images"]


def test_later_folder_answers_again(tmp_path: Path) -> None:
    first = audit(tmp_path / "1", "runs/plain", BEFORE, finding("shortcut", 1.0))
    second = audit(tmp_path / "2", "runs/plain", BEFORE, finding("suspicious", 0.5))
    result = audits([first, second])
    assert table(result)[0][3] == "suspicious 0.500 [0.400, 0.600]"
    assert result.notes == ["1 answers were given again by a later folder, which is the one that is shown"]


def test_what_could_not_be_tested_says_why(tmp_path: Path) -> None:
    run = audit(tmp_path / "1", "runs/plain", BEFORE, finding("not testable", None, why="no box"))
    assert table(audits([run]))[0][3] == "not testable: no box"


def test_findings_of_several_models_and_labels(tmp_path: Path) -> None:
    findings = [
        finding("shortcut", 30.0, model="one", label="Edema"),
        finding("no evidence", 1.0, model="two", label="Edema"),
        finding("no evidence", 2.0, model="one", label="Mass"),
    ]
    run = audit(tmp_path / "1", "both", BEFORE, *findings, verb="roentmod stress-test")
    rows = table(audits([run], out=tmp_path / "out"))
    assert [row[1] for row in rows] == ["marker (Edema)", "marker (Mass)"]
    assert rows[1][4] == ""
    written = pd.read_csv(tmp_path / "out" / "audits.csv")
    assert written["value"].tolist() == [30.0, 1.0, 2.0] and (tmp_path / "out" / "run.json").exists()


def test_added_finding_itself_stands_beside_the_others(tmp_path: Path) -> None:
    cells = [
        {
            "model": "runs/plain",
            "added": "edema",
            "on_target": True,
            "change": 40.0,
            "change_low": 35.0,
            "change_high": 45.0,
        },
        {"model": "runs/plain", "added": "edema", "on_target": False, "change": 1.0},
    ]
    run = audit(
        tmp_path / "1", "runs/plain", BEFORE, finding("no evidence", 1.0), verb="roentmod stress-test", cells=cells
    )
    result = audits([run])
    assert [row[1:] for row in table(result)] == [
        ["marker", "marked", "no evidence 1.000 [0.900, 1.100]"],
        ["edema, on target", "marked", "40.000 [35.000, 45.000]"],
    ]
    assert result.tables[1].text == "roentmod stress-test: SD; on target: percentile points"


def test_findings_that_are_no_verdicts_on_a_model_are_left_out(tmp_path: Path) -> None:
    swap = audit(tmp_path / "swap", "runs/plain", BEFORE, finding("shortcut", 1.0))
    readers = finished(
        tmp_path / "readers", "roentmod readers", arguments={}, summary={"findings": ["Edema"]}, inputs={}, outputs=[]
    )
    distances = {"dataset": "edits", "findings": [{"edit": "edema", "kind": kind, "median": 1.0} for kind in "ab"]}
    identity = finished(
        tmp_path / "identity", "roentmod identity", arguments={}, summary=distances, inputs={}, outputs=[]
    )
    result = audits([swap, readers, identity])
    assert [line[0] for line in table(result)] == ["swap-test"]
    assert not any("given again" in note for note in result.notes)
    with pytest.raises(DataError, match="no evaluation and no audit"):
        audits([readers, identity])


def test_nothing_to_show_is_refused(tmp_path: Path) -> None:
    training = finished(tmp_path / "t", "train", outputs=[])
    with pytest.raises(DataError, match="no evaluation and no audit"):
        audits([training])
    with pytest.raises(MissingInputError, match="does not exist"):
        audits([tmp_path / "nowhere"])
