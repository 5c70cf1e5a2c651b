"""The gate of every audit: exit code 3 where a verdict is as bad as ``--fail-on`` says."""

from collections.abc import Mapping

import typer

from cxrshort.registry import check_name
from cxrshort.results import Result

EXIT_CODE = 3
LEVELS = {"shortcut": ("shortcut",), "suspicious": ("shortcut", "suspicious")}
"""What ``--fail-on`` takes, and the verdicts that each of its levels stops at."""
CHECK_LEVELS = {"fail": ("FAIL",), "warn": ("FAIL", "WARN")}
"""The same where checks are judged and not regions."""
LEAK_LEVELS = {"leak": ("leak",), "suspicious": ("leak", "suspicious")}
"""The same of ``stats leakage``."""
SUSPICIOUS_LEVELS = {"suspicious": LEVELS["suspicious"]}
"""The same where suspicious is the worst verdict."""


def check_level(fail_on: str | None, levels: Mapping[str, tuple[str, ...]] = LEVELS) -> None:
    """Refuse an unknown level before the work begins.

    Raises:
        UsageError: it is none of the levels.
    """
    if fail_on is not None:
        check_name(levels, fail_on, kind="level of --fail-on")


def exit_on_verdict(result: Result, fail_on: str | None, levels: Mapping[str, tuple[str, ...]] = LEVELS) -> None:
    """End the command with code 3 if a verdict is as bad as the level says, or worse.

    Args:
        result: of the audit, which has been printed.
        fail_on: one of the levels; None never ends it.
        levels: the verdicts that each level stops at.

    Raises:
        typer.Exit: there is such a verdict.
    """
    if fail_on is not None and set(levels[fail_on]) & set(result.verdicts):
        raise typer.Exit(EXIT_CODE)
