"""Locations of datasets, downloads, runs, results and caches. Imports nothing heavy."""

import os
from pathlib import Path

from cxrshort import runs
from cxrshort.errors import MissingInputError

MANIFEST = "manifest.csv"
RUNS = Path("runs")
RESULTS = Path("results")


def dataset_folder(name: str) -> Path:
    """Return where the dataset ``name`` is written and looked up when no folder is given.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, {"CXRSHORT_DATASETS": "/data"}):
        ...     str(dataset_folder("II"))
        '/data/II'
    """
    return datasets_root() / name


def datasets_root() -> Path:
    """Return the folder of the built datasets: ``$CXRSHORT_DATASETS``, else ``datasets``."""
    return Path(os.environ.get("CXRSHORT_DATASETS") or "datasets")


def downloads_root() -> Path:
    """Return the folder of the downloaded repositories: ``$CXRSHORT_DATA``, else ``data``."""
    return Path(os.environ.get("CXRSHORT_DATA") or "data")


def cache_root() -> Path:
    """Return the folder of the caches: ``$CXRSHORT_CACHE``, else ``cxrshort`` below the user's cache folder."""
    if folder := os.environ.get("CXRSHORT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxrshort"


def header_caches() -> Path:
    """Return the folder in which what was read from DICOM headers is kept; it holds patient ids and birth dates."""
    return cache_root() / "headers"


def datasets_on_disk() -> list[str]:
    """Return the names of the datasets that are built."""
    root = datasets_root()
    return sorted(path.name for path in root.iterdir() if (path / MANIFEST).is_file()) if root.is_dir() else []


def locate_dataset(name: str) -> Path:
    """Return the manifest file that ``name`` stands for.

    Args:
        name: a dataset folder, a manifest file, or a name below :func:`datasets_root`.

    Raises:
        MissingInputError: nothing is there, the folder is no dataset, or its build was interrupted.
    """
    candidates = [Path(name), dataset_folder(name)]
    for candidate in candidates:
        if is_file(candidate / runs.UNFINISHED) and not is_file(candidate / runs.DONE):
            verb = runs.record_of(candidate / runs.UNFINISHED).get("verb", "build-dataset")
            raise MissingInputError(f"'{candidate}' is not complete", f"{verb} with --resume continues it")
        if is_file(candidate / MANIFEST):
            return candidate / MANIFEST
        if is_file(candidate):
            return candidate
    if any(_is_folder(candidate) for candidate in candidates):
        raise MissingInputError(
            f"'{name}' is no dataset: the folder has no {MANIFEST}",
            "give a dataset folder, a manifest file, or the name of a dataset",
        )
    if os.sep in name or name.endswith((".csv", ".parquet")):
        raise MissingInputError(
            f"'{name}' does not exist", "give a dataset folder, a manifest file, or the name of a dataset"
        )
    raise MissingInputError(f"'{name}' is not built yet", f"cxrshort build-dataset --dataset {name}")


def dataset_parts(name: str) -> tuple[str, ...]:
    """Return the datasets that ``name`` stands for: one, or those of ``REAL+SYNTHETIC``.

    A name of a dataset that is there is that dataset, ``bimcv+`` among them; else it is divided at a ``+`` which has a
    dataset on either side. Where the parts are not there either, the last ``+`` inside the name divides it, so that
    whoever looks for them says which one is missing.

    Example:
        >>> dataset_parts("III+synthetic"), dataset_parts("bimcv++synthetic"), dataset_parts("bimcv+")
        (('III', 'synthetic'), ('bimcv+', 'synthetic'), ('bimcv+',))
    """
    if name == "-" or _is_there(name):
        return (name,)
    joints = [place for place, character in enumerate(name) if character == "+" and 0 < place < len(name) - 1]
    pairs = [(name[:place], name[place + 1 :]) for place in joints]
    complete = [pair for pair in pairs if all(part == "-" or _is_there(part) for part in pair)]
    return (complete or pairs)[-1] if pairs else (name,)


def _is_there(name: str) -> bool:
    try:
        locate_dataset(name)
    except MissingInputError as error:
        return "is not complete" in error.message  # it is there, and whoever reads it says so
    return True


def exists(path: Path) -> bool:
    """Return whether something is there; a name that the file system does not allow is nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Return whether there is such a file; a name that the file system does not allow is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder; names that no file system could hold are none."""
    try:
        return path.is_dir()
    except OSError:
        return False
