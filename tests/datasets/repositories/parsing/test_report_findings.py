"""Findings of reports: from text to words, over time, to labels."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.report_findings import carry_forward, label_findings, split_findings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("['pleural effusion', 'normal']", ("pleural effusion", "normal")),
        ('["pleural effusion", " normal "]', ("pleural effusion", "normal")),
        ("['COPD signs'\t'normal']", ("copd signs", "normal")),
        ("[pleural effusion, normal]", ("pleural effusion", "normal")),
        ("normal", ("normal",)),
        ("['', 'normal', 'normal']", ("normal",)),
        ("[]", ()),
        ("", None),
        ("__import__('os').system('false')", ("os", "false")),
    ],
)
def test_split_findings_understands_every_notation(text, words):
    assert split_findings(text) == words


def carried(reports, patients, times):
    return carry_forward(reports, pd.Series(patients), pd.Series(times))


def test_carry_forward_takes_the_latest_earlier_study_not_the_earliest():
    reports = [("mass",), ("edema",), ("unchanged", "nodule")]
    assert carried(reports, ["p"] * 3, ["2014", "2015", "2016"])[0][2] == ("nodule", "edema")


def test_carry_forward_goes_on_through_unchanged_studies():
    reports = [("unchanged",), ("mass",), ("unchanged",)]
    assert carried(reports, ["p"] * 3, ["2016", "2014", "2015"])[0] == [("mass",)] * 3


def test_carry_forward_ignores_other_patients_and_the_same_study():
    reports = [("mass",), ("unchanged",), ("edema",), ("unchanged", "edema")]
    carried_forward, lost = carried(reports, ["p", "q", "q", "q"], ["2014", "2015", "2015", "2016"])
    assert carried_forward == [("mass",), None, ("edema",), ("edema",)]
    assert lost == 1


def test_carry_forward_keeps_what_an_orphan_says_besides():
    assert carried([("unchanged", "edema")], ["p"], ["2014"]) == ([("edema",)], 0)


def test_carry_forward_orders_times_of_one_day():
    reports = [("unchanged",), ("mass",), ("edema",)]
    times = ["2014-01-01T000000300000.0", "2014-01-01T000000100000.0", "2014-01-01T000000200000.0"]
    assert carried(reports, ["p"] * 3, times)[0][0] == ("edema",)


def test_carry_forward_does_not_guess_at_unknown_times():
    reports = [("mass",), ("unchanged",), ("unchanged",)]
    assert carried(reports, ["p"] * 3, ["2014", "", "2015"])[0] == [("mass",), None, ("mass",)]


def test_carry_forward_stops_at_a_study_without_a_report():
    assert carried([("mass",), None, ("unchanged",)], ["p"] * 3, ["1", "2", "3"])[0][2] is None


def test_label_findings_leaves_labels_empty_without_a_report():
    labels, notes = label_findings([("abscess", "normal"), None, (), ("new", "new2")], pd.RangeIndex(4))
    assert labels.loc[0].loc[lambda row: row == 1].index.to_list() == ["Mass", "Nodule"]
    assert labels.loc[1].isna().all()
    assert (labels.loc[2] == 0).all()
    assert list(labels.columns) == list(CHESTX_RAY14_LABELS)
    assert notes == ["2 unknown finding strings: new (1), new2 (1)"]


def test_label_findings_takes_further_words():
    labels, notes = label_findings([("covid 19",), ("normal",)], pd.RangeIndex(2), more={COVID: ("covid 19",)})
    assert labels[COVID].to_list() == [1, 0] and notes == []
    assert labels[COVID].dtype == np.float32
