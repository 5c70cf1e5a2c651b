"""Diagnoses in words: collapse, no change, a discriminator that has won, and nothing where nothing is wrong."""

from typing import Any

import numpy as np
import pytest

from cxrshort.generative.cyclegan.diagnosis import diagnose, is_collapsed, measure_change

SIDES = {"from": "A", "to": "B"}


def record(number: int, **changes: float) -> dict[str, Any]:
    """Return a look at which nothing is wrong."""
    usual = {
        f"{name}_{side}": value
        for name, value in (("discriminator", 0.2), ("change", 9.0), ("spread", 0.9))
        for side in SIDES
    }
    return {"number": number, **usual, **changes}


def looks(**changes: float) -> list[dict[str, Any]]:
    """Return a run of 20 looks, the last ten of them with changes."""
    return [record(100 * place, **(changes if place > 10 else {})) for place in range(1, 21)]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert diagnose(looks(), loss="lsgan", sides=SIDES) == []
    assert diagnose([], loss="lsgan", sides=SIDES) == []


def test_collapse_is_said_with_its_direction() -> None:
    assert diagnose(looks(spread_to=0.02), loss="lsgan", sides=SIDES) == [
        "the generator toward 'B' has collapsed: it makes one image of all (they differ by 2% of what their originals "
        "do); raise --cycle, or lower --learning-rate"
    ]


def test_generator_without_effect_is_said() -> None:
    assert diagnose(looks(change_from=0.2), loss="lsgan", sides=SIDES) == [
        "the generator toward 'A' leaves images as they are (mean change 0.20 of 255): train longer, or lower --cycle "
        "and --identity"
    ]


@pytest.mark.parametrize(("loss", "low", "undecided"), [("lsgan", 0.01, "0.25"), ("log", 0.03, "0.693")])
def test_discriminator_that_has_won_for_good_is_said_since_when(loss: str, low: float, undecided: str) -> None:
    assert diagnose(looks(discriminator_to=low), loss=loss, sides=SIDES) == [
        "the discriminator of 'B' has won: since step 1100 its loss is below 5% of that of an undecided one (now "
        f"{low:.3g}, undecided {undecided}), so that the generator learns little from it; lower --set "
        "discriminator_rate, or give more images"
    ]


def test_discriminator_that_is_ahead_for_a_while_has_not_won() -> None:
    history = looks(discriminator_to=0.01)
    assert diagnose([*history, record(2100)], loss="lsgan", sides=SIDES) == []
    assert diagnose([*looks(), record(2100, discriminator_to=0.01)], loss="lsgan", sides=SIDES) == []
    assert diagnose([record(1, discriminator_to=0.01)], loss="lsgan", sides=SIDES) == []


def test_change_and_spread_are_what_they_say() -> None:
    originals = np.array([[[0, 100]], [[100, 0]]], np.uint8)
    halved = measure_change(originals, (originals // 2).astype(np.uint8))
    assert halved == {"change": 25.0, "spread": 0.5}
    constant = measure_change(originals, np.full_like(originals, 50))
    assert constant == {"change": 50.0, "spread": 0.0}
    assert is_collapsed(constant["spread"]) and not is_collapsed(halved["spread"])
    assert measure_change(originals[:1], originals[:1]) == {"change": 0.0, "spread": 1.0}
