"""The gate of every audit: exit code 3 where a verdict is as bad as ``--fail-on`` says."""

from collections.abc import Collection

import typer

from cxrshort.registry import check_name
from cxrshort.results import Result

EXIT_CODE = 3
LEVELS = {"shortcut": ("shortcut",), "suspicious": ("shortcut", "suspicious")}
"""What ``--fail-on`` takes, and the verdicts that each of its levels stops at."""


def check_level(fail_on: str | None, *, levels: Collection[str] = tuple(LEVELS)) -> None:
    """Refuse an unknown level before the work begins.

    Args:
        fail_on: the level; None never ends the command.
        levels: those that the audit can reach.

    Raises:
        UsageError: it is none of them.
    """
    if fail_on is not None:
        check_name(levels, fail_on, kind="level of --fail-on")


def exit_on_verdict(result: Result, fail_on: str | None) -> None:
    """End the command with code 3 if a verdict is as bad as the level says, or worse.

    Args:
        result: of the audit, which has been printed.
        fail_on: one of `LEVELS`; None never ends it.

    Raises:
        typer.Exit: there is such a verdict.
    """
    if fail_on is not None and set(LEVELS[fail_on]) & set(result.verdicts):
        raise typer.Exit(EXIT_CODE)
