import dataclasses
import json

import numpy as np
import pytest

from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import (
    Phantom,
    with_finding,
    with_site,
    with_style,
    with_view,
    without_finding,
)
from cxrshort.datasets.phantom.styles import STYLE_FIELDS
from cxrshort.errors import DataError, UsageError

PHANTOMS = sample_phantoms("phantom-III", images=40, confounding=None, seed=1)
HEALTHY = next(phantom for phantom in PHANTOMS if not phantom.findings)
HINT = "write parameters with Phantom.to_json"


def changed_fields(before: Phantom, after: Phantom) -> set[str]:
    return {
        field.name for field in dataclasses.fields(Phantom) if getattr(before, field.name) != getattr(after, field.name)
    }


def test_from_json_gives_back_what_to_json_wrote() -> None:
    texts = [phantom.to_json() for phantom in PHANTOMS]
    assert [Phantom.from_json(text) for text in texts] == PHANTOMS
    assert len(set(texts)) == len(texts)


def test_to_json_is_one_line() -> None:
    text = HEALTHY.to_json()
    assert "\n" not in text
    assert json.loads(text)["patient"]["sex"] == HEALTHY.patient.sex


def test_from_json_refuses_other_text() -> None:
    with pytest.raises(DataError) as raised:
        Phantom.from_json("{}")
    assert raised.value.message == "'{}' is not the JSON of a phantom: 'patient'"
    assert raised.value.hint == HINT


def test_with_finding_changes_the_findings_only_and_without_finding_undoes_it() -> None:
    ill = with_finding(HEALTHY, "Effusion", 0.5)
    assert ill.findings == (("Effusion", 0.5),)
    assert changed_fields(HEALTHY, ill) == {"findings"}
    assert without_finding(ill, "Effusion") == HEALTHY


def test_with_finding_keeps_the_order_of_the_labels_and_replaces_a_severity() -> None:
    ill = with_finding(with_finding(with_finding(HEALTHY, "COVID-19", 0.5), "Mass", 0.2), "COVID-19", 0.9)
    assert ill.findings == (("Mass", 0.2), ("COVID-19", 0.9))


def test_severity_is_zero_without_the_finding() -> None:
    assert HEALTHY.severity("Mass") == 0.0
    assert with_finding(HEALTHY, "Mass", 0.25).severity("Mass") == 0.25


def test_with_style_view_and_site_change_nothing_else() -> None:
    other_view = "AP" if HEALTHY.view == "PA" else "PA"
    other_style = dataclasses.replace(HEALTHY.style, marker_text="L" if HEALTHY.style.marker_text == "R" else "R")
    assert changed_fields(HEALTHY, with_view(HEALTHY, other_view)) == {"view"}
    assert changed_fields(HEALTHY, with_style(HEALTHY, other_style)) == {"style"}
    assert changed_fields(HEALTHY, with_site(HEALTHY, "site-a")) == {"site", "style"}
    assert with_site(HEALTHY, HEALTHY.site) == HEALTHY


def test_with_site_exchanges_the_named_shortcuts_alone() -> None:
    moved = with_site(HEALTHY, "site-a", shortcuts=["marker"])
    changed = {name for name, value in vars(HEALTHY.style).items() if getattr(moved.style, name) != value}
    assert "marker_x" in changed
    assert changed <= set(STYLE_FIELDS["marker"])
    assert with_site(HEALTHY, "site-a", shortcuts=["view"]).style == HEALTHY.style


def test_with_site_is_repeatable() -> None:
    assert with_site(HEALTHY, "site-b") == with_site(HEALTHY, "site-b")


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (
            lambda: with_finding(HEALTHY, "Pnuemonia", 0.5),
            "'Pnuemonia' is not a known finding",
            "did you mean 'Pneumonia'?",
        ),
        (lambda: without_finding(HEALTHY, "Edemaa"), "'Edemaa' is not a known finding", "did you mean 'Edema'?"),
        (lambda: with_view(HEALTHY, "LATERAL"), "'LATERAL' is not a known view of the phantom", "one of: PA, AP"),
        (
            lambda: with_site(HEALTHY, "site-a", shortcuts=["grains"]),
            "'grains' is not a known shortcut",
            "did you mean 'grain'?",
        ),
        (
            lambda: with_site(HEALTHY, "site-z"),
            "'site-z' is not a known hospital of the phantom",
            "did you mean 'site-a'?",
        ),
    ],
)
def test_a_change_to_an_unknown_name_is_refused(change, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        change()
    assert raised.value.message == message
    if "site" not in message:
        assert raised.value.hint == hint


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"view": "LATERAL"}, "view 'LATERAL' is not one of PA, AP"),
        ({"findings": (("Mass", 0.0),)}, "severity '0.0' of Mass is not above 0 and at most 1"),
        ({"findings": (("Mass", 1.5),)}, "severity '1.5' of Mass is not above 0 and at most 1"),
        ({"findings": (("Gout", 0.5),)}, "findings 'Gout' are not labels in the order of the label table"),
        (
            {"findings": (("COVID-19", 0.5), ("Mass", 0.5))},
            "findings 'COVID-19, Mass' are not labels in the order of the label table",
        ),
    ],
)
def test_a_phantom_that_cannot_be_drawn_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(DataError) as raised:
        dataclasses.replace(HEALTHY, **values)
    assert raised.value.message == message
    assert raised.value.hint == HINT


def test_noise_seed_changes_the_noise_alone_and_is_written_only_where_it_is_set() -> None:
    again = dataclasses.replace(HEALTHY, noise_seed=7)
    assert "noise_seed" not in HEALTHY.to_json() and Phantom.from_json(again.to_json()) == again
    before = draw_phantom(HEALTHY, size=64).pixels
    difference = before.astype(int) - draw_phantom(again, size=64).pixels
    assert difference.any() and abs(difference.mean()) < 0.2 and np.abs(difference).max() < 60
    same = draw_phantom(dataclasses.replace(HEALTHY, noise_seed=HEALTHY.seed), size=64)
    np.testing.assert_array_equal(same.pixels, before)
