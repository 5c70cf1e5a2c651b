"""BIMCV-COVID-19+ and BIMCV-COVID-19- of the Valencian region (de la Iglesia Vayá et al., arXiv:2006.01174).

Images lie in ``sub-S…/ses-E…/mod-rx/`` as 16-bit PNG with the DICOM header beside them as JSON; ``sidecar`` names it,
since decoding needs its windows and lookup tables. COVID-19 is molecular by default: 1 for every image of the positive
collection, 0 for every image of the negative one, whatever the report says.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import COVID
from cxrshort.datasets.repositories.parsing.fields import (
    count_words,
    list_words,
    read_ages,
    read_dates,
    read_distinct,
    read_sexes,
)
from cxrshort.datasets.repositories.parsing.headers import read_headers, read_json_header
from cxrshort.datasets.repositories.parsing.layout import (
    find_file,
    find_optional_file,
    index_images,
    posix_prefix,
)
from cxrshort.datasets.repositories.parsing.projections import read_description
from cxrshort.datasets.repositories.parsing.report_findings import Words, carry_forward, label_findings, split_findings
from cxrshort.datasets.repositories.reading import (
    COVID_LABELS,
    Located,
    Reading,
    ReadOptions,
    Refusal,
    Repository,
    make_reading,
)
from cxrshort.errors import MissingInputError
from cxrshort.registry import check_name
from cxrshort.tables import read_list, read_table

_SESSION = r"^(?P<stem>(?P<subject>sub-[^/]+)/(?P<session>ses-[^/]+)/mod-rx/[^/]+)[.](?P<suffix>png|json)$"
_COVID_WORDS = ("covid 19", "covid 19 uncertain")
_JOIN = "listjoin_ok.tsv"


def read(folder: Path, root: Path, options: ReadOptions, *, positive: bool) -> Reading:
    """Read the image files, their JSON headers and the findings of their reports.

    Raises:
        MissingInputError: ``participants.tsv``, the label table or every image is missing.
        UsageError: ``covid_labels`` is none of ``COVID_LABELS``.
    """
    check_name(COVID_LABELS, options.covid_labels, kind="kind of COVID-19 label")
    base = find_file(folder, "participants.tsv", "*/participants.tsv").parent
    images, notes = _find_images(base, root)
    headers = read_headers(
        list(images["sidecar"]), read_json_header, root=root, jobs=options.jobs, cache=options.header_cache
    ).set_index(images.index)
    times = read_dates(headers["StudyDate"]) + "T" + headers["StudyTime"].map(_time)
    times = times.mask(times.str.startswith("T"), "")
    reports, report_notes = _reports(base, images, times, positive=positive)
    labels, label_notes = _labels(reports, images.index, positive=positive, covid_labels=options.covid_labels)
    candidates, header_notes = _describe(images, headers, options)
    name = "bimcv+" if positive else "bimcv-"
    return make_reading(
        candidates.join(labels),
        _locate(images, root, options),
        repository=name,
        options=options,
        refusals=_refuse(headers, reports, options),
        notes=[*notes, *_absent(base, images), *report_notes, *label_notes, *header_notes],
        same_person=[] if positive else _joined(base),
    )


def _find_images(base: Path, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return subject, session, stem and sidecar of every image; one with a header but without pixels counts too."""
    index = index_images(base, relative_to=root, within="sub-.*", suffixes=(".png", ".json"))
    files = pd.Series(index.paths, dtype=str)
    parsed = files.str.removeprefix(posix_prefix(base, root)).str.extract(_SESSION).dropna()
    if parsed.empty:
        raise MissingInputError(
            f"'{base}' has no images", "looked for sub-*/ses-*/mod-rx/*.png; unpack the archives there"
        )
    images = parsed.drop_duplicates("stem").drop(columns="suffix").reset_index(drop=True)
    pixels = set(files[parsed.index[parsed["suffix"].eq("png")]])
    places = posix_prefix(base, root) + images["stem"]
    other_files = len(files) - len(parsed)
    notes = [f"{other_files} other files below the subjects were left alone"] if other_files else []
    return images.assign(path=places + ".png", sidecar=places + ".json", exists=(places + ".png").isin(pixels)), notes


def _absent(base: Path, images: pd.DataFrame) -> list[str]:
    """Return a note on participants who should have radiographs and have none here."""
    table, notes = read_table(
        find_file(base, "participants.tsv"), ("participant",), optional=("modality_dicom",), separator="\t"
    )
    radiographed = table["modality_dicom"].str.contains(r"\b(?:CR|DX)\b") | (table["modality_dicom"] == "")
    absent = set(table["participant"][radiographed]).difference(images["subject"])
    return [*notes, f"{len(absent)} participants with radiographs have no images here"] if absent else notes


def _locate(images: pd.DataFrame, root: Path, options: ReadOptions) -> Located:
    never = pd.Series(False, index=images.index)
    return Located(images["path"], never, ~images["exists"] if options.require_files else never)


def _time(text: str) -> str:
    """Return a DICOM time (``93012.5``, JSON drops leading zeros) as a text that sorts."""
    try:
        return f"{float(text):013.3f}"
    except ValueError:
        return ""


