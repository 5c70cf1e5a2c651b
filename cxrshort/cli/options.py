"""Options that mean the same in every command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cxrshort.errors import UsageError

DATA = "Data"
FILES = "Output files"
MACHINE = "Device and workers"
TERMINAL = "What is printed"
REGIONS = "Regions"

LARGEST_SEED = 2**63 - 1


def option(
    *names: str,
    text: str,
    panel: str,
    metavar: str | None = None,
    default: str | bool = False,
    least: int | None = None,
    most: int | None = None,
) -> Any:
    """Return an option of a command.

    Args:
        names: such as ``"--lr"``.
        text: its line of help, a whole phrase.
        panel: the heading under which help lists it.
        metavar: what stands for its value; None for a switch.
        default: what help shows as the default: a text, or True for the value itself.
        least: the smallest number that it takes.
        most: the largest one.
    """
    return typer.Option(
        *names, help=text, rich_help_panel=panel, metavar=metavar, show_default=default, min=least, max=most
    )


def seed_option(text: str, *, panel: str) -> Any:
    """Return ``--seed``.

    Args:
        text: its line of help, which says what the seed decides.
        panel: the heading under which help lists it.
    """
    return option("--seed", text=text, metavar="N", panel=panel, default=True, least=0, most=LARGEST_SEED)


def fail_on_option(text: str, *, metavar: str = "VERDICT") -> Any:
    """Return ``--fail-on``.

    Args:
        text: its line of help, which says at what each level ends with exit code 3.
        metavar: what stands for the level.
    """
    return option("--fail-on", text=text, metavar=metavar, panel=TERMINAL, default="never")


def _threads_option(text: str) -> Any:
    return option("--threads", text=text, metavar="N", panel=MACHINE, default="all cores", least=1, most=4096)


def argument(metavar: str, text: str) -> Any:
    """Return a positional argument of a command.

    Args:
        metavar: what stands for its value; ends in ``...`` where there may be more than one.
        text: its line of help.
    """
    return typer.Argument(metavar=metavar, help=text, show_default=False)


Dataset = Annotated[
    str,
    option(
        "--dataset",
        text="Dataset: a name, a dataset folder, a manifest file, or - for standard input.",
        metavar="D",
        panel=DATA,
    ),
]
ModelArgument = Annotated[
    str,
    argument("MODEL", "Model file, run folder, or model trained elsewhere (see evaluate)."),
]
Split = Annotated[
    str, option("--split", text="Fold to use: test, val, train or all.", metavar="S", panel=DATA, default=True)
]
RegionBoxes = Annotated[
    Path | None,
    option(
        "--regions",
        text="Table of boxes: image_id,region,x0,y0,x1,y1, in pixels of the dataset's images.",
        metavar="CSV",
        panel=REGIONS,
    ),
]
LungMasks = Annotated[
    Path | None,
    option(
        "--masks",
        text="Lung masks: a folder with one file per image, or a .npy file with one mask per row of images.npy.",
        metavar="PATH",
        panel=REGIONS,
        default="the dataset's",
    ),
]
LungSegmenter = Annotated[
    str | None,
    option(
        "--segmenter",
        text="Segmenter that predicts the lungs of images without a mask.",
        metavar="MODEL",
        panel=REGIONS,
    ),
]
Out = Annotated[Path | None, option("--out", text="Folder to write to.", metavar="DIR", panel=FILES)]
Device = Annotated[
    str, option("--device", text="auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE", panel=MACHINE, default=True)
]
Precision = Annotated[str, option("--precision", text="auto, fp32 or bf16.", metavar="P", panel=MACHINE, default=True)]
Threads = Annotated[int | None, _threads_option("CPU threads of torch.")]
ThreadsKept = Annotated[int | None, _threads_option("CPU threads of torch; --resume needs the same number.")]
"""Of commands whose numbers depend on the threads, so that an interrupted run goes on with its own."""
Jobs = Annotated[
    int | None,
    option(
        "--jobs",
        text="Worker processes or threads.",
        metavar="N",
        panel=MACHINE,
        default="all cores",
        least=1,
    ),
]
Json = Annotated[bool, option("--json", text="Print one JSON document instead of tables.", panel=TERMINAL)]
Quiet = Annotated[bool, option("--quiet", text="Print the result alone: no progress, no notes.", panel=TERMINAL)]
Verbose = Annotated[bool, option("--verbose", text="Print tables in full instead of summaries.", panel=TERMINAL)]
FailOn = Annotated[
    str | None,
    fail_on_option(
        "shortcut: exit with code 3 if a region is called shortcut; suspicious: also if one is called suspicious. "
        "Under torchrun, whose own exit code is then 1, read verdict from the JSON."
    ),
]
Force = Annotated[bool, option("--force", text="Overwrite earlier output.", panel=FILES)]
Resume = Annotated[bool, option("--resume", text="Continue an interrupted run where it stopped.", panel=FILES)]
DryRun = Annotated[
    bool,
    option(
        "--dry-run",
        text="Write nothing: print what would be read and written, with a forecast of time and memory.",
        panel=FILES,
    ),
]


def check_loudness(*, quiet: bool, verbose: bool) -> None:
    """Refuse ``--quiet`` together with ``--verbose``.

    Raises:
        UsageError: both are given.
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other", "give one of them")
