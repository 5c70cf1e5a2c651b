"""The label maps against the tables of the published code."""

import pandas as pd
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.label_maps import (
    PADCHEST_LABELS,
    PADCHEST_WITHOUT_LABEL,
    github_covid_labels,
)
from cxrshort.datasets.repositories.parsing.report_findings import label_findings

PNEUMONIAS = (
    "ARDS|Bacterial|Chlamydophila|E.Coli|Influenza|Klebsiella|Legionella|Lipoid|Mycoplasma Bacterial Pneumonia|"
    "Pneumocystis|Pneumonia|SARS|Streptococcus|Varicella"
).split("|")


@pytest.mark.parametrize("finding", ["COVID-19", "COVID-19, ARDS", "Pneumonia/Viral/COVID-19"])
def test_github_covid_labels_of_covid(finding):
    assert github_covid_labels(finding) == {"Pneumonia": 0, COVID: 1}


@pytest.mark.parametrize("finding", [*PNEUMONIAS, "Pneumonia/Viral/SARS", "Pneumonia/Bacterial/Mycoplasma"])
def test_github_covid_labels_of_other_pneumonias(finding):
    assert github_covid_labels(finding) == {"Pneumonia": 1, COVID: 0}


@pytest.mark.parametrize("finding", ["No Finding", "Tuberculosis", "Pneumonia/Viral/MERS-CoV"])
def test_github_covid_labels_of_other_findings(finding):
    assert github_covid_labels(finding) == {"Pneumonia": 0, COVID: 0}


@pytest.mark.parametrize("finding", ["todo", "Unknown", "", "covid"])
def test_github_covid_labels_are_empty_for_unknown_words(finding):
    assert github_covid_labels(finding) == {}


PADCHEST = {
    "Atelectasis": "atelectasis; atelectasis basal; laminar atelectasis; lobar atelectasis; round atelectasis; "
    "segmental atelectasis; total atelectasis",
    "Cardiomegaly": "cardiomegaly; mediastinal enlargement",
    "Consolidation": "consolidation",
    "Edema": "kerley lines; pulmonary edema",
    "Effusion": "pleural effusion; loculated pleural effusion; loculated fissural effusion; pericardial effusion",
    "Emphysema": "emphysema; subcutaneous emphysema",
    "Fibrosis": "asbestosis signs; fibrotic band; post radiotherapy changes; pulmonary fibrosis",
    "Infiltration": "infiltrates; ground glass pattern; interstitial pattern; reticular interstitial pattern; "
    "reticulonodular interstitial pattern; miliary opacities",
    "Mass": "mass; mediastinal mass; pleural mass; pulmonary mass; soft tissue mass; abscess; blastic bone lesion; "
    "bone metastasis; calcified densities; calcified fibroadenoma; cavitation; cyst; lepidic adenocarcinoma; "
    "lung metastasis",
    "Nodule": "nodule; multiple nodules; granuloma; calcified granuloma; calcified adenopathy; "
    "calcified mediastinal adenopathy; abscess; blastic bone lesion; bone metastasis; calcified densities; "
    "calcified fibroadenoma; cavitation; cyst; lepidic adenocarcinoma; lung metastasis",
    "Pleural_Thickening": "pleural thickening; apical pleural thickening; calcified pleural plaques; "
    "calcified pleural thickening; fissure thickening; major fissure thickening; pleural plaques; "
    "minor fissure thickening",
    "Pneumonia": "pneumonia; atypical pneumonia",
    "Pneumothorax": "pneumothorax; hydropneumothorax",
}


@pytest.mark.parametrize("label", CHESTX_RAY14_LABELS)
def test_padchest_words_set_their_label_and_no_other(label):
    words = [*(word for group in PADCHEST_LABELS.values() for word in group), *sorted(PADCHEST_WITHOUT_LABEL)]
    labels, notes = label_findings([(word,) for word in words], pd.Index(words))
    expected = {word.strip() for word in PADCHEST.get(label, "").split(";") if word}
    assert set(labels.index[labels[label] == 1]) == expected
    assert notes == []


def test_padchest_table_has_as_many_words_as_the_published_one():
    words = [word for group in PADCHEST_LABELS.values() for word in group]
    assert (len(words), len(PADCHEST_WITHOUT_LABEL)) == (60, 133)
    assert not PADCHEST_WITHOUT_LABEL.intersection(words)


@pytest.mark.parametrize("word", ["hiatal hernia", "alveolar pattern", "costophrenic angle blunting", "copd signs"])
def test_padchest_words_without_a_label_are_known(word):
    assert word in PADCHEST_WITHOUT_LABEL
