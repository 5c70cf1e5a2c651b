"""Show where datasets, downloads, runs, results and caches are, as the other verbs will use them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxrshort import places
from cxrshort.results import Facts, Result, Text


def paths() -> Result:
    """Return each place with its absolute path, what decides it, and whether it is there.

    Returns:
        In the summary, ``places``: rows of ``name``, ``path``, ``set_by`` (an environment variable, or ``"the current
        folder"``), ``exists`` and ``holds``; ``datasets``: the names of those that are built.
    """
    rows = [
        _place("datasets", places.datasets_root(), "CXRSHORT_DATASETS", holds="datasets that build-dataset writes"),
        _place("downloads", places.downloads_root(), "CXRSHORT_DATA", holds="downloaded repositories (--root)"),
        _place("runs", places.RUNS, "", holds="models that train writes"),
        _place("results", places.RESULTS, "", holds="predictions, tables and figures that evaluate writes"),
        _place(
            "caches", places.cache_root(), "CXRSHORT_CACHE", holds="DICOM headers, with patient ids; can be deleted"
        ),
        _place("weights", _torch_home(), "TORCH_HOME", holds="pretrained weights that torch has downloaded"),
    ]
    built = places.datasets_on_disk()
    names = ", ".join(built) or "none; cxrshort build-dataset --dataset phantom-I builds one"
    shown = (Facts([(row["name"], _describe(row)) for row in rows]), Text(f"\ndatasets that are built: {names}"))
    return Result({"places": rows, "datasets": built}, shown, kind="paths")


def _place(name: str, path: Path, variable: str, *, holds: str) -> dict[str, Any]:
    by_default = "the home folder" if name in ("caches", "weights") else "the current folder"
    set_by = f"${variable}" if variable and os.environ.get(variable) else by_default
    return {
        "name": name,
        "path": str(path.absolute()),
        "set_by": set_by,
        "variable": variable,
        "exists": path.is_dir(),
        "holds": holds,
    }


def _describe(row: Mapping[str, Any]) -> str:
    absent = "" if row["exists"] else " (not there yet)"
    how = f"set by {row['set_by']}" if row["set_by"].startswith("$") else _how_to_set(row["variable"])
    return f"{row['path']}{absent}\n{row['holds']}; {how}"


def _how_to_set(variable: str) -> str:
    return f"${variable} sets another" if variable else "--out sets another"


def _torch_home() -> Path:
    if own := os.environ.get("TORCH_HOME"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
