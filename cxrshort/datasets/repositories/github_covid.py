"""GitHub-COVID, the COVID-19 image data collection (Cohen et al., arXiv:2003.11597 and 2006.11988).

Films from publications and websites, 2020. It can express Pneumonia and COVID-19 only; other labels stay empty.
"""

from pathlib import Path

import pandas as pd

from cxrshort.columns import COVID
from cxrshort.datasets.repositories.parsing.fields import (
    count_words,
    list_words,
    read_ages,
    read_dates,
    read_distinct,
    read_labels,
    read_sexes,
)
from cxrshort.datasets.repositories.parsing.label_maps import github_covid_labels
from cxrshort.datasets.repositories.parsing.layout import find_file, last_parts, locate_names
from cxrshort.datasets.repositories.reading import (
    Located,
    Reading,
    ReadOptions,
    Refusal,
    Repository,
    make_reading,
)
from cxrshort.errors import DataError
from cxrshort.quantities import quantity
from cxrshort.tables import read_table

NAME = "github-covid"
_REQUIRED = ("patientid", "finding", "view", "filename")
_OPTIONAL = ("modality", "sex", "age", "date")
_VIEWS = {
    "pa": "PA",
    "ap": "AP",
    "ap erect": "AP",
    "ap supine": "AP_SUPINE",
    "l": "LATERAL",
    "lateral": "LATERAL",
}
_SECTIONS = ("Axial", "Coronal", "Sagittal")


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read ``metadata.csv`` of any revision and the names of the image files.

    Raises:
        DataError: no finding is COVID-19, so the vocabulary is not understood.
    """
    table, notes = read_table(find_file(folder, "metadata.csv"), _REQUIRED, optional=_OPTIONAL)
    located = locate_names(table["filename"], folder, root=root, within="images", options=options)
    ages, age_notes = read_ages(table["age"], unit=options.age_unit)
    labels, label_notes = _labels(table["finding"])
    view = pd.Series(read_distinct(table["view"], _view), index=table.index, dtype=str)
    section = table["view"].isin(_SECTIONS) | ~table["modality"].isin(["X-ray", ""])
    covid = labels[COVID] == 1
    refusals = [Refusal(section, "not a radiograph", (table["modality"] + " " + table["view"]).str.strip())]
    if not options.include_other_findings:
        refusals.append(Refusal(~covid, "not COVID-19", table["finding"]))
    candidates = pd.DataFrame(
        {
            "image_id": last_parts(table["filename"]),
            "patient_id": table["patientid"],
            "study_date": read_dates(table["date"]),
            "source_study_date": table["date"],
            "view": view,
            "source_view": table["view"],
            "sex": read_sexes(table["sex"]),
            "source_sex": table["sex"],
            "age_years": ages,
        }
    ).join(labels)
    return make_reading(
        candidates,
        located,
        repository=NAME,
        options=options,
        refusals=refusals,
        notes=[
            *notes,
            *age_notes,
            *label_notes,
            *_count(candidates[covid & ~section & (table["patientid"] != "")], located),
        ],
    )


def _view(text: str) -> str:
    return _VIEWS.get(" ".join(text.casefold().split()), "UNKNOWN")


def _labels(findings: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    labels = read_labels(findings, github_covid_labels, ("Pneumonia", COVID), otherwise=float("nan"))
    if not (labels[COVID] == 1).any():
        raise DataError(
            f"metadata.csv: no finding is COVID-19 in {quantity(len(findings), 'row')}",
            "expected words such as 'COVID-19' or 'Pneumonia/Viral/COVID-19'; download the collection again",
        )
    unknown = count_words(findings, lambda text: [] if github_covid_labels(text) else [text])
    return labels, [list_words("unknown finding strings", unknown)] if unknown else []


def _count(covid: pd.DataFrame, located: Located) -> list[str]:
    """Return the counts that the paper's 408 images of 262 patients are compared with."""
    films = covid[~located.missing[covid.index]]
    films = films[~located.paths[films.index].duplicated()]
    notes = []
    for views, words in ((("PA", "AP"), "PA and AP"), (("PA", "AP", "AP_SUPINE"), "PA, AP and AP Supine")):
        chosen = films[films["view"].isin(views)]
        notes.append(f"COVID-19, {words}: {len(chosen)} images of {chosen['patient_id'].nunique()} patients")
    return notes


REPOSITORY = Repository(
    name=NAME,
    summary="COVID-19 image data collection: films from publications, COVID-19 and other pneumonias",
    folders=("GitHub-COVID", "covid-chestxray-dataset", "covid-chestxray-dataset-master"),
    markers=("metadata.csv",),
    read=read,
    test_fraction=0.10,
    val_fraction=0.10,
)
