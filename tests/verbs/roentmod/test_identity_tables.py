"""Rows and words of identity, from distances that are written by hand."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrshort.models.embedders import Embedder
from cxrshort.results import Table
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.verbs.roentmod.identity_pairs import (
    ALL_EDITS,
    CONTROL,
    EDIT,
    ONE_PERSON,
    REAL,
    REAL_CONTROL,
    SHAM,
    IdentityPairs,
)
from cxrshort.verbs.roentmod.identity_tables import (
    DISTANCE,
    MEASURES,
    comparison_records,
    difference_records,
    disagreements,
    distance_records,
    identity_blocks,
    shown_edits,
)

NETS = [Embedder("net", "net"), Embedder("pixels", "pixels")]
NEAR = {CONTROL: 4.0, EDIT: 1.0, SHAM: 0.5, REAL: 2.0, REAL_CONTROL: 5.0}


def pairs(
    net: Mapping[str, float] = NEAR,
    *,
    pixels: Mapping[str, float] = NEAR,
    edits: tuple[str, ...] = ("edema", "mass"),
    persons: int = 20,
    reasons: Mapping[tuple[str, str], str] | None = None,
) -> IdentityPairs:
    """Return pairs of each kind and edit, whose distances lie about those that are written."""
    rng = np.random.default_rng(0)
    parts = []
    for place, edit in enumerate(edits):
        for kind, middle in net.items():
            rows = {
                "edit": edit, "kind": kind, "first_role": "before", "first": range(persons), "second_role": "after",
                "second": np.arange(persons) + (0 if kind == SHAM else 100 * place),
                "image_id": [f"i{number}" for number in range(persons)], "other_id": "o",
                "person_id": [f"p{number}" for number in range(persons)],
                DISTANCE + "net": middle * rng.uniform(0.9, 1.1, persons),
                DISTANCE + "pixels": pixels[kind] * rng.uniform(0.9, 1.1, persons),
                "region": "lungs" if kind in (EDIT, SHAM) else "",
                **{name: np.nan if kind == CONTROL and "side" in name else middle / 10 for name in MEASURES},
            }  # fmt: skip
            parts.append(pd.DataFrame(rows))
    return IdentityPairs({}, pd.concat(parts, ignore_index=True), edits, reasons or {}, [])


def row(records: list[dict[str, object]], **wanted: object) -> dict[str, object]:
    (record,) = [record for record in records if all(record[name] == value for name, value in wanted.items())]
    return record


def summary(part: IdentityPairs) -> dict[str, object]:
    return {
        "embeddings": [{"embedding": net.name, "definition": net.definition} for net in NETS],
        "distance": "distance",
        "findings": distance_records(part, NETS),
        "comparisons": comparison_records(part, NETS),
        "differences": difference_records(part),
    }


def test_distances_have_medians_quartiles_and_limits() -> None:
    part = pairs()
    records = distance_records(part, NETS)
    own = row(records, edit="edema", kind=EDIT, embedding="net")
    values = part.table.query("edit == 'edema' and kind == 'edit'")[DISTANCE + "net"]
    interval = clustered_median(values, range(20))
    assert (own["median"], own["low"], own["high"]) == (interval.value, interval.low, interval.high)
    assert own["interquartile_range"] == own["upper_quartile"] - own["lower_quartile"]
    assert (own["pairs"], own["persons"]) == (20, 20)
    assert row(records, edit=ALL_EDITS, kind=EDIT, embedding="net")["pairs"] == 40
    assert row(records, edit=ALL_EDITS, kind=SHAM, embedding="net")["pairs"] == 20
    trip = row(records, edit="edema", kind="round trip", embedding="net")
    assert (trip["pairs"], trip["median"], trip["reason"]) == (0, None, "no such pair")


def test_one_edit_has_no_line_of_all() -> None:
    assert shown_edits(pairs(edits=("edema",))) == ["edema"]


def test_comparisons_are_of_the_same_images() -> None:
    records = comparison_records(pairs(), NETS)
    kept = row(records, edit="edema", nearer=EDIT, than=CONTROL, embedding="net")
    assert (kept["share"], kept["verdict"], kept["images"]) == (1.0, "kept", 20)
    sham = row(records, edit=ALL_EDITS, nearer=EDIT, than=SHAM, embedding="net")
    assert (sham["share"], sham["verdict"], sham["images"]) == (0.0, "farther", 40)
    real = row(records, edit="mass", nearer=REAL, than=REAL_CONTROL, embedding="pixels")
    assert (real["share"], real["verdict"]) == (1.0, "nearer")


def test_edits_of_somebody_else_do_not_keep_the_person() -> None:
    records = comparison_records(pairs({**NEAR, EDIT: 4.0}, pixels={**NEAR, EDIT: 8.0}), NETS)
    verdicts = {
        record["embedding"]: record["verdict"]
        for record in records
        if (record["edit"], record["than"]) == (ALL_EDITS, CONTROL)
    }
    assert verdicts == {"net": "not kept", "pixels": "not kept"}


def test_what_cannot_be_compared_says_why() -> None:
    part = pairs({EDIT: 1.0}, reasons={("edema", CONTROL): ONE_PERSON, ("mass", CONTROL): ONE_PERSON})
    records = comparison_records(part, NETS)
    own = row(records, edit="edema", nearer=EDIT, than=CONTROL, embedding="net")
    assert (own["verdict"], own["reason"], own["share"]) == ("not testable", ONE_PERSON, None)
    lonely = pairs(edits=("edema",), persons=1)
    own = row(comparison_records(lonely, NETS), edit="edema", nearer=EDIT, than=CONTROL, embedding="net")
    assert (own["verdict"], own["reason"]) == ("not testable", "one person: a share of persons has no limits")


def test_contradictions_are_noted() -> None:
    notes = disagreements(comparison_records(pairs(pixels={**NEAR, EDIT: 8.0}, edits=("edema",)), NETS))
    assert notes == [
        "edema: embeddings disagree: identity is kept by 'net' and not by 'pixels'",
        "edema: embeddings disagree: the edit is nearer than the follow-up by 'net', the follow-up by 'pixels'",
    ]
    assert disagreements(comparison_records(pairs(), NETS)) == []


def test_embeddings_that_know_nobody_and_pixels_alone_are_noted() -> None:
    blind = comparison_records(pairs(pixels={**NEAR, REAL: 5.0}, edits=("edema",)), NETS)
    assert disagreements(blind) == [
        "by 'pixels' a person's own follow-up is not nearer than another person's beyond doubt (20 pairs): what it "
        "says of identity may mean little"
    ]
    alone = comparison_records(pairs(), NETS[1:])
    assert [note.partition(",")[0] for note in disagreements(alone)] == ["small pixels are the only embedding"]


def test_differences_have_regions_only_where_pictures_lie_on_each_other() -> None:
    records = difference_records(pairs())
    own = row(records, edit="edema", kind=EDIT)
    assert (own["ssim"], own["difference_outside"], own["region"], own["pairs"]) == (0.1, 0.1, "lungs", 20)
    control = row(records, edit="edema", kind=CONTROL)
    assert (control["ssim"], control["ssim_inside"], control["region"]) == (0.4, None, "")


def test_tables_repeat_counts_on_narrow_terminals_and_name_the_region_once() -> None:
    comparisons, distances, brief, every, _ = identity_blocks(summary(pairs()))
    assert all(isinstance(table, Table) and table.blocks for table in (comparisons, distances, brief, every))
    assert [column.heading for column in comparisons.columns[: comparisons.keys]] == ["edit", "comparison", "images"]
    assert [column.heading for column in distances.columns[: distances.keys]] == ["edit", "pair", "pairs"]
    assert brief.title.endswith("of whole pictures, and inside and outside of what is edited (lungs)")
    assert [column.heading for column in every.columns][-1] == "region" and len(every.columns) == len(brief.columns) + 1
    assert len(every.rows) > len(brief.rows) and {row["edit"] for row in brief.rows} == {ALL_EDITS}


def test_embeddings_stand_side_by_side_in_exact_text() -> None:
    document = summary(pairs(edits=("edema",)))
    comparisons, distances, *_ = identity_blocks(document)
    assert isinstance(comparisons, Table) and isinstance(distances, Table)
    assert [column.heading for column in comparisons.columns] == ["edit", "comparison", "images", "net", "pixels"]
    assert comparisons.rows[0] == {
        "edit": "edema", "nearer": EDIT, "than": CONTROL, "comparison": "edit < control", "images": 20,
        DISTANCE + "net": "1.000 [0.832, 1.000] kept", DISTANCE + "pixels": "1.000 [0.832, 1.000] kept",
    }  # fmt: skip
    text = distances.rows[1][DISTANCE + "net"]
    own = row(document["findings"], edit="edema", kind=EDIT, embedding="net")  # type: ignore[arg-type]
    assert text == f"{own['median']:.3g} [{own['low']:.3g}, {own['high']:.3g}] ({own['interquartile_range']:.2g})"
    assert len(distances.rows) == 5


def test_a_control_that_is_missing_is_still_shown() -> None:
    part = pairs({EDIT: 1.0}, edits=("edema",), reasons={("edema", CONTROL): ONE_PERSON})
    comparisons = identity_blocks(summary(part))[0]
    assert isinstance(comparisons, Table)
    assert [line[DISTANCE + "net"] for line in comparisons.rows] == ["not testable"]
