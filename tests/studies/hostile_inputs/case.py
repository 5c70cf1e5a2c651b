"""One hostile case, and what it came to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DONE, USAGE, DATA, MISSING, OUTPUT, RESUMABLE, INTERRUPTED, FAILED = 0, 2, 65, 66, 73, 75, 130, 1

REFUSED = (DATA,)
"""What is wrong must be refused."""
READ_OR_REFUSED = (DONE, DATA)
"""What may be read well, or be refused as data."""
ANY_REFUSAL = (USAGE, DATA, MISSING, OUTPUT)
"""What must be refused, in whichever of its sides is looked at first."""
HANDLED = (DONE, *ANY_REFUSAL)
"""What may be harmless, or refused."""


@dataclass(frozen=True)
class Case:
    """Say what is run and what may come of it.

    Args:
        name: tells it from the others of its family.
        prepare: writes files into the folder of the case and returns the arguments of the command.
        codes: exit codes that are right.
        out: the folder that the command writes, below that of the case; empty for one that writes none.
        within: the folder in which the command runs, below that of the case.
        stdin: bytes of standard input; None for the null device.
        redirected: files in place of streams, by descriptor.
        closed: descriptors that are closed.
        environment: variables to set.
        memory: bytes of address space beyond what the imports take; 0 for the usual limit.
        signal: seconds after which a signal is sent, and the signal.
        silent: whether nothing can be printed, so that nothing printed is judged.
        kept: whether what the command was to write anew must stay as it was, since the command fails.
        family: the family, for the table.
    """

    name: str
    prepare: Callable[[Path], Sequence[object]]
    codes: Sequence[int] = HANDLED
    out: str = "out"
    within: str = "."
    stdin: bytes | None = None
    redirected: Mapping[int, str] = field(default_factory=dict)
    closed: Sequence[int] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int = 0
    signal: tuple[float, int] | None = None
    silent: bool = False
    kept: bool = False
    family: str = ""

    def stdin_path(self, home: Path) -> Path:
        """Return the file that is standard input, written where there is something to read."""
        if self.stdin is None:
            return Path("/dev/null")
        (home / "stdin").write_bytes(self.stdin)
        return home / "stdin"


@dataclass(frozen=True)
class Outcome:
    """Hold what a command came to.

    Args:
        code: exit code; negative where a signal ended it.
        hung: whether it was killed at the limit of time.
        stdout: what it printed.
        stderr: what it said.
        seconds: how long it took.
    """

    code: int
    hung: bool
    stdout: bytes
    stderr: bytes
    seconds: float
