"""Pairs of pictures: edits beside originals, other persons, follow-ups; what does not fit is refused or counted."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import CxrshortError
from cxrshort.verbs.roentmod.identity_pairs import (
    ALL_EDITS,
    CONTROL,
    EDIT,
    PAIR_COLUMNS,
    REAL,
    REAL_CONTROL,
    ROUND_TRIP,
    SHAM,
    IdentityPairs,
    pair_images,
    used_images,
)

from .edited_phantoms import date_follow_ups, write_edits, write_films

PERSONS = ["P0", "P0", "P1", "P2", "P3", "P3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six films and their edits, and films of another size."""
    home = tmp_path_factory.mktemp("pairs")
    write_films(home / "films", images=6)
    write_edits(home / "films", home / "edits")
    write_films(home / "large", images=6, size=48)
    return home


@pytest.fixture
def films(home: Path) -> Dataset:
    data = load_dataset(str(home / "films"))
    return replace(data, manifest=data.manifest.assign(person_id=PERSONS))


@pytest.fixture
def edits(home: Path) -> Dataset:
    return load_dataset(str(home / "edits"))


def rows(data: Dataset, chosen: object) -> Dataset:
    return replace(data, manifest=data.manifest[chosen].reset_index(drop=True))


def kind(pairs: IdentityPairs, name: str, edit: str = "cardiomegaly") -> pd.DataFrame:
    part = pairs.of_edit(edit)
    return part[part["kind"] == name]


def refusal(*data: Dataset, **options: object) -> str:
    with pytest.raises(CxrshortError) as caught:
        pair_images(*data, *([None] * (3 - len(data))), **options)
    return caught.value.message


def test_each_edit_stands_beside_its_original_and_another_persons_edit(films: Dataset, edits: Dataset) -> None:
    pairs = pair_images(films, edits, None)
    assert pairs.edits == ["cardiomegaly", "right pleural effusion"]
    assert list(pairs.table.columns) == list(PAIR_COLUMNS)
    own, control = kind(pairs, EDIT), kind(pairs, CONTROL)
    assert own["other_id"].tolist() == [f"{name}#cardiomegaly" for name in films.manifest["image_id"]]
    assert own["person_id"].tolist() == PERSONS
    persons = dict(zip(films.manifest["image_id"], PERSONS, strict=True))
    others = [persons[name.partition("#")[0]] for name in control["other_id"]]
    assert all(own != other for own, other in zip(control["person_id"], others, strict=True))
    assert control["other_id"].str.endswith("#cardiomegaly").all()
    other_edit = kind(pairs, CONTROL, "right pleural effusion")["other_id"].str.partition("#")[0].tolist()
    assert control["other_id"].str.partition("#")[0].tolist() == other_edit
    assert {len(kind(pairs, name)) for name in (SHAM, ROUND_TRIP)} == {6}


def test_other_persons_are_drawn_by_the_seed(films: Dataset, edits: Dataset) -> None:
    draws = [kind(pair_images(films, edits, None, seed=seed), CONTROL)["other_id"].tolist() for seed in (0, 0, 3)]
    assert draws[0] == draws[1] != draws[2]


def test_all_edits_hold_each_pair_once(films: Dataset, edits: Dataset) -> None:
    pairs = pair_images(films, edits, None)
    assert len(kind(pairs, EDIT, ALL_EDITS)) == 12 and len(kind(pairs, SHAM, ALL_EDITS)) == 6


def test_sham_of_another_name_is_named(films: Dataset, edits: Dataset) -> None:
    pairs = pair_images(films, edits, None, sham="right pleural effusion")
    assert pairs.edits == ["cardiomegaly"] and len(kind(pairs, SHAM)) == 12


def test_edits_without_their_original_are_counted_or_refused(films: Dataset, edits: Dataset) -> None:
    pairs = pair_images(rows(films, films.manifest.index > 1), edits, None)
    names = films.manifest["image_id"]
    assert len(kind(pairs, EDIT)) == 4
    assert pairs.notes[0] == f"8 edits without their original are left out, of images '{names[0]}', '{names[1]}'"
    others = replace(films, manifest=films.manifest.assign(image_id=[f"x/{number}" for number in range(6)]))
    assert refusal(others, edits).startswith(f"edits holds edits of other images than films: '{names[0]}'")


def test_originals_that_are_edits_and_edits_that_are_none(films: Dataset, edits: Dataset) -> None:
    assert refusal(edits, edits) == "edits: all images are edits, and none is an original"
    assert refusal(films, films) == "films: no row has both source_image_id and edit"
    assert refusal(films, rows(edits, edits.manifest["edit"] == "sham")) == ("edits: no edit adds a finding: 'sham'")
    both = replace(films, manifest=pd.concat([films.manifest, edits.manifest], ignore_index=True))
    pairs = pair_images(both, replace(both, name="both"), None)
    assert pairs.notes[:2] == [
        "films: 24 edited images are no originals and left out",
        "both: 6 rows are no edits and left out",
    ]


