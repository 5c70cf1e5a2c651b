"""One printer shows any result: blocks on stdout by loudness, notes on stderr, or one JSON document."""

import json
from pathlib import Path
from typing import Any

import pytest

from cxrshort.cli import app
from cxrshort.cli.printer import interval, print_result
from cxrshort.results import BRIEF, UNLESS_QUIET, VERBOSE, Column, Facts, Listing, Result, Table, Text, text_table

Captured = pytest.CaptureFixture[str]
SHOWN = (
    Text("described", shown=UNLESS_QUIET),
    Text("found 3", shown=BRIEF),
    text_table(["name", "images"], [["I", 1200]], counts=(1,), shown=VERBOSE),
    Facts([("disk", "1 MiB")]),
)


@pytest.mark.parametrize(
    ("options", "out", "err"),
    [
        ({}, "described\nfound 3\ndisk   1 MiB\n", "note: one is left out\n"),
        ({"quiet": True}, "found 3\ndisk   1 MiB\n", ""),
        (
            {"verbose": True},
            "described\nname   images\n─────────────\nI       1,200\n\ndisk   1 MiB\n",
            "note: one is left out\n",
        ),
    ],
)
def test_loudness_chooses_what_is_shown(capsys: Captured, options: dict[str, bool], out: str, err: str) -> None:
    print_result(Result({}, SHOWN, notes=["one is left out"]), json=False, **options)
    shown = capsys.readouterr()
    assert "".join(line.rstrip() + "\n" for line in shown.out.splitlines()) == out
    assert shown.err == err


def test_document_replaces_tables_and_notes(capsys: Captured) -> None:
    print_result(Result({"rows": 3}, SHOWN, notes=["one is left out"], kind="dataset"), json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"schema": "cxrshort.dataset/1", "rows": 3, "notes": ["one is left out"]}
    assert shown.err == ""


def test_last_line_names_the_file_for_the_next_command(capsys: Captured) -> None:
    print_result(Result(folder=Path("run"), file=Path("run/model.safetensors")), json=False)
    print_result(Result(folder=Path("results")), json=False)
    assert capsys.readouterr().out == "written to run/model.safetensors\nwritten to results\n"


def test_listing_aligns_its_names_over_sections_and_folds_what_they_mean(capsys: Captured) -> None:
    meaning = "words " * 30
    print_result(Result({}, (Listing({"first": [("a", meaning)], "second": [("longer", "short")]}),)), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["first", "  a       " + "words " * 14 + "words"]
    assert lines[2].startswith(" " * 10 + "words")
    assert lines[-3:] == ["", "second", "  longer  short"]
    assert max(map(len, lines)) <= 100


def test_text_is_folded_where_it_is_not_for_grep(capsys: Captured) -> None:
    text = "word " * 40
    print_result(Result({}, (Text(text), Text(text, folded=True, start="- ", indent="  "))), json=False)
    whole, *folded = capsys.readouterr().out.splitlines()
    assert whole == text
    assert folded[0].startswith("- word") and all(line.startswith("  word") for line in folded[1:])


def test_table_has_a_title_and_prints_intervals(capsys: Captured) -> None:
    columns = [Column("label", "label"), Column("AUC", "auc", "interval")]
    rows = [{"label": "Edema", "auc": 0.75, "low": 0.5, "high": 0.9}]
    print_result(Result({}, (Table(columns, rows, "all films"),)), json=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["all films", "label   AUC"] and lines[3] == "Edema   0.750 [0.500, 0.900]"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"auc": 0.75, "low": 0.5, "high": 0.9}, "0.750 [0.500, 0.900]"),
        ({"auc": 0.75, "auc_low": 0.6, "auc_high": 0.8, "low": 0.5, "high": 0.9}, "0.750 [0.600, 0.800]"),
        (
            {"auc": 0.75, "low": 0.5, "high": 0.9, "deviation": 0.02, "replicates": 2, "reason": "only 8 persons"},
            "0.750 [0.500, 0.900], SD 0.020 over 2 (only 8 persons)",
        ),
        (
            {"auc": 0.75, "low": 0.5, "high": 0.9, "caution": "only 8 persons in the smaller class for an AUC of 0.75"},
            "0.750 [0.500, 0.900] (only 8 persons)",
        ),
        ({"auc": 0.75, "low": None, "high": None}, "no interval: one person"),
        ({"auc": None, "reason": "one class only"}, "none: one class only"),
    ],
)
def test_interval_has_limits_or_a_reason(row: dict[str, Any], text: str) -> None:
    assert interval(row, Column("AUC", "auc", "interval")) == text


def test_command_of_a_verb_prints_nothing_itself() -> None:
    cli, verbs = Path(app.__file__).parent, Path(app.__file__).parent.parent / "verbs"
    commands = sorted({path.name for path in cli.glob("*.py")} & {path.name for path in verbs.glob("[a-z]*.py")})
    audits = ["explain.py", "swap_test.py"]
    assert commands == sorted(
        ["build_dataset.py", "doctor.py", "evaluate.py", "paths.py", "tea_distill.py", "train.py", *audits]
    )
    for name in commands:
        source = (cli / name).read_text(encoding="utf-8")
        assert "print_result(" in source
        assert not [word for word in ("cli.tables", "sys.stdout", "echo(") if word in source], name


def test_text_is_folded_on_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    text = f"{'word ' * 40}end\nshort\n"
    print_result(Result({}, (Text(text),)), json=False)
    lines = capsys.readouterr().out.split("\n")
    assert " ".join(lines[:-3]) == f"{'word ' * 40}end" and max(map(len, lines)) <= 100
    assert lines[-3:] == ["short", "", ""]


def test_title_of_a_table_is_folded_on_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    title = f"{'word ' * 40}end"
    print_result(Result({}, (Table([Column("label", "label")], [{"label": "Edema"}], title),)), json=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.split("\n")]
    heading = next(number for number, line in enumerate(lines) if "label" in line)  # with its styles
    assert heading > 1 and " ".join(lines[:heading]) == title and max(map(len, lines[:heading])) <= 100


def test_table_at_the_end_has_no_empty_line_below(capsys: Captured) -> None:
    shown = text_table(["name"], [["a"]])
    print_result(Result({}, (shown,)), json=False)
    print_result(Result({}, (shown,), folder=Path("results")), json=False)
    assert capsys.readouterr().out == "name\n────\na\nname\n────\na\n\nwritten to results\n"


def test_limit_that_rounds_to_zero_has_no_sign() -> None:
    row = {"gap": 0.004, "gap_low": -0.0004, "gap_high": 0.0122}
    assert interval(row, Column("gap", "gap", "interval")) == "0.004 [0.000, 0.012]"
