"""ChestX-ray14 of the NIH Clinical Center (Wang et al., CVPR 2017): 112,120 frontal films of 30,805 patients.

The films pre-date COVID-19 (1992 to 2015), so that label is 0. Two editions of the label file exist: the first release
writes ages with units (``058Y``), the one of 2020 writes numbers and has other labels for 181 films; views and sexes
are the same in both. RoentMod and TEA count films by the ages of the first release and by the labels of 2020
(``ReadOptions.first_release_ages``).
"""

from pathlib import Path

import pandas as pd

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.fields import (
    count_words,
    list_words,
    read_ages,
    read_distinct,
    read_labels,
    read_sexes,
)
from cxrshort.datasets.repositories.parsing.layout import (
    find_file,
    find_files,
    find_optional_file,
    last_parts,
    locate_names,
)
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Repository, make_reading
from cxrshort.quantities import quantity
from cxrshort.tables import read_list, read_table

NAME = "chestx-ray14"
IMAGE_FOLDERS = r"images(_\d+)?"
EDITIONS = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv", "Data_Entry_2017*.csv")
TABLES = tuple(folder + edition for edition in EDITIONS for folder in ("labels/", ""))
TEST_LISTS = ("labels/test_list.txt", "official_lists/test_list.txt", "test_list.txt")
_AGE_WITH_UNIT = r"\d+[YMWDymwd]"
_COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read the label file, the official test list and the names of the image files."""
    table, notes = _read_editions(folder) if options.first_release_ages else _read_first(folder)
    located = locate_names(table["Image Index"], folder, root=root, within=IMAGE_FOLDERS, options=options)
    ages, age_notes = read_ages(table["Patient Age"], unit=options.age_unit)
    labels, label_notes = _labels(table["Finding Labels"])
    name = last_parts(table["Image Index"])
    patient = pd.Series(read_distinct(table["Patient ID"], _patient), index=table.index, dtype=str)
    view = pd.Series(read_distinct(table["View Position"], _view), index=table.index, dtype=str)
    test, list_notes = _test_patients(folder, name, patient)
    candidates = pd.DataFrame(
        {
            "image_id": name,
            "patient_id": patient,
            "view": view,
            "source_view": table["View Position"],
            "sex": read_sexes(table["Patient Gender"]),
            "source_sex": table["Patient Gender"],
            "age_years": ages,
        }
    ).join(labels)
    return make_reading(
        candidates,
        located,
        repository=NAME,
        options=options,
        notes=[*notes, *age_notes, *label_notes, *list_notes],
        test_patients=test,
    )


def _read_first(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the preferred label file, whichever edition it is."""
    path = find_file(folder, *TABLES)
    table, notes = read_table(path, _COLUMNS)
    return table, [f"labels, ages and views from {path.name}", *notes]


def _read_editions(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels of the edition of 2020 with the ages of the first release, or what one edition alone says.

    An edition is told by how it writes ages: a downloaded file may have been renamed.
    """
    find_file(folder, *TABLES)
    editions: dict[bool, tuple[Path, pd.DataFrame]] = {}
    notes: list[str] = []
    for path in find_files(folder, *TABLES):
        table, table_notes = read_table(path, _COLUMNS)
        first_release = bool(table["Patient Age"].str.fullmatch(_AGE_WITH_UNIT).any())
        if first_release not in editions:
            editions[first_release] = (path, table)
            notes += table_notes
    if len(editions) == 1:
        first_release, (path, table) = next(iter(editions.items()))
        edition, missing = ("first release", "labels of 2020") if first_release else ("edition of 2020", "ages of 2017")
        return table, [f"only the {edition} is here ({path.name}): the paper's {missing} are missing", *notes]
    (aged, old), (labelled, new) = editions[True], editions[False]
    names = last_parts(new["Image Index"])
    ages = pd.Series(old["Patient Age"].to_numpy(), index=last_parts(old["Image Index"]))
    matched_ages = names.map(ages[~ages.index.duplicated()])
    without_age = int(matched_ages.isna().sum())
    notes = [f"labels and views from {labelled.name}, ages from {aged.name}", *notes]
    if without_age:
        notes.append(
            f"{quantity(without_age, 'image is', 'images are')} not in {aged.name}: their ages are those of "
            f"{labelled.name}"
        )
    return new.assign(**{"Patient Age": matched_ages.fillna(new["Patient Age"]).astype(str)}), notes


def _patient(text: str) -> str:
    # The first release pads patient ids with zeros, the edition of 2020 does not.
    return text.zfill(8) if text else ""


def _view(text: str) -> str:
    return text.upper() if text.upper() in ("PA", "AP") else "UNKNOWN"


def _labels(findings: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels of ``Mass|Nodule``-like texts, and a note that counts unknown words."""
    vocabulary = set(CHESTX_RAY14_LABELS)

    def present(text: str) -> dict[str, float]:
        return {word.strip(): 1.0 for word in text.split("|")}

    def unknown(text: str) -> list[str]:
        return [word for word in present(text) if word not in vocabulary and word.lower() not in ("no finding", "")]

    labels = read_labels(findings, present, CHESTX_RAY14_LABELS, otherwise=0.0).assign(**{COVID: 0.0})
    counts = count_words(findings, unknown)
    return labels, [list_words("unknown finding strings", counts)] if counts else []


def _test_patients(folder: Path, names: pd.Series, patients: pd.Series) -> tuple[set[str], list[str]]:
    """Return the patients of the official test list; a patient's further images follow."""
    path = find_optional_file(folder, *TEST_LISTS)
    if path is None:
        return set(), ["no official test list (test_list.txt): the test fold is drawn by patient"]
    # Some copies list .jpg names; the name without its ending is unique.
    stems = pd.Series([name.rpartition(".")[0] for name in names.tolist()], index=names.index, dtype=str)
    listed = stems.isin([line.rpartition(".")[0] for line in read_list(path)])
    test = set(patients[listed])
    followers = int((patients.isin(test) & ~listed).sum())
    if followers:
        forms = "image is not {} but follows its patient", "images are not {} but follow their patients"
        where = "in the official test list"
        return test, [f"{quantity(followers, *(form.format(where) for form in forms))} into it"]
    return test, []


REPOSITORY = Repository(
    name=NAME,
    summary="NIH ChestX-ray14: 112,120 frontal films, 14 findings",
    folders=("ChestX-ray14", "ChestXray14", "CXR14", "CXR8", "ChestX-ray8", "NIH", "nih-chest-xrays"),
    markers=("Data_Entry_2017*.csv*", "labels/Data_Entry_2017*.csv*"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
