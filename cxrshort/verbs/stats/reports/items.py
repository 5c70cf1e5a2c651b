"""The items of CLAIM 2024 and TRIPOD+AI, and which facts of a study answer each.

An item that no folder can answer has no facts here: a person writes it. An item is proven where every fact that it
asks for stands in a folder, partly proven where some do or where a folder can only tell a part, and blank otherwise.
Blank says that the text is still to be written, not that the study lacks it; a count of proven items is no grade.

Wording: short titles of the items of CLAIM 2024 (Tejani et al., Radiol Artif Intell 6:e240300) and TRIPOD+AI (Collins
et al., BMJ 385:e078378, checklist of 11 January 2024), for finding them; the checklists themselves say what to write.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cxrshort.verbs.stats.checklist.publishing import BLANK
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.reports import dataset_facts as data
from cxrshort.verbs.stats.reports import model_facts as model
from cxrshort.verbs.stats.reports import testing_facts as testing
from cxrshort.verbs.stats.reports.facts import Fact, FactMaker, join_proofs, join_texts

PROVEN, PARTLY = "proven", "partly"
STATUSES = (PROVEN, PARTLY, BLANK)
CLAIM, TRIPOD = "CLAIM 2024", "TRIPOD+AI"


@dataclass(frozen=True, slots=True)
class Item:
    """Hold an item of a guideline.

    Args:
        number: as the guideline counts.
        topic: its short title.
        facts: what it asks for; each must be there for the item to be proven.
        partly: whether folders can tell no more than a part of it.
    """

    number: str
    topic: str
    facts: tuple[FactMaker, ...] = ()
    partly: bool = False


GUIDELINES: dict[str, tuple[Item, ...]] = {
    CLAIM: (
        Item("1", "Title: study of AI methodology, category of technology"),
        Item("2", "Abstract: structured summary"),
        Item("3", "Background, intended use and role of the AI approach"),
        Item("4", "Aims, objectives and hypotheses"),
        Item("5", "Prospective or retrospective study"),
        Item("6", "Study goal"),
        Item("7", "Data sources", (data.data_sources,)),
        Item("8", "Inclusion and exclusion criteria", (data.inclusion_criteria,)),
        Item("9", "Data pre-processing", (data.image_preparation, model.normalisation)),
        Item("10", "Selection of data subsets", (data.data_subsets,)),
        Item("11", "De-identification methods"),
        Item("12", "How missing data were handled", (data.missing_metadata, model.missing_labels)),
        Item("13", "Image acquisition protocol", (data.image_acquisition,), partly=True),
        Item("14", "Definition of the reference standard"),
        Item("15", "Rationale for the reference standard"),
        Item("16", "Source of reference standard annotations"),
        Item("17", "Annotation of the test set"),
        Item("18", "Inter- and intrarater variability of annotations"),
        Item("19", "How data were assigned to partitions", (data.partitions,)),
        Item("20", "Level at which partitions are disjoint", (data.disjoint_level,)),
        Item("21", "Intended sample size", (data.sample_size,), partly=True),
        Item("22", "Detailed description of model", (model.model_description, model.model_outputs)),
        Item("23", "Software libraries, frameworks, and packages", (model.software,)),
        Item("24", "Initialization of model parameters", (model.initialisation,)),
        Item("25", "Details of training approach", (model.training_settings, model.imbalance)),
        Item("26", "Method of selecting the final model", (model.selection,)),
        Item("27", "Ensembling techniques", (model.ensembling,)),
        Item("28", "Metrics of model performance", (testing.metrics,)),
        Item("29", "Statistical measures of significance and uncertainty", (testing.uncertainty,)),
        Item("30", "Robustness or sensitivity analysis", (testing.robustness,)),
        Item("31", "Methods for explainability or interpretability", (testing.explanations,)),
        Item("32", "Evaluation on internal data", (testing.internal_testing,)),
        Item("33", "Testing on external data", (testing.external_testing,)),
        Item("34", "Clinical trial registration"),
        Item("35", "Numbers of patients or examinations included and excluded", (data.patient_flow,)),
        Item("36", "Demographic and clinical characteristics of each partition", (data.characteristics,)),
        Item("37", "Performance metrics and statistical uncertainty", (testing.performance,)),
        Item("38", "Estimates of diagnostic performance and their precision", (testing.performance, data.sample_size)),
        Item("39", "Failure analysis of incorrect results", (testing.failures,)),
        Item("40", "Study limitations"),
        Item("41", "Implications for practice"),
        Item("42", "Reference to the full study protocol"),
        Item("43", "Availability of software, trained model and data"),
        Item("44", "Sources of funding, role of funders"),
    ),
    TRIPOD: (
        Item("1", "Title"),
        Item("2", "Abstract"),
        Item("3a", "Background: health care context"),
        Item("3b", "Background: target population and purpose"),
        Item("3c", "Background: known health inequalities"),
        Item("4", "Objectives"),
        Item("5a", "Data: sources for development and evaluation", (data.data_sources,)),
        Item("5b", "Data: dates", (data.study_dates,), partly=True),
        Item("6a", "Participants: setting", (data.data_sources,), partly=True),
        Item("6b", "Participants: eligibility", (data.inclusion_criteria,)),
        Item("6c", "Participants: treatments received"),
        Item("7", "Data preparation", (data.image_preparation, model.normalisation)),
        Item("8a", "Outcome: definition and assessment"),
        Item("8b", "Outcome: subjective assessment, who assessed"),
        Item("8c", "Outcome: blinding"),
        Item("9a", "Predictors: choice"),
        Item("9b", "Predictors: definition and measurement"),
        Item("9c", "Predictors: subjective assessment"),
        Item("10", "Sample size", (data.sample_size,), partly=True),
        Item("11", "Missing data", (data.missing_metadata, model.missing_labels)),
        Item("12a", "Analytical methods: how data were used", (data.partitions, model.development)),
        Item("12b", "Analytical methods: handling of predictors", (data.image_preparation, model.normalisation)),
        Item("12c", "Analytical methods: model and building steps", (model.model_description, model.training_settings)),
        Item("12d", "Analytical methods: heterogeneity across clusters", (testing.gaps,)),
        Item("12e", "Analytical methods: measures of performance", (testing.metrics, testing.uncertainty)),
        Item("12f", "Analytical methods: model updating", (testing.updating,)),
        Item("12g", "Analytical methods: how predictions were calculated", (model.model_outputs, model.ensembling)),
        Item("13", "Class imbalance", (model.imbalance, data.label_counts)),
        Item("14", "Fairness", (testing.fairness,)),
        Item("15", "Model output", (model.model_outputs,)),
        Item("16", "Training versus evaluation", (data.data_differences, testing.external_testing)),
        Item("17", "Ethical approval"),
        Item("18a", "Open science: funding"),
        Item("18b", "Open science: conflicts of interest"),
        Item("18c", "Open science: protocol"),
        Item("18d", "Open science: registration"),
        Item("18e", "Open science: data sharing"),
        Item("18f", "Open science: code sharing", (model.software, model.commands), partly=True),
        Item("19", "Patient and public involvement"),
        Item("20a", "Participants: flow", (data.patient_flow,)),
        Item("20b", "Participants: characteristics", (data.characteristics, data.missing_metadata)),
        Item("20c", "Participants: development against evaluation", (data.characteristics, testing.external_testing)),
        Item("21", "Model development: participants and events", (model.development, data.label_counts)),
        Item("22", "Model specification", (model.specification, model.model_outputs)),
        Item("23a", "Model performance with intervals", (testing.performance,)),
        Item("23b", "Model performance: heterogeneity", (testing.gaps,)),
        Item("24", "Model updating", (testing.updating,)),
        Item("25", "Interpretation"),
        Item("26", "Limitations"),
        Item("27a", "Usability: poor or unavailable input"),
        Item("27b", "Usability: user interaction and expertise"),
        Item("27c", "Usability: next steps, generalizability"),
    ),
}
"""Items by guideline; another one is one line here."""


def answer_items(study: Study) -> list[dict[str, str]]:
    """Return every item with its status, and the evidence and the proof of what is proven."""
    facts: dict[FactMaker, list[Fact]] = {}
    rows = []
    for guideline, items in GUIDELINES.items():
        for item in items:
            for make in item.facts:
                if make not in facts:
                    facts[make] = make(study)
            rows.append(_answer(guideline, item, [facts[make] for make in item.facts]))
    return rows


def _answer(guideline: str, item: Item, answers: Sequence[Sequence[Fact]]) -> dict[str, str]:
    every = [fact for facts in answers for fact in facts]
    complete = bool(answers) and all(answers) and not item.partly
    return {
        "guideline": guideline,
        "item": item.number,
        "topic": item.topic,
        "status": PROVEN if complete else PARTLY if every else BLANK,
        "evidence": join_texts(every),
        "proof": join_proofs(every),
    }
