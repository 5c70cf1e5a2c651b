"""What a dry run can say of any verb: what would become of the output folder, and the room that there is."""

import resource
import shutil
import sys
from pathlib import Path

from cxrshort import runs
from cxrshort.errors import OutputError


def foresee(folder: Path, *, force: bool, resume: bool | None) -> dict[str, str]:
    """Return what :func:`cxrshort.runs.start` would do with a folder, for a dry run.

    Args:
        folder: the run folder.
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
        runs.check_free(folder, force=force or resume is None and begun and not done, resume=bool(resume))
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
