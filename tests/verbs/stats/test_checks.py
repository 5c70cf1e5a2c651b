"""The list of checks over a whole study: counts, statements, files, and nothing that passes without evidence."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError
from cxrshort.verbs.stats.checklist.recommendations import all_checks
from cxrshort.verbs.stats.checks import checks

from .studies import INSIDE, write_run


def statuses(*paths: Path, **options: object) -> dict[str, str]:
    rows = checks(list(paths), **options).summary["checks"]  # type: ignore[arg-type]
    return {row["check"]: row["status"] for row in rows}


def test_whole_study_is_judged(study: Path) -> None:
    result = checks([study])
    words = statuses(study)
    assert list(words) == list(all_checks())
    assert list(result.verdicts) == list(words.values())
    assert sum(result.summary["counts"].values()) == len(words)
    assert result.summary["label"] == "COVID-19"
    expected = {"confounding": "FAIL", "split-by-person": "PASS", "seeds": "WARN", "claim": "NOT ASSESSABLE"}
    assert {name: words[name] for name in expected} == expected


def test_every_pass_names_the_file_that_shows_it(study: Path) -> None:
    for row in checks([study]).summary["checks"]:
        assert row["fact"]
        if row["status"] == "PASS":
            for source in row["source"].split("; "):
                assert Path(source.partition(": ")[0]).is_file(), row


def test_run_that_shows_nothing_passes_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "stats cost")
    passed = {name for name, status in statuses(tmp_path).items() if status == "PASS"}
    assert passed <= {"details"}  # the run does record how it was made


def test_dataset_alone_passes_nothing_of_models(study: Path) -> None:
    passed = {name for name, status in statuses(study / INSIDE).items() if status == "PASS"}
    assert passed == {"criteria", "demographics", "dataset-tables", "split-by-person", "details"}


def test_statement_stands_beside_what_no_file_shows(study: Path, tmp_path: Path) -> None:
    attest = tmp_path / "study.toml"
    attest.write_text('label-errors = "200 films read again"\nconfounding = "we think not"\n')
    rows = {row["check"]: row for row in checks([study], attest=attest).summary["checks"]}
    assert rows["label-errors"]["status"] == "NOT ASSESSABLE"
    assert rows["label-errors"]["fact"] == "attested, not verified: 200 films read again"
    assert rows["confounding"]["status"] == "FAIL" and "think" not in rows["confounding"]["fact"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label-eror = 'x'", "there is no check 'label-eror'"),
        ("label-errors = 5", "the statement on 'label-errors' is not a text"),
        ("label-errors", "is not readable as TOML"),
    ],
)
def test_wrong_statements_are_one_sentence(study: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        checks([study], attest=tmp_path / "study.toml")


def test_missing_statements_are_one_sentence(study: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot be read: no such file"):
        checks([study], attest=tmp_path / "none.toml")


def test_folder_holds_the_list_and_is_no_evidence_itself(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = checks([study], out=out)
    assert {path.name for path in out.iterdir()} == {"checks.csv", "run.json", "summary.json"}
    table = pd.read_csv(out / "checks.csv", keep_default_na=False)
    assert table.to_dict("records") == result.summary["checks"]
    assert json.loads((out / "summary.json").read_text())["counts"] == result.summary["counts"]
    before, after = statuses(study), statuses(study, out)
    assert before == after
