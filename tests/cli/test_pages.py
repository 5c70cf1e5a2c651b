"""Manual pages, made from the command tree."""

import re
from pathlib import Path

import pytest

from cxrshort.cli.pages import main, pages
from cxrshort.columns import COLUMNS
from cxrshort.stats.verdicts import RULES, describe_rule

REPOSITORY = Path(__file__).resolve().parents[2]


def test_pages_and_completions_are_current() -> None:
    assert main(["--check", str(REPOSITORY)]) == 0


def test_page_of_a_command_has_every_option_under_its_heading_and_the_example() -> None:
    page = pages()["man/cxrshort-evaluate.1"]
    headings = [line.removeprefix(".SH ") for line in page.splitlines() if line.startswith(".SH ")]
    assert headings == ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLE", "SEE ALSO"]
    assert "MODEL... [OPTIONS]\n" in page
    assert ".B \\-\\-dataset D\nDataset to test on: " in page and page.count("Required.") == 1
    assert ".B \\-\\-split S\nFold to use: test, val, train or all. Default: test.\n" in page
    data, machine = page.index(".SS Data\n"), page.index(".SS Device and workers\n")
    assert data < page.index(".B \\-\\-split S") < machine < page.index(".B \\-\\-device")
    assert "\n.EX\ncxrshort evaluate runs/" in page


def test_page_of_a_verb_with_sub_commands_lists_them_by_question_and_each_has_a_page() -> None:
    made = pages()
    page = made["man/cxrshort-stats.1"]
    headings = [line.removeprefix(".SH ") for line in page.splitlines() if line.startswith(".SH ")]
    assert headings == ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "SEE ALSO"]
    assert ".SS How good is it?\n.TP\n.BR cxrshort\\-stats\\-auc (1)\nAUC, average precision" in page
    below = made["man/cxrshort-stats-auc.1"]
    assert ".B cxrshort stats auc\nTABLE [OPTIONS]\n" in below
    assert below.endswith(".SH SEE ALSO\n.BR cxrshort\\-stats (1),\n.BR cxrshort (1)\n")


@pytest.mark.parametrize("name", RULES)
def test_page_and_help_of_an_audit_state_the_rule_and_what_it_rests_on(name: str) -> None:
    page, rule = pages()[f"man/cxrshort-{name}.1"], RULES[name]
    for term, meaning in describe_rule(rule):
        assert f".TP\n.B {term}\n{meaning}" in page.replace("\\-", "-")
    suspicious = re.search(r"and (\d+) got suspicious", page)
    calibrated = re.search(r"(\d+) called suspicious", rule.calibrated)
    assert suspicious and calibrated and suspicious[1] == calibrated[1]
    trained, clean = (
        re.search(r"Of (\d+) (?:models|datasets)", page),
        re.search(r"(\d+) clean (?:models|datasets)", rule.calibrated),
    )
    assert trained and clean and trained[1] == clean[1]
    assert f"p of at most {rule.doubt_level:g}" in page


def test_main_page_lists_every_column_of_a_manifest_and_every_command() -> None:
    page = pages()["man/cxrshort.1"]
    described = page[page.index(".SH MANIFEST COLUMNS") : page.index(".SH ENVIRONMENT")]
    assert [line for line in described.splitlines() if line.startswith(".B ")] == [
        f".B {column.name.replace('-', chr(92) + '-')}" for column in COLUMNS
    ]
    for name in pages():
        command = Path(name).stem.removeprefix("cxrshort-")
        if name.startswith("man/cxrshort-"):
            assert f".BR cxrshort\\-{command.replace('-', chr(92) + '-')} (1)" in page


def test_pages_that_are_not_current_are_named_and_then_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    stale = len(pages())
    first = next(iter(pages()))
    assert capsys.readouterr().err == f"error: {stale} pages are not current, such as {first}\nhint: make pages\n"
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(pages())
    (tmp_path / "man" / "cxrshort.1").write_text("another")
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: 1 pages are not current, such as man/cxrshort.1\n")
