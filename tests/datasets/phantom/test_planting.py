import math

import numpy as np
import pytest

from cxrshort.columns import LABELS
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.planting import (
    PREVALENCE,
    Comorbidity,
    Planting,
    conditional_prevalences,
    confounding_of,
    planting_from_options,
    read_comorbidity,
    record_planting,
    share_of,
    strength_limits,
)
from cxrshort.datasets.phantom.styles import SHORTCUTS
from cxrshort.errors import UsageError

PAIRS = ("Edema,Effusion=0.4", "Mass,Nodule=-0.04", "COVID-19,Pneumonia=0.3", "Pneumonia,Effusion=0.2")


def presence(*texts: str, images: int = 12_000) -> dict[str, np.ndarray]:
    """Return, by label, whether each patient has it."""
    pairs = [read_comorbidity(text) for text in texts]
    phantoms = sample_phantoms("phantom-III", images=images, confounding=None, seed=3, comorbidities=pairs)
    people = [phantom for phantom in phantoms if phantom.image_index == 0]
    return {label: np.array([person.severity(label) > 0 for person in people]) for label in LABELS}


@pytest.fixture(scope="module")
def planted_presence() -> dict[str, np.ndarray]:
    return presence(*PAIRS)


@pytest.mark.parametrize(("confounding", "share"), [(0.0, 0.5), (0.6, 0.8), (0.8, 0.9), (1.0, 1.0)])
def test_share_and_confounding_are_two_scales_of_one_number(confounding: float, share: float) -> None:
    assert share_of(confounding) == share
    assert confounding_of(share) == confounding
    assert Planting(confounding).share == share


def test_bias_gives_that_share_of_a_class_its_style() -> None:
    planting = planting_from_options("phantom-I", bias=0.8)
    phantoms = sample_phantoms("phantom-I", images=8000, confounding=planting.confounding, seed=0)
    people = [phantom for phantom in phantoms if phantom.image_index == 0]
    for sick, site in ((True, "site-b"), (False, "site-a")):
        own = [person.site == site for person in people if (person.severity("COVID-19") > 0) == sick]
        # 4 standard errors of a share of 0.8.
        assert np.mean(own) == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / len(own)))


def test_plan_planting_takes_the_dataset_s_own_confounding_and_all_shortcuts_by_default() -> None:
    assert planting_from_options("phantom-II") == Planting(0.5, tuple(SHORTCUTS), ())
    assert planting_from_options("phantom-III").share == 0.5


def test_plan_planting_puts_shortcuts_into_the_order_of_the_table() -> None:
    assert planting_from_options("phantom-I", shortcuts=["view", "marker", "view"]).shortcuts == ("marker", "view")


def test_comorbidities_keep_every_prevalence(planted_presence: dict[str, np.ndarray]) -> None:
    for label, present in planted_presence.items():
        expected = PREVALENCE[label]
        assert present.mean() == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / len(present)))


@pytest.mark.parametrize("text", PAIRS)
def test_comorbidities_have_the_correlation_that_was_asked(text: str, planted_presence: dict[str, np.ndarray]) -> None:
    pair = read_comorbidity(text)
    measured = np.corrcoef(planted_presence[pair.first], planted_presence[pair.second])[0, 1]
    # 6,600 patients: the standard error of these is 0.012 to 0.018; of rare labels that avoid each other less.
    assert measured == pytest.approx(pair.strength, abs=0.055 if pair.strength > 0 else 0.02)


def test_labels_without_a_comorbidity_stay_exactly_as_they_are(planted_presence: dict[str, np.ndarray]) -> None:
    plain = presence()
    named = {"Edema", "Effusion", "Mass", "Nodule", "Pneumonia"}
    for label in LABELS:
        same = np.array_equal(plain[label], planted_presence[label])
        # Of a pair, only one label moves.
        assert same or label in named, label
    assert np.array_equal(plain["COVID-19"], planted_presence["COVID-19"])


def test_prevalence_given_reproduces_prevalence_and_correlation() -> None:
    label, (partner, without, beside) = next(
        iter(conditional_prevalences([Comorbidity("Edema", "Effusion", 0.3)]).items())
    )
    p, q = PREVALENCE[partner], PREVALENCE[label]
    assert p * beside + (1 - p) * without == pytest.approx(q)
    # The phi coefficient of the table of the four probabilities, from its determinant.
    table = np.array([[(1 - p) * (1 - without), (1 - p) * without], [p * (1 - beside), p * beside]])
    phi = np.linalg.det(table) / math.sqrt(np.prod(table.sum(0)) * np.prod(table.sum(1)))
    assert phi == pytest.approx(0.3)


def test_prevalence_given_never_makes_covid_depend_on_another_label() -> None:
    pairs = [read_comorbidity(text) for text in ("Edema,COVID-19=0.2", "Atelectasis,Edema=0.1")]
    actual = conditional_prevalences(pairs)
    assert {label: partner for label, (partner, _, _) in actual.items()} == {
        "Edema": "COVID-19",
        "Atelectasis": "Edema",
    }
    assert list(actual) == ["Edema", "Atelectasis"]


