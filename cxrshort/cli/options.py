"""Options that mean the same in every command."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.errors import UsageError

Dataset = Annotated[
    str,
    typer.Option("--dataset", metavar="D", help="A dataset folder, a manifest file, - or a name.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to write.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Chooses every random draw.")]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str, typer.Option("--precision", metavar="P", help="auto, fp32 or bf16.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, max=4096, help="CPU threads; recorded.", show_default="all cores"),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Parallel workers for images.", show_default="all cores"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="The short result alone: no progress, no notes.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Whole tables: every label, measurement, epoch and reason.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an earlier output.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and what it takes; write nothing.")]


def check_loudness(*, quiet: bool, verbose: bool) -> None:
    """Refuse ``--quiet`` together with ``--verbose``.

    Raises:
        UsageError: both are given.
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other", "give one of them")
