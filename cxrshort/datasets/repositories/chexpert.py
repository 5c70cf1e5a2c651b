"""CheXpert of Stanford Hospital (Irvin et al., AAAI 2019): 224,316 films of 65,240 patients, 2002 to 2017."""

from pathlib import Path

import pandas as pd

from cxrshort.datasets.repositories.parsing.fields import read_ages, read_sexes
from cxrshort.datasets.repositories.parsing.layout import (
    find_file,
    find_optional_file,
    index_images,
    locate_files,
    posix_prefix,
)
from cxrshort.datasets.repositories.parsing.observations import OBSERVATIONS, read_observations
from cxrshort.datasets.repositories.reading import Located, Reading, ReadOptions, Repository, make_reading
from cxrshort.quantities import quantity
from cxrshort.tables import read_table

NAME = "chexpert"
_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
_VIEWS = {("Frontal", "PA"): "PA", ("Frontal", "AP"): "AP"}


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read the tables of the train, valid and, where it is there, test images.

    An image is found by patient, study and name, whatever folders the downloads were unpacked into.
    """
    table, notes = _read_tables(folder)
    parts = table["Path"].str.split("/")
    name = parts.str[-3:].str.join("/")
    patient = parts.str[-3].fillna("")
    ages, age_notes = read_ages(table["Age"], unit=options.age_unit)
    labelled = (table[list(OBSERVATIONS)] != "").any(axis=1)
    labels, label_notes = read_observations(table, uncertain=options.uncertain, labelled=labelled)
    candidates = pd.DataFrame(
        {
            "image_id": name,
            "patient_id": patient,
            "study_id": parts.str[-3:-1].str.join("/"),
            "view": [
                _VIEWS.get(pair, "LATERAL" if pair[0] == "Lateral" else "UNKNOWN")
                for pair in zip(table["Frontal/Lateral"], table["AP/PA"], strict=True)
            ],
            "source_view": (table["Frontal/Lateral"] + " " + table["AP/PA"]).str.strip(),
            "sex": read_sexes(table["Sex"]),
            "source_sex": table["Sex"],
            "age_years": ages,
        }
    ).join(labels)
    return make_reading(
        candidates,
        _locate(table["Path"], folder, root, options),
        repository=NAME,
        options=options,
        notes=[*notes, *age_notes, *label_notes],
        test_patients=set(patient[table["part"] == "test"]),
    )


def _read_tables(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    paths = {"train": find_file(folder, "train.csv", "*/train.csv")}
    for part in ("valid", "test"):
        path = find_optional_file(folder, f"{part}.csv", f"*/{part}.csv")
        if path is not None:
            paths[part] = path
    tables, notes = [], []
    for part, path in paths.items():
        table, table_notes = read_table(path, _COLUMNS, optional=OBSERVATIONS)
        tables.append(table.assign(part=part))
        notes += [*table_notes, f"{quantity(len(table), 'row')} from {path.name}"]
    return pd.concat(tables, ignore_index=True), notes


def _locate(paths: pd.Series, folder: Path, root: Path, options: ReadOptions) -> Located:
    # A path begins with the name of the download, such as CheXpert-v1.0-small.
    places = posix_prefix(folder, root) + paths.str.partition("/")[2]
    if not options.require_files:
        return locate_files(paths, places)
    index = index_images(folder, relative_to=root)
    return locate_files(paths, places, paths=index.find(paths, parts=3), index=index)


REPOSITORY = Repository(
    name=NAME,
    summary="CheXpert: 224,316 films of Stanford Hospital, 14 observations",
    folders=("CheXpert", "CheXpert-v1.0", "CheXpert-v1.0-small"),
    markers=("train.csv", "*/train.csv"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
