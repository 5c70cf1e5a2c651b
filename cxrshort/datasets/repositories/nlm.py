"""The two tuberculosis sets of the US National Library of Medicine (Jaeger et al., QIMS 2014).

Montgomery County (138 films) and Shenzhen (662 films), one film a person, from before COVID-19. The file name ends in
0 for a normal film and 1 for tuberculosis; a text file beside it gives sex, age and reading. A normal film has none of
the 14 findings; of a film with tuberculosis they are not known.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.fields import read_ages, read_sexes
from cxrshort.datasets.repositories.parsing.layout import index_images, last_parts, locate_files, posix_prefix
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Refusal, Repository, make_reading
from cxrshort.errors import MissingInputError

_AGE = re.compile(r"(\d{1,3})\s*-?\s*([YMWD])", flags=re.IGNORECASE)
_SEX = re.compile(r"\b(female|male|[MF])\b", flags=re.IGNORECASE)
_LONGEST = 10_000  # bytes of a reading; real ones have some hundred


def read(folder: Path, root: Path, options: ReadOptions, *, name: str, prefix: str) -> Reading:
    """Read the names of the films and their clinical readings.

    A reading without a film is a candidate without a file; with ``require_files`` off, readings alone are enough.

    Raises:
        MissingInputError: there is neither a film nor a reading.
    """
    stems, readings = _list_films(folder, prefix)
    names = stems + ".png"
    index = index_images(folder, relative_to=root, within="CXR_png")
    texts = pd.Series([_read_text(folder / readings.get(stem, "")) for stem in stems], dtype=str)
    ages, age_notes = read_ages(pd.Series([_age(text) for text in texts], dtype=str), unit=options.age_unit)
    sexes = pd.Series([_sex(text) for text in texts], dtype=str)
    kind = stems.str.extract(rf"^{prefix}_(\d+)_([01])$")
    candidates = pd.DataFrame(
        {
            "image_id": names,
            "patient_id": stems.str.split("_").str[1].fillna(""),
            # Both sets are described as postero-anterior; TEA calls them AP. No file says more.
            "view": "PA",
            "sex": read_sexes(sexes),
            "source_sex": sexes,
            "age_years": ages,
        }
    ).join(_labels(kind[1] == "1"))
    return make_reading(
        candidates,
        locate_files(
            names,
            posix_prefix(folder / "CXR_png", root) + names,
            paths=index.find(names) if options.require_files else None,
            index=index,
        ),
        repository=name,
        options=options,
        refusals=[Refusal(kind[1].isna(), "name without a reading", names)],
        notes=age_notes,
    )


def _list_films(folder: Path, prefix: str) -> tuple[pd.Series, dict[str, str]]:
    """Return the stems of films and readings, and the path of each reading."""
    index = index_images(folder, relative_to=folder, within="CXR_png|ClinicalReadings", suffixes=(".png", ".txt"))
    paths = pd.Series(index.paths, dtype=str)
    paths = paths[last_parts(paths).str.upper().str.startswith(prefix)]
    if paths.empty:
        raise MissingInputError(f"'{folder}' has no films", f"looked for CXR_png/{prefix}_*.png")
    stems = {path: path.rpartition("/")[2].rpartition(".")[0] for path in paths}
    readings = {stem: path for path, stem in stems.items() if path.lower().endswith(".txt")}
    return pd.Series(sorted(set(stems.values())), dtype=str), readings


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _age(text: str) -> str:
    match = _AGE.search(text)
    return f"{match[1]}{match[2]}" if match else ""


def _sex(text: str) -> str:
    match = _SEX.search(text)
    return match[1] if match else ""


def _labels(tuberculosis: pd.Series) -> pd.DataFrame:
    labels = pd.DataFrame(np.float32(0), index=tuberculosis.index, columns=[*CHESTX_RAY14_LABELS, COVID])
    labels.loc[tuberculosis, list(CHESTX_RAY14_LABELS)] = np.nan
    return labels.assign(Tuberculosis=tuberculosis.astype(np.float32))


MONTGOMERY = Repository(
    name="montgomery",
    summary="Montgomery County: 138 films, normal or tuberculosis",
    folders=("MontgomerySet", "Montgomery", "NLM-MontgomeryCXRSet"),
    markers=("CXR_png/MCUCXR_*.png", "*/CXR_png/MCUCXR_*.png"),
    read=partial(read, name="montgomery", prefix="MCUCXR"),
    test_fraction=0.05,
    val_fraction=0.05,
)
SHENZHEN = Repository(
    name="shenzhen",
    summary="Shenzhen: 662 films, normal or tuberculosis",
    folders=("ChinaSet_AllFiles", "Shenzhen", "NLM-ChinaCXRSet"),
    markers=("CXR_png/CHNCXR_*.png", "*/CXR_png/CHNCXR_*.png"),
    read=partial(read, name="shenzhen", prefix="CHNCXR"),
    test_fraction=0.05,
    val_fraction=0.05,
)
