"""``cxrshort stats subgroups``: the exact text, the document, the gate, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.groups import grouped_predictions
from ...verbs.stats.scored import plain, written
from ..console import cxrshort_here, failure, run_and_list_imports

FAST = ("--label", "Edema", "--draws", "100")
PLAIN = ("--target", "label", "--score", "score", "--person", "patient", "--columns", "view")


def table(folder: Path) -> Path:
    return written(grouped_predictions(), folder)


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "subgroups", table(tmp_path), *FAST, "--columns", "sex", "--threshold", "0.5")
    assert result.exit_code == 0
    assert result.stderr == "note: images without a value are of no group, of 480: sex 12\n"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "Groups against everybody else, worst first; 95 % intervals; P by Holm over all comparisons"
    assert lines[1] == "label Edema, training a/small-cnn/erm, tested on hospital-b, repl. 0"
    assert lines[2] == "group pos. neg. persons AUC minus the rest sensitivity specificity calibration finding"
    assert [line[:6] for line in lines if line.startswith("sex ")][:2] == ["sex F ", "sex M "]  # the worst one first
    assert "AUC lower (P 3.8e-07); sensitivity lower (P" in lines[4]
    gaps = "Largest gap between the groups of a column; P by permutation of persons, Holm over columns"
    (title,) = [place for place, line in enumerate(lines) if line.startswith(gaps)]
    start = "sex Edema a/small-cnn/erm hospital-b 0 AUC 2 234 0.211 0.754 sex F 0.965 sex M 0.0099 0.0099 shown"
    assert lines[title + 3] == start


def test_one_json_document(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "subgroups", table(tmp_path), *FAST, "--no-pairs", "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], document["pairs"]) == ("cxrshort.stats-subgroups/1", False)
    assert {row["column"] for row in document["groups"]} == {"sex", "age_years", "view", "repository", "manufacturer"}
    assert result.stderr == ""


def test_verbose_prints_every_group(tmp_path: Path) -> None:
    brief, full = (
        cxrshort_here("stats", "subgroups", table(tmp_path), *FAST, *more).stdout for more in ((), ("--verbose",))
    )
    assert " groups)" in brief.splitlines()[0] and " groups)" not in full.splitlines()[0]
    assert len(full.splitlines()) > len(brief.splitlines())


def test_gate_stops_at_a_suspicious_group(tmp_path: Path) -> None:
    path = written(grouped_predictions(1200), tmp_path)
    options = ("stats", "subgroups", path, *FAST, "--no-pairs")
    assert cxrshort_here(*options).exit_code == 0
    stopped = cxrshort_here(*options, "--fail-on", "suspicious")
    assert (stopped.exit_code, stopped.stdout) == (3, cxrshort_here(*options).stdout)
    code, message, hint = failure(cxrshort_here(*options, "--fail-on", "shortcut"))
    assert (code, message, hint) == (2, "'shortcut' is not a known level of --fail-on", "one of: suspicious")


def test_folder_is_named_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = cxrshort_here("stats", "subgroups", table(tmp_path), *FAST, "--out", folder, "--figures")
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    assert {path.name for path in folder.iterdir()} == {
        "groups.csv", "comparisons.csv", "gaps.csv", "auc-by-group.png", "sensitivity-by-group.png",
        "specificity-by-group.png", "run.json", "summary.json",
    }  # fmt: skip


def test_predictions_through_a_pipe_and_no_torch(tmp_path: Path) -> None:
    words = ["stats", "subgroups", "-", *FAST, "--columns", "sex", "--out", "o", "--figures"]
    with table(tmp_path).open() as stream:
        _, modules = run_and_list_imports(*words, cwd=tmp_path, stdin=stream)
    assert "pandas" in modules and not modules & {"torch", "torchvision"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"label": [0] * 12},
            "scores.csv: of 2 groups none has, like everybody else, 10 persons with the finding and 10 without",
        ),
        ({"label": [0, 2] * 6}, "scores.csv: column 'label' holds 6 targets that are neither 0 nor 1, such as '2'"),
    ],
)
def test_bad_tables_are_one_line(tmp_path: Path, columns: dict, message: str) -> None:
    assert failure(cxrshort_here("stats", "subgroups", plain(tmp_path, **columns), *PLAIN))[:2] == (65, message)


def test_empty_table_and_unknown_column_are_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "t.csv"
    empty.write_text("label,score,patient,view\n")
    assert failure(cxrshort_here("stats", "subgroups", empty, *PLAIN))[:2] == (65, "t.csv: the table is empty")
    expected = (65, "scores.csv: there is no column 'vew'", "did you mean 'view'?")
    assert failure(cxrshort_here("stats", "subgroups", plain(tmp_path), *PLAIN[:-1], "vew")) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--level", "1.5"), 'level "1.5" is not between 0 and 1'),
        (("--threshold", "2"), 'threshold "2" is not between 0 and 1'),
        (("--figures",), "--figures needs a folder"),
        (("--quiet", "--verbose"), "--quiet and --verbose exclude each other"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, option: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "subgroups", plain(tmp_path), *PLAIN, *option))[:2] == (2, message)
