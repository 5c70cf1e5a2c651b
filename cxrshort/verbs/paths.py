"""Say where datasets, downloads, runs, results and caches are, as the other verbs will use them."""

import os
from pathlib import Path
from typing import Any

from cxrshort import places


def paths() -> dict[str, Any]:
    """Return each place with its absolute path, what decides it, and whether it is there.

    Returns:
        ``places``: rows of ``name``, ``path``, ``set_by`` (an environment variable, or ``"the current folder"``),
        ``exists`` and ``holds``; ``datasets``: the names of those that are built.
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
    return {"places": rows, "datasets": places.datasets_on_disk()}


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


def _torch_home() -> Path:
    if own := os.environ.get("TORCH_HOME"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
