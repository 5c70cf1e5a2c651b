"""Read the headers of many small files: DICOM files, and the JSON files that BIMCV ships instead.

Each header becomes a few texts. Reading is spread over processes, and what was read can be kept in a cache file, so
that only new or changed files are opened again.
"""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort.datasets.repositories.reading import Located, ReadOptions
from cxrshort.workers import tethered

DICOM_FIELDS = {
    "PatientID": "00100020",
    "StudyInstanceUID": "0020000D",
    "SOPInstanceUID": "00080018",
    "StudyDate": "00080020",
    "StudyTime": "00080030",
    "Modality": "00080060",
    "Manufacturer": "00080070",
    "PatientSex": "00100040",
    "PatientAge": "00101010",
    "PatientBirthDate": "00100030",
    "ViewPosition": "00185101",
    "SeriesDescription": "0008103E",
    "PhotometricInterpretation": "00280004",
    "WindowCenter": "00281050",
    "WindowWidth": "00281051",
}
"""The attributes that readers use, by keyword; each is a column of what `read_headers` returns."""

FIELDS = (*DICOM_FIELDS, "ProcedureCode", "VOILUT", "error")
_TAGS = (*DICOM_FIELDS, "ProcedureCodeSequence", "VOILUTSequence", "SpecificCharacterSet")
_CHUNK = 200  # files per task: 0.1 s of work or more
_LONGEST = 300  # characters; a broken header can hold megabytes in one value

Header = dict[str, str]


def read_headers(
    paths: Sequence[str], read: Callable[[str], Header], *, root: Path, jobs: int = 1, cache: Path | None = None
) -> pd.DataFrame:
    """Return one row of `FIELDS` per file, in the order of the paths; ``error`` says why a file could not be read.

    Args:
        paths: files, relative to ``root``.
        read: `read_dicom_header` or `read_json_header`; gets the whole path.
        root: folder that the paths are relative to.
        jobs: processes.
        cache: JSON file of headers read before; used where size and time of change are the same, and rewritten.
    """
    stamps = {path: _stamp(root / path) for path in paths} if cache else {}
    cached = _load(cache, stamps) if cache else {}
    uncached = [path for path in paths if path not in cached]
    read_now = dict(zip(uncached, _read_all([str(root / path) for path in uncached], read, jobs), strict=True))
    headers = {**cached, **read_now}
    if cache and uncached:
        _save(cache, {path: (stamps[path], headers[path]) for path in paths})
    return pd.DataFrame([headers[path] for path in paths], columns=list(FIELDS), dtype=str).fillna("")


def read_located_headers(
    located: Located, read: Callable[[str], Header], *, root: Path, options: ReadOptions
) -> pd.DataFrame:
    """Return the headers of the candidates' files, all fields ``""`` where there is none or nobody looked."""
    present = located.paths[~located.missing & ~located.outside] if options.require_files else located.paths[:0]
    paths = list(dict.fromkeys(present))
    headers = read_headers(paths, read, root=root, jobs=options.jobs, cache=options.header_cache)
    by_path = headers.set_index(pd.Index(paths, dtype=str))
    return by_path.reindex(present).set_index(present.index).reindex(located.paths.index).fillna("").astype(str)


def _read_all(paths: Sequence[str], read: Callable[[str], Header], jobs: int) -> list[Header]:
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    if jobs <= 1 or len(chunks) < 2:
        return [read(path) for path in paths]
    from joblib import Parallel, delayed

    work = delayed(tethered(_read_chunk))
    results = Parallel(n_jobs=jobs)(work(chunk, read) for chunk in chunks)
    return [header for chunk in results for header in chunk]


def _read_chunk(paths: Sequence[str], read: Callable[[str], Header]) -> list[Header]:
    return [read(path) for path in paths]


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _load(cache: Path, stamps: dict[str, str]) -> dict[str, Header]:
    try:
        stored = json.loads(cache.read_text(encoding="utf-8"))
        if stored["fields"] != list(FIELDS):  # of a version that read others
            return {}
        headers = stored["headers"].items()
        return {path: header for path, (stamp, header) in headers if stamp and stamp == stamps.get(path)}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        # A cache that is absent or damaged costs time, nothing else.
        return {}


def _save(cache: Path, headers: dict[str, tuple[str, Header]]) -> None:
    temporary = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.parent.chmod(0o700)
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600, exist_ok=False)  # it holds patient ids and birth dates
        temporary.write_text(json.dumps({"fields": FIELDS, "headers": headers}), encoding="utf-8")
        temporary.replace(cache)
    except OSError:
        temporary.unlink(missing_ok=True)


def read_json_header(path: str) -> Header:
    """Read the DICOM JSON file of one image (DICOM PS3.18 annex F, as BIMCV writes it)."""
    try:
        tags = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {"error": "no such file"}
    except (OSError, ValueError, RecursionError) as error:
        return {"error": _tidy(f"{type(error).__name__}: {error}")}
    if not isinstance(tags, dict):
        return {"error": "not a table of DICOM attributes"}
    header = {name: _tidy(_first(tags.get(tag))) for name, tag in DICOM_FIELDS.items()}
    procedure = _first(tags.get("00081032"))
    header["ProcedureCode"] = _tidy(_first(procedure.get("00080104"))) if isinstance(procedure, dict) else ""
    header["VOILUT"] = "yes" if isinstance(_first(tags.get("00283010")), dict) else ""
    return header


def _first(attribute: Any) -> Any:
    """Return the first value of a DICOM JSON attribute, ``""`` where there is none."""
    value = attribute.get("Value") if isinstance(attribute, dict) else attribute
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else value


def read_dicom_header(path: str) -> Header:
    """Read the header of a DICOM file up to its pixels."""
    import pydicom
    from pydicom.config import disable_value_validation

    from cxrshort.images.dicom import check_deflated_size, looks_like_dicom

    try:
        # Values that break their own type are common and harmless here: they become text.
        with Path(path).open("rb") as file, disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not looks_like_dicom(file.read(132)):
                return {"error": "not a DICOM file"}
            file.seek(0)
            check_deflated_size(file)
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=[*_TAGS])
            header = {name: _tidy(_element(dataset, name)) for name in DICOM_FIELDS}
            codes = dataset.get("ProcedureCodeSequence")
            header["ProcedureCode"] = _tidy(codes[0].get("CodeMeaning", "")) if codes else ""
            header["VOILUT"] = "yes" if "VOILUTSequence" in dataset else ""
            return header
    except FileNotFoundError:
        return {"error": "no such file"}
    # A damaged file makes pydicom raise nearly anything; one file must not end the reading of an archive.
    except Exception as error:
        return {"error": _tidy(f"{type(error).__name__}: {error}")}


def _element(dataset: Any, name: str) -> Any:
    value = dataset.get(name, "")
    if value is None:
        return ""
    return value[0] if not isinstance(value, str) and hasattr(value, "__len__") and len(value) else value


def _tidy(value: Any) -> str:
    """Return a value as one short line of text."""
    if isinstance(value, dict | list):
        return ""
    return " ".join(
        "".join(character if character.isprintable() else " " for character in str(value)[:_LONGEST]).split()
    )