def test_strength_limits_are_where_a_cell_of_the_table_is_empty() -> None:
    low, high = strength_limits("Hernia", "Effusion")
    for strength, probability in ((low, "beside"), (high, "without")):
        _, without, beside = conditional_prevalences([Comorbidity("Effusion", "Hernia", strength)])["Hernia"]
        assert {"without": without, "beside": beside}[probability] == pytest.approx(0, abs=1e-12)


def test_record_planting_states_share_shortcuts_and_measured_correlation() -> None:
    planting = Planting(0.6, ("marker",), (Comorbidity("Edema", "Mass", 0.5),))
    present = {"Edema": [True, True, False, False], "Mass": [True, True, False, False]}
    actual = record_planting(planting, present, exchanged=False)
    assert actual.pop("summary") == [
        "rooms differ in: marker",
        "P(style | class): 80.0 % of a class has its style (50 % is chance; this is --confounding 0.6)",
        "planted comorbidity: Edema and Mass, correlation 0.5 (1.000 among 4 patients)",
    ]
    assert actual == {
        "shortcuts": ["marker"],
        "confounding": 0.6,
        "share": 0.8,
        "comorbidities": [{"labels": ["Edema", "Mass"], "correlation": 0.5, "measured": 1.0}],
    }


def test_record_planting_says_whose_style_it_is_and_what_cannot_be_measured() -> None:
    planting = Planting(1.0, ("marker",), (Comorbidity("Edema", "Mass", 0.5),))
    actual = record_planting(planting, {"Edema": [False], "Mass": [True]}, exchanged=True)
    assert "100.0 % of a class has the other class's style" in actual["summary"][1]
    assert actual["comorbidities"][0]["measured"] is None
    assert "not measurable among 1 patient)" in actual["summary"][2]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            {"bias": 0.4},
            "--bias '0.4' is not from 0.5 to 1: it is the share of a class that has its style, 0.5 is chance",
            "try --bias 0.8",
        ),
        (
            {"bias": float("nan")},
            "--bias 'nan' is not from 0.5 to 1: it is the share of a class that has its style, 0.5 is chance",
            "try --bias 0.8",
        ),
        (
            {"bias": 0.8, "confounding": 0.6},
            "--confounding and --bias exclude each other",
            "confounding c gives the share (1 + c) / 2 of a class its style, which --bias states directly",
        ),
        ({"confounding": 1.5}, "confounding '1.5' is not from 0 to 1", "try --confounding 1"),
        ({"shortcuts": ["markers"]}, "'markers' is not a known shortcut", "did you mean 'marker'?"),
        ({"comorbidities": ["Edema,Efusion=0.1"]}, "'Efusion' is not a known finding", "did you mean 'Effusion'?"),
        (
            {"comorbidities": ["Edema=0.1"]},
            "--comorbidity 'Edema=0.1' is not of the form A,B=STRENGTH",
            "such as --comorbidity Edema,Effusion=0.4",
        ),
        (
            {"comorbidities": ["Edema,Mass=much"]},
            "--comorbidity 'Edema,Mass=much' is not of the form A,B=STRENGTH",
            "such as --comorbidity Edema,Effusion=0.4",
        ),
        (
            {"comorbidities": ["Edema,Mass=nan"]},
            "--comorbidity 'Edema,Mass=nan' is not of the form A,B=STRENGTH",
            "such as --comorbidity Edema,Effusion=0.4",
        ),
        (
            {"comorbidities": ["Mass,Mass=0.1"]},
            "--comorbidity 'Mass,Mass=0.1' names one finding twice",
            "such as --comorbidity Edema,Effusion=0.4",
        ),
        (
            {"comorbidities": ["Hernia,Effusion=0.9"]},
            "--comorbidity 'Hernia,Effusion=0.9' is impossible: with prevalences of 0.03 and 0.12 the correlation is "
            "from -0.065 to 0.476",
            "such as --comorbidity Hernia,Effusion=0.23",
        ),
        (
            {"comorbidities": ["Edema,Mass=0.1", "Mass,Nodule=0.1", "Nodule,Edema=0.2"]},
            "--comorbidity 'Nodule,Edema=0.2' closes a circle: the other pairs decide how Nodule and Edema come "
            "together",
            "leave one of these pairs out",
        ),
        (
            {"comorbidities": ["Edema,Mass=0.1", "Mass,Edema=0.2"]},
            "--comorbidity 'Mass,Edema=0.2' closes a circle: the other pairs decide how Mass and Edema come together",
            "leave one of these pairs out",
        ),
    ],
)
def test_plan_planting_refuses_what_cannot_be_planted(options: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        planting_from_options("phantom-I", **options)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def test_plan_planting_refuses_an_unknown_dataset() -> None:
    with pytest.raises(UsageError, match="'phantom-9' is not a known phantom dataset"):
        planting_from_options("phantom-9")
