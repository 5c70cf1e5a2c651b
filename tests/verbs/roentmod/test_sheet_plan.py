"""Readings are blinded by their order and names, and complete."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.roentmod.sheet_plan import SheetRequest, choose_images, findings_of, plan_readings

EDITS = ("cardiomegaly", "left upper lobe mass", "sham")


def manifest(sources: int = 12, edits: tuple[str, ...] = EDITS) -> pd.DataFrame:
    """Return rows of edits in the order in which an editor makes them; two sources are of one person."""
    return pd.DataFrame(
        [
            {
                "image_id": f"x/{source}#{edit}",
                "source_image_id": f"x/{source}",
                "person_id": f"P{source // 2}",
                "edit": edit,
                "Cardiomegaly": 0.0,
                "Mass": 0.0,
            }
            for edit in edits
            for source in range(sources)
        ]
    )


def plan(**settings: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    request = SheetRequest(**settings)  # type: ignore[arg-type]
    images = choose_images(manifest(), request)
    return images, plan_readings(images, request)


def test_every_reader_reads_every_image_once_in_an_own_order() -> None:
    images, key = plan(readers=3)
    orders = [rows["image_id"].tolist() for _, rows in key.groupby("reader", sort=False)]
    assert [sorted(order) for order in orders] == [sorted(images["image_id"])] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert key["reading_id"].is_unique and key["reading_id"].iloc[[0, 35, 36]].tolist() == [
        "R1-001",
        "R1-036",
        "R2-001",
    ]


def test_order_says_nothing_of_the_edit() -> None:
    """Over many seeds the mean place of each edit is the middle."""
    places = {edit: [] for edit in EDITS}
    for seed in range(200):
        _, key = plan(readers=1, seed=seed)
        for edit in EDITS:
            places[edit].append(np.flatnonzero(key["edit"] == edit).mean())
    # The mean place of 12 of 36 images has a standard deviation of about 2.5; of 200 such means 0.18.
    assert all(np.mean(numbers) == pytest.approx(17.5, abs=0.7) for numbers in places.values())


def test_images_of_one_person_stand_apart() -> None:
    _, key = plan(readers=2, seed=3)
    for _, rows in key.groupby("reader"):
        persons = rows["person_id"].tolist()
        near = sum(persons[place] in persons[max(0, place - 3) : place] for place in range(24))
        assert near == 0  # of 6 persons with 6 images each, the last ones cannot all be apart


def test_repeated_images_are_read_early_and_late() -> None:
    _, key = plan(readers=2, repeats=5)
    for _, rows in key.groupby("reader"):
        again = rows[rows["repetition"] == 2]
        assert len(again) == 5 and len(rows) == 41
        for place, image in zip(again.index, again["image_id"], strict=True):
            first = rows.index[(rows["image_id"] == image) & (rows["repetition"] == 1)][0]
            assert place - first >= 5


@pytest.mark.parametrize(("shared", "counts"), [(0.0, (18, 18)), (0.5, (27, 27)), (1.0, (36, 36))])
def test_images_are_shared_or_divided(shared: float, counts: tuple[int, int]) -> None:
    images, key = plan(readers=2, shared=shared)
    assert tuple(key.groupby("reader").size()) == counts
    assert set(key["image_id"]) == set(images["image_id"])


def test_edits_are_drawn_of_the_same_sources() -> None:
    images, _ = plan(per_edit=4, seed=1)
    sources = images.groupby("edit")["source_image_id"].agg(lambda names: tuple(sorted(names)))
    assert sources.nunique() == 1 and len(sources.iloc[0]) == 4
    other, _ = plan(per_edit=4, seed=2)
    assert set(other["image_id"]) != set(images["image_id"])


def test_key_says_what_was_added() -> None:
    images, _ = plan()
    roles = images.drop_duplicates("edit").set_index("edit")[["role", "added"]]
    assert roles.loc["left upper lobe mass"].tolist() == ["edit", "Mass"]
    assert roles.loc["sham"].tolist() == ["sham", ""]


def test_label_that_an_editor_states_comes_first_and_other_findings_keep_their_name() -> None:
    rows = manifest(edits=("opacity", "scoliosis")).assign(
        edit_label=lambda table: np.where(table.edit == "opacity", "Mass", "")
    )
    images = choose_images(rows, SheetRequest())
    assert findings_of(images, SheetRequest()) == ["Mass", "scoliosis"]


def test_findings_are_those_of_the_edits_or_of_the_user() -> None:
    images, _ = plan()
    assert findings_of(images, SheetRequest()) == ["Cardiomegaly", "Mass"]
    assert findings_of(images, SheetRequest(findings=["Edema"])) == ["Edema"]
    with pytest.raises(UsageError, match="'Mass' is named twice, or under two names"):
        findings_of(images, SheetRequest(findings=["Mass", "lung mass"]))


def test_images_without_an_edit_are_originals() -> None:
    rows = pd.concat(
        [manifest(), manifest().iloc[:12].assign(edit="", source_image_id="", image_id=[f"x/{n}" for n in range(12)])]
    )
    images = choose_images(rows, SheetRequest(per_edit=3))
    assert images["role"].value_counts().to_dict() == {"edit": 6, "sham": 3, "original": 3}
    assert set(images.loc[images["role"] == "original", "image_id"]) == set(
        images.loc[images["role"] == "sham", "source_image_id"]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"readers": 0}, "--readers 0 is not from 1 to 99"),
        ({"shared": 1.5}, "--shared 1.5 is not a share from 0 to 1"),
        ({"per_edit": 0}, "--repeats and --per-edit count images"),
        ({"readers": 40}, "36 images are fewer than 40 readers"),
        ({"repeats": 50}, "50 images cannot be read twice by R1, who has 36"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        plan(**settings)
    assert refusal.value.message == message


def test_dataset_without_edits_is_refused() -> None:
    with pytest.raises(DataError, match="no image has an edit"):
        choose_images(manifest().assign(edit=""), SheetRequest())