def _reports(base: Path, images: pd.DataFrame, times: pd.Series, *, positive: bool) -> tuple[list[Words], list[str]]:
    """Return the findings of each image's session, None where it has no report."""
    pattern = "labels_covid19_posi.tsv" if positive else "labels_SARS-cov-2_nega.tsv"
    path = find_file(base, f"derivatives/labels/{pattern}", "derivatives/labels/labels*.tsv", pattern)
    table, notes = read_table(path, ("ReportID", "Labels"), separator="\t")
    first = table.drop_duplicates("ReportID")
    words = dict(zip(first["ReportID"], read_distinct(first["Labels"], _report_words), strict=True))
    carried, lost = carry_forward([words.get(session) for session in images["session"]], images["subject"], times)
    without_report = sum(report is None for report in carried)
    if without_report:
        notes.append(f"{without_report} images without a report: their findings are empty")
    if lost:
        notes.append(f"{lost} of them say 'unchanged' with no earlier study")
    return carried, notes


def _report_words(text: str) -> Words:
    # A report with an empty list was read and names nothing.
    return split_findings(text) or ()


def _labels(
    reports: list[Words], index: pd.Index, *, positive: bool, covid_labels: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels; molecular ones are the collection's, radiologic ones the report's."""
    molecular = covid_labels == "molecular"
    viral = {} if covid_labels == "radiologic" else {"Pneumonia": ("viral pneumonia",)}
    covid_words = {
        "molecular": _COVID_WORDS,
        "radiologic": (*_COVID_WORDS, "viral pneumonia"),
        "certain": _COVID_WORDS[:1],
    }[covid_labels]
    labels, notes = label_findings(reports, index, more={COVID: covid_words, **viral})
    if not molecular:
        return labels, notes
    if not positive:
        contrary = int((labels[COVID] == 1).sum())
        if contrary:
            notes.append(f"{contrary} images have a report of COVID-19 and a negative test: COVID-19 is 0")
    return labels.assign(**{COVID: np.float32(positive)}), notes


def _describe(images: pd.DataFrame, headers: pd.DataFrame, options: ReadOptions) -> tuple[pd.DataFrame, list[str]]:
    ages, notes = read_ages(headers["PatientAge"], unit=options.age_unit)
    description = headers["SeriesDescription"].where(headers["SeriesDescription"] != "", headers["ProcedureCode"])
    unseen = count_words(description, lambda text: [text] if text and read_description(text) is None else [])
    if unseen:
        notes.append(list_words("unknown series descriptions", unseen))
    return pd.DataFrame(
        {
            "image_id": images["stem"] + ".png",
            "patient_id": images["subject"],
            "study_id": images["session"],
            "study_date": read_dates(headers["StudyDate"]),
            "source_study_date": headers["StudyDate"],
            "view": read_distinct(description, lambda text: read_description(text) or "UNKNOWN"),
            "source_view": description,
            "sex": read_sexes(headers["PatientSex"]),
            "source_sex": headers["PatientSex"],
            "age_years": ages,
            "manufacturer": headers["Manufacturer"],
            "modality": headers["Modality"],
            "photometric": headers["PhotometricInterpretation"],
            "sidecar": images["sidecar"],
        }
    ), notes


def _refuse(headers: pd.DataFrame, reports: list[Words], options: ReadOptions) -> list[Refusal]:
    refusals = [Refusal(headers["error"] != "", "unreadable header", headers["error"])]
    if options.require_report:
        without_report = pd.Series([words is None for words in reports], index=headers.index)
        refusals.append(Refusal(without_report, "no report"))
    if options.require_windowing:
        windowed = (headers["WindowCenter"] != "") & (headers["WindowWidth"] != "")
        without_window = ~windowed & (headers["VOILUT"] == "")
        refusals.append(Refusal(without_window, "no windowing information"))
    return refusals


def _joined(base: Path) -> list[tuple[str, str]]:
    """Return the people who are in both collections: lines of an index, the negative and the positive subject."""
    path = find_optional_file(base, _JOIN) or find_optional_file(base.parent, _JOIN)
    lines = [line.split() for line in read_list(path)[1:]] if path else []
    return [(f"bimcv-:{cells[1]}", f"bimcv+:{cells[2]}") for cells in lines if len(cells) >= 3]


POSITIVE = Repository(
    name="bimcv+",
    summary="BIMCV-COVID-19+: films of people with a positive test, Valencian region 2020",
    folders=("bimcv+", "BIMCV-COVID-19", "BIMCV-COVID19+", "BIMCV-COVID-19+", "covid19_posi"),
    markers=("derivatives/labels/labels_covid19_posi.tsv", "*/derivatives/labels/labels_covid19_posi.tsv"),
    read=partial(read, positive=True),
    test_fraction=0.05,
    val_fraction=0.05,
)
NEGATIVE = Repository(
    name="bimcv-",
    summary="BIMCV-COVID-19-: films of people with negative tests only, Valencian region 2020",
    folders=("bimcv-", "BIMCV-COVID19-", "BIMCV-COVID-19-", "covid19_neg"),
    markers=("derivatives/labels/labels_SARS-cov-2_nega.tsv", "*/derivatives/labels/labels_SARS-cov-2_nega.tsv"),
    read=partial(read, positive=False),
    test_fraction=0.05,
    val_fraction=0.05,
)