def test_images_of_other_sizes_are_refused(home: Path, films: Dataset, edits: Dataset) -> None:
    large = load_dataset(str(home / "large"))
    expected = "has images of 32x32 pixels and large of 48x48: distances would be of the size"
    assert refusal(films, edits, large) == f"films {expected}"
    assert refusal(large, edits) == (
        "large has images of 48x48 pixels and edits of 32x32: distances would be of the size"
    )


def test_one_person_has_no_control(films: Dataset, edits: Dataset) -> None:
    lonely = replace(films, manifest=films.manifest.assign(person_id="P0"))
    pairs = pair_images(lonely, edits, None)
    assert kind(pairs, CONTROL).empty and len(kind(pairs, EDIT)) == 6
    assert "control is not testable: one person: there is no other person's image" in pairs.notes


def test_film_under_two_persons_counts_as_of_one(films: Dataset, edits: Dataset) -> None:
    """Image 0 is the film of image 3 too, so that P0 and P2 are one."""
    manifest = films.manifest.copy()
    for column in ("cache", "cache_row", "pixels_crc32"):
        manifest.loc[3, column] = manifest.loc[0, column]
    pairs = pair_images(replace(films, manifest=manifest), edits, None)
    assert pairs.notes[0] == "1 film stands among the originals under 2 persons ('P0', 'P2'), who count as one"
    assert kind(pairs, EDIT)["person_id"].tolist() == ["P0", "P0", "P1", "P0", "P3", "P3"]
    for seed in range(8):
        control = kind(pair_images(replace(films, manifest=manifest), edits, None, seed=seed), CONTROL)
        names = films.manifest["image_id"].tolist()
        other = [names.index(name.partition("#")[0]) for name in control["other_id"]]
        assert not {other[place] for place in (0, 1, 3)} & {0, 1, 3}


def test_edits_that_nobody_has_are_noted(films: Dataset, edits: Dataset) -> None:
    only = rows(edits, edits.manifest["edit"].isin(["cardiomegaly", "right pleural effusion"]))
    notes = pair_images(films, only, None).notes
    assert "sham is not testable: no sham edit among the edits" in notes
    assert "round trip is not testable: no round trip among the edits" in notes


def test_follow_ups_are_found_in_the_manifest(home: Path, edits: Dataset, tmp_path: Path) -> None:
    films = tmp_path / "films"
    shutil.copytree(home / "films", films)
    date_follow_ups(films)
    data = load_dataset(str(films))
    persons = data.manifest["person_id"]
    repeated = persons[persons.duplicated()].unique()
    assert len(repeated) > 0
    pairs = pair_images(data, edits, None)
    real = kind(pairs, REAL)
    assert sorted(real["person_id"]) == sorted(repeated)
    assert not real["image_id"].duplicated().any() and (real["first_role"] == "follow-up").all()
    control = kind(pairs, REAL_CONTROL)
    assert control["image_id"].tolist() == real["image_id"].tolist() or len(real) < 2
    assert not set(zip(control["image_id"], control["other_id"], strict=True)) & set(
        zip(real["image_id"], real["other_id"], strict=True)
    )
    date_follow_ups(films, days=800)
    late = pair_images(load_dataset(str(films)), edits, None)
    assert "real is not testable: in nobody of 'films' does Cardiomegaly appear within 730 days ('cardiomegaly')" in (
        late.notes
    )


def test_findings_without_a_label_have_no_follow_up(films: Dataset, edits: Dataset) -> None:
    bare = replace(films, manifest=films.manifest.drop(columns=["Cardiomegaly", "Effusion"]))
    assert "real is not testable: films has no label of 'cardiomegaly' ('cardiomegaly')" in (
        pair_images(bare, edits, None).notes
    )


def test_only_images_of_pairs_are_used(films: Dataset, edits: Dataset) -> None:
    pairs = pair_images(films, rows(edits, edits.manifest["source_image_id"] != films.manifest["image_id"][0]), None)
    images, table = used_images(pairs)
    assert {role: len(part.manifest) for role, part in images.items()} == {"before": 5, "after": 20}
    for side, name in (("first", "image_id"), ("second", "other_id")):
        located = [
            images[role].manifest["image_id"].iloc[place]
            for role, place in zip(table[f"{side}_role"], table[side], strict=True)
        ]
        assert located == table[name].tolist()
    assert np.array_equal(pairs.table["other_id"], table["other_id"])
