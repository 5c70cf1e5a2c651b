"""``cxrshort stats gap``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

from ...verbs.stats.scored import plain, predictions, written
from ..console import cxrshort_here, failure


def test_table_for_people_has_the_crude_and_the_matched_gaps(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "gap", written(predictions(), tmp_path), "--label", "Edema")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == ("95 % intervals; matched: images inside weighted to the case mix outside")
    assert lines[1] == "label training internal - external matched AUC inside AUC outside gap finding"
    names = "Edema a/small-cnn/erm hospital-a - hospital-b"
    assert [line[: len(names)] for line in lines[3:6]] == [names] * 3
    matched = [line[len(names) + 1 :].rpartition(" 0.")[0].split(" 0.")[0] for line in lines[3:6]]
    assert matched == ["nothing", "view", "view+class"]
    assert all(line.endswith(("not shown", "shown")) for line in lines[3:6])


def test_one_json_document(tmp_path: Path) -> None:
    document = json.loads(cxrshort_here("stats", "gap", written(predictions(), tmp_path), "--json").stdout)
    assert (document["schema"], document["match"], len(document["gaps"])) == ("cxrshort.stats-gap/1", "view", 6)


def test_column_of_roles_and_of_the_case_mix(tmp_path: Path) -> None:
    table = plain(tmp_path, side=["internal", "internal", "external"] * 4)
    columns = ("--target", "label", "--score", "score", "--person", "patient")
    result = cxrshort_here("stats", "gap", table, *columns, "--role", "side", "--match", "view")
    assert result.exit_code == 0 and "internal - external" in result.stdout
    expected = (65, "scores.csv: there is no column 'role'", "columns: label, score, patient, view, side")
    assert failure(cxrshort_here("stats", "gap", table, *columns)) == expected


def test_one_side_alone_is_one_line(tmp_path: Path) -> None:
    table = predictions()
    path = written(table[table["role"] == "external"], tmp_path)
    code, message, _ = failure(cxrshort_here("stats", "gap", path))
    assert (code, message.partition(" in column")[0]) == (
        65,
        "predictions.csv: no model has both 'internal' and 'external'",
    )
