"""The gate of audits: exit code 3 at the level that was named, and at nothing milder."""

import pytest
import typer

from cxrshort.cli.gate import CHECK_LEVELS, EXIT_CODE, LEAK_LEVELS, SUSPICIOUS_LEVELS, check_level, exit_on_verdict
from cxrshort.errors import UsageError
from cxrshort.results import Result


@pytest.mark.parametrize(
    ("verdicts", "fail_on"),
    [
        (["no evidence", "shortcut"], "shortcut"),
        (["shortcut"], "suspicious"),
        (["suspicious", "not testable"], "suspicious"),
    ],
)
def test_a_verdict_of_the_level_or_worse_ends_with_three(verdicts, fail_on):
    with pytest.raises(typer.Exit) as ended:
        exit_on_verdict(Result(verdicts=verdicts), fail_on)
    assert ended.value.exit_code == EXIT_CODE == 3


@pytest.mark.parametrize(
    ("verdicts", "fail_on"),
    [
        (["suspicious"], "shortcut"),
        (["no evidence", "not testable"], "suspicious"),
        (["shortcut"], None),
        ([], "shortcut"),
    ],
)
def test_anything_milder_passes(verdicts, fail_on):
    assert exit_on_verdict(Result(verdicts=verdicts), fail_on) is None


def test_an_unknown_level_is_refused_before_the_work():
    assert check_level(None) is None
    assert check_level("suspicious") is None
    with pytest.raises(UsageError, match="'sus' is not a known level of --fail-on"):
        check_level("sus")


@pytest.mark.parametrize(
    ("statuses", "fail_on", "code"),
    [(["FAIL"], "fail", 3), (["WARN"], "fail", 0), (["WARN"], "warn", 3), (["PASS", "NOT ASSESSABLE"], "warn", 0)],
)
def test_checks_have_levels_of_their_own(statuses, fail_on, code):
    check_level(fail_on, CHECK_LEVELS)
    if not code:
        return exit_on_verdict(Result(verdicts=statuses), fail_on, CHECK_LEVELS)
    with pytest.raises(typer.Exit) as ended:
        exit_on_verdict(Result(verdicts=statuses), fail_on, CHECK_LEVELS)
    assert ended.value.exit_code == code
    return None


@pytest.mark.parametrize(
    ("verdicts", "fail_on", "levels", "code"),
    [
        (["leak"], "leak", LEAK_LEVELS, 3),
        (["suspicious"], "leak", LEAK_LEVELS, 0),
        (["suspicious"], "suspicious", LEAK_LEVELS, 3),
        (["suspicious"], "suspicious", SUSPICIOUS_LEVELS, 3),
        (["no evidence"], "suspicious", SUSPICIOUS_LEVELS, 0),
    ],
)
def test_leaks_and_groups_have_levels_of_their_own(verdicts, fail_on, levels, code):
    check_level(fail_on, levels)
    if not code:
        return exit_on_verdict(Result(verdicts=verdicts), fail_on, levels)
    with pytest.raises(typer.Exit) as ended:
        exit_on_verdict(Result(verdicts=verdicts), fail_on, levels)
    assert ended.value.exit_code == code
    return None
