"""Dry runs: what would become of the output folder, with a forecast of time, memory and disk."""

import resource
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort import runs
from cxrshort.errors import OutputError
from cxrshort.quantities import quantity
from cxrshort.results import Facts, Result, Text

_FATES = {
    "new": "",
    "replaced": " (exists; --force overwrites it)",
    "resumed": " (unfinished; --resume continues it)",
    "complete": " (complete already; --resume would leave it as it is)",
    "refused": " (exists; this run would be refused)",
}
TRIAL_SECONDS = 10.0
"""How long the trial of a dry run may take, whatever is tried."""
_LISTED = 6
"""Folders or files that are named one by one."""


def dry_run(
    summary: Mapping[str, Any],
    facts: Sequence[tuple[str, str]],
    *,
    notes: Sequence[str] = (),
    texts: Sequence[Text] = (),
) -> Result:
    """Return what a dry run says.

    Args:
        summary: its JSON document: ``reads``, ``outputs`` (of :func:`preview_folder`), ``disk_free_mib``, and if known
            ``disk_mib``, ``state_mib``, ``memory_mib``, ``gpu_memory_mib``, ``jobs``, ``images_per_second``, ``device``
            and ``minutes``, ``hours`` or ``hours_of_all_runs``.
        facts: what is to be said of the work itself; those without a text are left out.
        notes: what must be known besides.
        texts: what people see after the facts.
    """
    outputs = [output["folder"] + _FATES[output["fate"]] for output in summary["outputs"]]
    pairs = [
        *_lines("would read", summary["reads"]),
        *_lines("would write", outputs),
        *((name, text) for name, text in [*facts, *_cost(summary)] if text),
    ]
    refused = [output for output in summary["outputs"] if output["fate"] == "refused"]
    end = "nothing was written"
    if refused:
        end = f"as it stands, the run would be refused: {refused[0]['reason']}\nhint: {refused[0]['hint']}"
    return Result({"dry_run": True, **summary}, (Facts(pairs), *texts, Text(f"\n{end}")), notes=notes, plan=True)


def _lines(name: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the first texts, one in a line, with their name before the first."""
    more = len(texts) - _LISTED
    listed = [*texts[:_LISTED], f"and {more} more"] if more > 0 else texts
    return [(name if place == 0 else "", text) for place, text in enumerate(listed)]


def _cost(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the work would take, from a short trial."""
    disk = sum(summary.get(name, 0.0) for name in ("disk_mib", "state_mib"))
    costs = [("disk", f"{size_text(disk)} of {size_text(summary['disk_free_mib'])} free")]
    if "memory_mib" in summary:
        workers = f" for each of {summary['jobs']} workers" if summary.get("jobs", 1) > 1 else ""
        gpu = f", and {size_text(summary['gpu_memory_mib'])} of the GPU's" if "gpu_memory_mib" in summary else ""
        costs.append(("memory", f"{size_text(summary['memory_mib'])}{workers}{gpu}"))
    if "images_per_second" in summary:
        hours = summary.get("hours_of_all_runs", summary.get("hours", summary.get("minutes", 0.0) / 60))
        where = f" on {summary['device']}" if "device" in summary else ""
        costs.append(("time", f"{duration_text(hours)}, at {speed_text(summary['images_per_second'])}{where}"))
    return costs


def size_text(mib: float) -> str:
    """Return an amount of memory, given in MiB, as people say it.

    Example:
        >>> size_text(7.25), size_text(300.0), size_text(2048)
        ('7.2 MiB', '300 MiB', '2.0 GiB')
    """
    if mib >= 1024:
        return f"{mib / 1024:,.1f} GiB"
    return f"{mib:.1f} MiB" if mib < 10 else f"{mib:.0f} MiB"


def duration_text(hours: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration_text(0.01), duration_text(0.5), duration_text(30)
        ('less than a minute', '30 minutes', '30.0 hours')
    """
    if hours < 1 / 60:
        return "less than a minute"
    if hours < 1.5:
        return quantity(round(60 * hours), "minute")
    return f"{hours:,.1f} hours"


def significant(value: float) -> float:
    """Return a number to three significant digits, so that a slow rate is not rounded to zero.

    Example:
        >>> significant(0.012345), significant(231.46)
        (0.0123, 231.0)
    """
    return float(f"{value:.3g}")


def speed_text(images_per_second: float) -> str:
    """Return a speed as people say it: below one image a second, how long an image takes.

    Example:
        >>> speed_text(1234.5), speed_text(3.21), speed_text(0.25)
        ('1,234 images/s', '3.2 images/s', '4.0 s per image')
    """
    if images_per_second < 1:
        return f"{1 / images_per_second:,.1f} s per image"
    return f"{images_per_second:,.1f} images/s" if images_per_second < 10 else f"{images_per_second:,.0f} images/s"


def preview_folder(
    folder: Path, verb: str, *, inputs: Iterable[Path] = (), force: bool, resume: bool | None
) -> dict[str, str]:
    """Return what :func:`cxrshort.runs.start_run` would do with a folder, for a dry run.

    Args:
        folder: the run folder.
        verb: as for ``start``.
        inputs: what is read.
        force: as for ``start``.
        resume: as for ``start``.

    Returns:
        ``folder``; ``fate``, one of ``"new"``, ``"replaced"``, ``"resumed"``, ``"complete"`` (``--resume`` finds
        nothing left to do) and ``"refused"``; where it is refused, ``reason`` and ``hint``.
    """
    complete, unfinished = (folder / runs.DONE).exists(), (folder / runs.UNFINISHED).exists()
    fate = {"folder": str(folder), "fate": "new", "reason": "", "hint": ""}
    if complete and resume and not force:
        return {**fate, "fate": "complete"}
    try:
        overwrite = force or resume is None and unfinished and not complete
        runs.check_free(folder, verb, inputs=inputs, force=overwrite, resume=bool(resume))
    except OutputError as error:
        return {**fate, "fate": "refused", "reason": error.message, "hint": error.hint}
    if unfinished and resume:
        return {**fate, "fate": "resumed"}
    return {**fate, "fate": "replaced"} if complete or unfinished else fate


def preview_series(parent: Path, verb: str, outputs: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return what would become of the run folders of a series, from :func:`preview_folder`, within their parent."""
    try:
        runs.check_series(parent, verb)
    except OutputError as error:
        refusal = {"fate": "refused", "reason": error.message, "hint": error.hint}
        return [{**output, **refusal} for output in outputs]
    return [dict(output) for output in outputs]


def free_disk_mib(folder: Path) -> int:
    """Return the room on the disk on which a folder lies, or will lie."""
    home = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return round(shutil.disk_usage(home).free / 2**20)


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)  # bytes there, KiB elsewhere
