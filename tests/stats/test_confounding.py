"""The table of confounding: verdicts, order, and silence where there is nothing."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import UsageError
from cxrshort.stats.association import category_auc, number_auc
from cxrshort.stats.confounding import (
    COLUMNS,
    CONFOUNDING_HEADER,
    UTILITY,
    confounding,
    confounding_rows,
    list_unmeasured,
)


def manifest(seed: int = 0, *, persons: int = 400) -> pd.DataFrame:
    """Return two repositories, the second one all COVID-19; age goes with Pneumonia, nothing with Mass."""
    rng = np.random.default_rng(seed)
    count = 2 * persons
    repository = np.repeat(np.where(np.arange(persons) < persons // 4, "github-covid", "chestx-ray14"), 2)
    age = np.repeat(rng.normal(55, 15, persons).round(), 2)
    age[::9] = np.nan
    return pd.DataFrame(
        {
            "person_id": np.repeat([f"p{number}" for number in range(persons)], 2),
            "repository": repository,
            "view": rng.choice(["PA", "AP", ""], count),
            "sex": np.repeat(rng.choice(["M", "F"], persons), 2),
            "age_years": age,
            "manufacturer": "",
            "COVID-19": (repository == "github-covid").astype(float),
            "Pneumonia": (np.nan_to_num(age, nan=55) + rng.normal(0, 15, count) > 60).astype(float),
            "Mass": (rng.random(count) < 0.3).astype(float),
            "Hernia": np.nan,
        }
    )


def measured(labels, *, seed=0, table=None, **options):
    return confounding(manifest() if table is None else table, labels, rng=np.random.default_rng(seed), **options)


def verdicts(table):
    return {(row.label, row.column): row.verdict for row in table.itertuples()}


def test_confounding_names_the_worst_case_first():
    actual = measured(["Mass", "COVID-19"])
    assert actual.iloc[0][["label", "column", "auc", "verdict"]].tolist() == [
        "COVID-19",
        "repository",
        1.0,
        "worst-case confounded",
    ]
    assert list(actual.columns) == ["label", "column", "auc", "low", "high", "images", "verdict", *UTILITY]


def test_confounding_is_no_worst_case_with_one_exception():
    table = manifest()
    table.loc[len(table) - 1, "COVID-19"] = 1.0
    actual = verdicts(measured(["COVID-19"], table=table))
    assert actual["COVID-19", "repository"] == "strong"


def test_confounding_of_another_column_is_strong_even_when_perfect():
    table = manifest()
    table["view"] = np.where(table["COVID-19"] == 1, "AP", "PA")
    assert verdicts(measured(["COVID-19"], table=table))["COVID-19", "view"] == "strong"


def test_confounding_of_three_pure_repositories_is_the_worst_case():
    table = manifest()
    table.loc[table.index[-100:], "repository"] = "rsna"
    assert measured(["COVID-19"], table=table)["verdict"].iloc[0] == "worst-case confounded"
    table.loc[table.index[:5], "COVID-19"] = [0.5, np.nan, 0.5, np.nan, 0.5]  # say nothing for or against it
    assert measured(["COVID-19"], table=table)["verdict"].iloc[0] == "worst-case confounded"


def test_confounding_of_a_repository_without_the_label_is_not_measurable():
    table = manifest()
    table.loc[table["repository"] == "chestx-ray14", "COVID-19"] = np.nan
    actual = verdicts(measured(["COVID-19"], table=table, columns=["repository", "age_years"]))
    assert set(actual.values()) == {"not measurable: only one category", "not measurable: only positives"}


def test_confounding_repeats_the_measures():
    table = manifest()
    actual = measured(["Pneumonia"], columns=["sex", "age_years", "view"], seed=5).set_index("column")
    persons = pd.factorize(table["person_id"])[0]
    age = number_auc(table["Pneumonia"], table["age_years"], clusters=persons)
    sex = category_auc(table["Pneumonia"], table["sex"], clusters=persons, rng=np.random.default_rng(5))
    names = ["auc", "low", "high", "images"]
    assert actual.loc["age_years", names].tolist() == [age.value, age.low, age.high, age.images]
    assert actual.loc["sex", names].tolist() == [sex.value, sex.low, sex.high, sex.images]
    assert actual.loc["age_years", "verdict"] == "strong"
    assert actual.loc["view", "images"] == (table["view"] != "").sum()


def test_confounding_draws_from_the_generator():
    table = manifest()
    actual = measured(["Mass"], columns=["repository"], seed=3)
    expected = category_auc(
        table["Mass"], table["repository"], clusters=table["person_id"], rng=np.random.default_rng(3)
    )
    assert actual["auc"].tolist() == [expected.value]


def test_confounding_says_what_would_have_been_shown():
    actual = measured(["Mass"], columns=["sex"])
    assert actual["verdict"].tolist() == ["none shown (would have shown AUC 0.57)"]


def test_confounding_of_few_images_says_so():
    table = pd.DataFrame({"person_id": list("abcd"), "view": list("xyxy"), "Mass": [0.0, 0.0, 1.0, 1.0]})
    assert measured(["Mass"], table=table, columns=["view"])["verdict"].tolist() == [
        "not measurable: only 1 positive in the half that judges"
    ]


def test_confounding_lists_what_cannot_be_measured_last():
    actual = measured(["Hernia", "Mass"], table=manifest().drop(columns="view"))
    assert actual["verdict"].str.startswith("not measurable").sum() == 5 + 2
    assert actual["verdict"].iloc[-7:].str.startswith("not measurable").all()
    absent = actual[(actual["label"] == "Mass") & (actual["column"] == "view")]
    assert absent["images"].tolist() == [0]
    assert verdicts(actual)["Mass", "view"] == "not measurable: the manifest has no such column"
    assert verdicts(actual)["Mass", "manufacturer"] == "not measurable: no category is known"


def test_confounding_accuses_a_clean_dataset_in_few_pairs_only():
    """40 datasets of 5 pairs; at most 5 % are expected to read weak, none strong."""
    rng = np.random.default_rng(0)
    every = []
    for seed in range(40):
        table = manifest(seed)
        table["manufacturer"] = np.repeat(rng.choice(list("ABCDEFGH"), len(table) // 2), 2)
        table["Mass"] = np.repeat(rng.random(len(table) // 2) < 0.3, 2).astype(float)
        every += confounding(table, ["Mass"], rng=rng)["verdict"].str[:4].tolist()
    assert len(every) == 200
    assert every.count("none") >= 0.91 * len(every)
    assert every.count("stro") == 0


def test_confounding_does_not_change_the_manifest():
    table = manifest()
    measured(["Mass"], table=table)
    pd.testing.assert_frame_equal(table, manifest())


def test_confounding_of_no_label_is_empty():
    assert measured([]).empty


@pytest.mark.parametrize(
    ("labels", "columns", "message"),
    [
        (["Masss"], COLUMNS, "^'Masss' is not a known label$"),
        (["Mass"], ["veiw"], "^'veiw' is not a known column$"),
    ],
)
def test_confounding_refuses_unknown_names(labels, columns, message):
    with pytest.raises(UsageError, match=message):
        measured(labels, columns=columns)


def test_confounding_refuses_a_level_of_95():
    with pytest.raises(UsageError, match='^level "95" is not between 0 and 1$'):
        measured(["Mass"], level=95)


def test_confounding_rows_are_cells_of_text():
    table = manifest()
    table.loc[table.index[2:], "Hernia"] = 0.0
    table.loc[table.index[0], "Hernia"] = 1.0
    actual = measured(["COVID-19", "Hernia"], table=table, columns=["repository", "manufacturer"])
    rows = confounding_rows(actual)
    assert [len(row) for row in rows] == [len(CONFOUNDING_HEADER)]
    assert rows[0][:2] == ["COVID-19", "repository"]
    assert rows[0][2].startswith("1.000 [0.")
    assert rows[0][3:] == ["800", "worst-case confounded"]


def test_what_cannot_be_measured_is_one_line():
    table = manifest()
    table.loc[table.index[2:], "Hernia"] = 0.0
    table.loc[table.index[0], "Hernia"] = 1.0
    actual = measured(["COVID-19", "Hernia"], table=table, columns=["repository", "manufacturer"])
    assert list_unmeasured(actual) == (
        "not measurable: manufacturer (no category is known), repository (1 of 2 labels); reasons in confounding.csv"
    )
    assert list_unmeasured(actual[:1]) == ""
