"""Markdown: the tables of items, a model card (Mitchell et al. 2019) and a datasheet (Gebru et al. 2021).

What a folder proves is written with its file; what a person must write is marked by the same words everywhere, so that
a search finds all that is left. Nothing is filled in by guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cxrshort.verbs.stats.checklist.publishing import TO_WRITE
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.reports import dataset_facts as data
from cxrshort.verbs.stats.reports import model_facts as model
from cxrshort.verbs.stats.reports import testing_facts as testing
from cxrshort.verbs.stats.reports.facts import Fact, FactMaker, sentence
from cxrshort.verbs.stats.reports.items import GUIDELINES
from cxrshort.verbs.stats.run_folders import RunFolder

Section = tuple[str, Sequence[str | FactMaker]]
"""A heading, and what stands below it: questions that a person answers, and facts."""

_TRAINING_DATA = "Training data"
_CARD: Sequence[Section] = (
    (
        "Model",
        (
            model.model_description,
            model.model_outputs,
            model.ensembling,
            model.specification,
            model.software,
            "Who developed the model, and when",
            "License, citation and contact",
        ),
    ),
    (
        "Intended use",
        ("Intended use and users", "Uses out of scope", "Role in the clinical workflow, and who decides"),
    ),
    (
        _TRAINING_DATA,
        (
            data.data_sources,
            data.patient_flow,
            data.partitions,
            data.disjoint_level,
            model.development,
            data.label_counts,
            "How labels were made, and how often they are wrong",
        ),
    ),
    (
        "Training",
        (
            model.initialisation,
            model.training_settings,
            model.imbalance,
            model.missing_labels,
            model.selection,
            model.computation,
        ),
    ),
    ("Internal testing", (testing.internal_testing,)),
    ("External testing", (testing.external_testing,)),
    ("Gap between internal and external testing", (testing.gaps,)),
    ("Uncertainty", (testing.uncertainty, testing.caution)),
    ("Calibration", (testing.calibrations,)),
    ("Subgroups", (testing.fairness,)),
    (
        "Known shortcuts",
        (testing.shortcuts, data.confounders, "What the shortcuts found mean for the intended use"),
    ),
    (
        "Limitations and ethical considerations",
        ("Known limitations", "Harms, and what was done against them", "Approval by an ethics committee"),
    ),
)
_DATASHEET: Sequence[Section] = (
    (
        "Motivation",
        ("For what purpose the dataset was made", "Who made it, on behalf of whom, and who funded it"),
    ),
    (
        "Composition",
        (
            data.data_sources,
            data.label_counts,
            data.characteristics,
            data.missing_metadata,
            data.confounders,
            "Whether the dataset is a sample of a larger set, and how it represents it",
            "Whether people can be identified",
        ),
    ),
    (
        "Collection",
        (
            data.study_dates,
            data.image_acquisition,
            "How and where images were collected, and by whom",
            "Whether people were told and agreed",
            "Approval by an ethics committee",
        ),
    ),
    (
        "Cleaning and labelling",
        (
            data.inclusion_criteria,
            data.data_subsets,
            data.image_preparation,
            "How labels were made (reports, readers, tests), and their errors",
        ),
    ),
    ("Recommended splits", (data.partitions, data.disjoint_level)),
    ("Uses", ("What the dataset has been used for", "What it must not be used for")),
    ("Distribution", ("Under which license, and by whom, it is given to others",)),
    ("Maintenance", ("Who maintains it, and how errors are reported and corrected",)),
)


def write_items(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the items of every guideline as Markdown tables; evidence is blank where a person must write."""
    parts = ["# Reporting items that run folders prove", ""]
    for guideline in GUIDELINES:
        own = [row for row in rows if row["guideline"] == guideline]
        parts += [f"## {guideline}", "", "| item | topic | status | evidence | proof |", "|---|---|---|---|---|"]
        names = ("item", "topic", "status", "evidence", "proof")
        parts += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in own]
        parts.append("")
    return "\n".join(parts)


def write_card(study: Study) -> str:
    """Return a model card: what the folders prove, and what is to be written."""
    names = list(dict.fromkeys(str(run.arguments.get("architecture")) for run in study.trainings))
    return _document(f"Model card: {', '.join(names) or TO_WRITE}", _CARD, study)


def write_datasheet(study: Study) -> str:
    """Return a datasheet: what the folders prove, and what is to be written."""
    names = list(dict.fromkeys(run.dataset_name for run in study.datasets))
    return _document(f"Datasheet: {', '.join(names) or TO_WRITE}", _DATASHEET, study)


def _document(title: str, sections: Sequence[Section], study: Study) -> str:
    parts = [
        f"# {title}",
        "",
        f"Numbers come from the files named behind them; `{TO_WRITE}` marks what a person must write.",
        "",
    ]
    training = _with_datasets(study, study.training_datasets)
    for heading, contents in sections:
        parts += [f"## {heading}", ""]
        shown = training if heading == _TRAINING_DATA else study
        lines = [line for content in contents for line in _lines(content, shown)]
        parts += lines or [f"- {TO_WRITE}: nothing in the run folders"]
        parts.append("")
    return "\n".join(parts)


def _with_datasets(study: Study, datasets: Sequence[RunFolder]) -> Study:
    """Return a study of which these datasets alone are left."""
    kept = tuple(run for run in study.folders.runs if run not in study.datasets or run in datasets)
    return replace(study, folders=replace(study.folders, runs=kept))


def _lines(content: str | FactMaker, study: Study) -> list[str]:
    if isinstance(content, str):
        return [f"- {content}: {TO_WRITE}"]
    facts = dict.fromkeys(content(study))
    return [_line(fact) for fact in facts]


def _line(fact: Fact) -> str:
    return f"- {sentence(fact.text)}" + (f" (`{fact.proof}`)" if fact.proof else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
