"""What a dry run can say of any verb: what would become of the output folder, and the room that there is."""

import resource
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from cxrshort import runs
from cxrshort.errors import OutputError

TRIAL_SECONDS = 10.0
"""How long the trial of a dry run may take, whatever is tried."""


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


def foresee(
    folder: Path, verb: str, *, inputs: Iterable[Path] = (), force: bool, resume: bool | None
) -> dict[str, str]:
    """Return what :func:`cxrshort.runs.start` would do with a folder, for a dry run.

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
    done, begun = (folder / runs.DONE).exists(), (folder / runs.UNFINISHED).exists()
    fate = {"folder": str(folder), "fate": "new", "reason": "", "hint": ""}
    if done and resume and not force:
        return {**fate, "fate": "complete"}
    try:
        anew = force or resume is None and begun and not done
        runs.check_free(folder, verb, inputs=inputs, force=anew, resume=bool(resume))
    except OutputError as error:
        return {**fate, "fate": "refused", "reason": error.message, "hint": error.hint}
    if begun and resume:
        return {**fate, "fate": "resumed"}
    return {**fate, "fate": "replaced"} if done or begun else fate


def free_disk_mib(folder: Path) -> int:
    """Return the room on the disk on which a folder lies, or will lie."""
    home = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return round(shutil.disk_usage(home).free / 2**20)


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)  # bytes there, KiB elsewhere
