"""Every error that cxrshort raises on purpose.

An error carries one sentence (the value in quotes, then the rule it breaks), a hint that names the next command, and
the exit code that scripts see. The command line shows it; the library never prints.
"""


class CxrshortError(Exception):
    """Report what failed and what to do next.

    Args:
        message: one sentence, lower case, the offending value in quotes.
        hint: the next command or option to try; empty when there is none.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WorkFailedError(CxrshortError):
    """Report work that started and could not be completed (exit 1)."""


class UsageError(CxrshortError):
    """Report a command that makes no sense as it was given (exit 2)."""

    exit_code = 2


class DataError(CxrshortError):
    """Report input that breaks a rule of its format (exit 65)."""

    exit_code = 65


class MissingInputError(CxrshortError):
    """Report an input that is not there (exit 66)."""

    exit_code = 66


class OutputError(CxrshortError):
    """Report an output that cannot be written or exists already (exit 73)."""

    exit_code = 73


class ResumableError(CxrshortError):
    """Report an interruption that left a checkpoint: the same command with ``--resume`` continues (exit 75)."""

    exit_code = 75
