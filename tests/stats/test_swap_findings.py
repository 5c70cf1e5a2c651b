"""Evidence, the published test and the controls, from a table of changes written by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from cxrshort.stats.swap_findings import (
    POPULATION_COLUMNS,
    SwapChanges,
    control_rows,
    evidence_of,
    population_rows,
    units_of,
)
from cxrshort.stats.verdicts import RULES, judge

RULE = RULES["swap-test"]
PAIRS = 10


def rows(
    region: str, purpose: str, changes: list[float], *, intervention: str = "replace", first: int = -1
) -> pd.DataFrame:
    """Return trials of pairs: a positive that should fall, then a negative that should rise."""
    count = len(changes)
    move = intervention == "move"
    return pd.DataFrame(
        {
            "image_id": [f"i{number}" for number in range(count)],
            "person_id": [f"p{number}" for number in range(count)],
            "pair": [number if move else number // 2 for number in range(count)],
            "partner": "" if intervention in ("move", "blur") else "other",
            "region": region,
            "intervention": intervention,
            "purpose": purpose,
            "direction": "increase" if move else (["decrease", "increase"] * count)[:count],
            "before": 0.0,
            "after": changes,
            "change": changes,
            "changed_pixels": int(purpose != "sham"),
            "null_row": -1 if first < 0 else range(first, first + count),
        }
    )


def as_predicted(size: float, *, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return [sign * (size + 0.2 * rng.normal()) for _ in range(PAIRS) for sign in (-1, 1)]


def changes_of(*parts: pd.DataFrame, null: np.ndarray | None = None, spread: float = 2.0) -> SwapChanges:
    table = pd.concat(parts, ignore_index=True)
    return SwapChanges(table, np.zeros((0, 3), np.float32) if null is None else null.astype(np.float32), spread)


def test_evidence_of_a_shortcut_and_of_nothing() -> None:
    changes = changes_of(rows("tag", "test", as_predicted(3)), rows("other", "test", as_predicted(0, seed=1)))
    evidence = evidence_of(changes, ["tag", "other", "gone"], {"gone": "no boxes"}, rule=RULE, seed=0)
    assert [judge(region, RULE).verdict for region in evidence] == ["shortcut", "no evidence", "not testable"]
    tag = evidence[0]
    assert tag.effect == pytest.approx(1.5, abs=0.1) and tag.low is not None and tag.high is not None
    assert tag.low < tag.effect < tag.high
    assert tag.p == 2 * 2.0 ** (1 - PAIRS)  # Holm over two regions
    assert evidence[2].reason == "no boxes"


def test_numbers_of_a_region_depend_on_no_other_region_but_for_the_correction() -> None:
    tag, other = rows("tag", "test", as_predicted(1)), rows("other", "test", as_predicted(0, seed=1))
    alone = evidence_of(changes_of(tag), ["tag"], {}, rule=RULE, seed=0)[0]
    beside = evidence_of(changes_of(other, tag), ["other", "tag"], {}, rule=RULE, seed=0)[1]
    assert (alone.effect, alone.low, alone.high) == (beside.effect, beside.low, beside.high)
    assert beside.p == pytest.approx(2 * (alone.p or 0))


def test_units_are_pairs_where_something_is_exchanged_and_else_persons() -> None:
    assert units_of(rows("tag", "test", [1.0, 2.0, 3.0])) == ["pair 0", "pair 0", "pair 1"]
    assert units_of(rows("tag", "test", [1.0, 2.0], intervention="blur")) == ["p0", "p1"]


def test_published_test_compares_magnitudes_over_images() -> None:
    rng = np.random.default_rng(1)
    observed, null = rng.normal(size=20) * 3, rng.normal(size=(20, 50))
    changes = changes_of(rows("tag", "test", observed.tolist(), first=0), null=null)
    row = population_rows(changes, ["tag"], level=0.05, seed=0)[0]
    assert tuple(row) == POPULATION_COLUMNS
    differences = np.abs(observed) - np.abs(null.astype(np.float32)).mean(axis=1)
    expected = wilcoxon(differences, method="exact")
    assert (row["statistic"], row["p_exact"]) == (expected.statistic, pytest.approx(expected.pvalue))
    assert (row["compares"], row["against"], row["images"], row["intervention"]) == (
        "magnitudes",
        "random patches",
        20,
        "replace",
    )
    assert row["median"] == pytest.approx(np.median(observed))


def test_published_numbers_of_the_paper_come_out() -> None:
    """Twenty moves that all raise the score more than random patches: T = 0, P = 8.86e-5 (DeGrave et al. 2021)."""
    moves = rows("shoulders", "published", [1.0 + number / 10 for number in range(20)], intervention="move", first=0)
    changes = changes_of(rows("shoulders", "test", as_predicted(0)), moves, null=np.zeros((20, 5)))
    row = population_rows(changes, ["shoulders"], level=0.05, seed=0)[0]
    assert (row["intervention"], row["compares"], row["images"]) == ("move", "signed changes", 20)
    assert (row["statistic"], f"{row['p_normal']:.3g}", f"{row['p_exact']:.2g}") == (0.0, "8.86e-05", "1.9e-06")


def test_without_random_patches_signed_changes_are_compared_with_zero() -> None:
    moves = rows("shoulders", "test", np.random.default_rng(2).normal(size=20).tolist(), intervention="move")
    row = population_rows(changes_of(moves), ["shoulders"], level=0.05, seed=0)[0]
    assert (row["against"], row["reason"]) == ("zero", "")
    assert row["p_exact"] == row["p_holm"] == pytest.approx(wilcoxon(moves["change"], method="exact").pvalue)


def test_without_random_patches_magnitudes_are_not_tested() -> None:
    """No magnitude is below 0: of pure noise, all ranks would be on one side, and p the smallest that there is."""
    noise = rows("most", "test", np.random.default_rng(3).normal(size=20).tolist())
    tag = rows("tag", "test", as_predicted(1), first=0)
    changes = changes_of(noise, tag, null=np.random.default_rng(4).normal(size=(20, 50)))
    untested, tested = population_rows(changes, ["most", "tag"], level=0.05, seed=0)
    empty = ("statistic", "p_normal", "p_exact", "p_holm", "smallest_p", "smallest_effect")
    assert [untested[name] for name in empty] == [None] * len(empty)
    assert (untested["against"], untested["reason"]) == (
        "",
        "no room for random patches of its size, and magnitudes cannot be tested against 0",
    )
    assert untested["median"] == pytest.approx(np.median(noise["change"])) and untested["images"] == 20
    assert tested["p_holm"] == tested["p_exact"]  # one region is tested
    assert tested == population_rows(changes, ["tag"], level=0.05, seed=0)[0]


def test_p_values_of_the_published_test_are_corrected_over_regions() -> None:
    parts = [
        rows(region, "test", as_predicted(0.2, seed=number), first=20 * number) for number, region in enumerate("abc")
    ]
    null = np.random.default_rng(5).normal(0, 0.2, (60, 50))
    tests = population_rows(changes_of(*parts, null=null), list("abc"), level=0.05, seed=0)
    least = min(tests, key=lambda row: row["p_exact"])
    assert least["p_holm"] == pytest.approx(min(1, 3 * least["p_exact"]))


def test_controls_say_what_was_expected_and_what_was_found() -> None:
    changes = changes_of(
        rows("tag", "test", as_predicted(3)),
        rows("tag", "sham", [0.0] * 20),
        rows("tag", "same class", as_predicted(0)),
        rows("lungs", "lungs", as_predicted(2)),
    )
    controls = control_rows(changes, ["tag"], rule=RULE, seed=0)
    assert [(row["control"], row["expected"], row["outcome"]) for row in controls] == [
        ("lungs replaced", "a change", "a change"),
        ("sham", "exactly 0", "exactly 0"),
        ("one class", "no change", "no change"),
    ]
    assert controls[0]["median"] == pytest.approx(1, abs=0.1) and controls[1]["largest"] == 0


@pytest.mark.parametrize(("size", "expected"), [(2.0, "a change"), (0.0, "no change"), (-2.0, "no change")])
def test_lungs_must_act_in_the_predicted_direction(size: float, expected: str) -> None:
    changes = changes_of(rows("lungs", "lungs", as_predicted(size)))
    assert control_rows(changes, [], rule=RULE, seed=0)[0]["outcome"] == expected


def test_sham_that_changes_anything_is_said_to() -> None:
    for sham in (rows("tag", "sham", [0.0, 1e-9]), rows("tag", "sham", [0.0, 0.0]).assign(changed_pixels=1)):
        assert control_rows(changes_of(sham), ["tag"], rule=RULE, seed=0)[0]["outcome"] == "a change"


def test_exchange_within_one_class_that_drives_the_score_is_said_to() -> None:
    same = rows("tag", "same class", [1.0 + number / 9 for number in range(20)]).assign(pair=range(20))
    assert control_rows(changes_of(same), ["tag"], rule=RULE, seed=0)[0]["outcome"] == "a change"
    small = same.assign(change=same["change"] / 20)
    control = control_rows(changes_of(small), ["tag"], rule=RULE, seed=0)[0]
    assert control["outcome"] == "no change" and control["p"] < 1e-5  # below the margin
