"""Pictures of an explanation: which, under which name, and with which words."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.attribution import pictures
from cxrshort.attribution.measurements import class_shares, map_table, measure_maps
from cxrshort.attribution.pictures import (
    class_name,
    cluster_table,
    draw_label,
    draw_pictures,
    file_name,
    find_clusters,
    label_maps,
    share_points,
)

from ..training.tiny import png_signature
from .population import Population, population


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"), labels=("COVID-19", "Edema"))


@pytest.fixture(scope="module")
def measured(people: Population):
    measurements = measure_maps(people.maps, people.explained, people.regions)
    return map_table(people.explained, people.maps, measurements), class_shares(people.explained, measurements, seed=0)


def shown(people: Population, measured, label: str = "Edema"):
    return label_maps(label, people.maps, people.explained, measured[0], pixels=people.data.pixels)


def test_maps_of_a_label_are_its_own_and_no_copy(people: Population, measured) -> None:
    edema = shown(people, measured)
    assert list(edema.rows) == list(range(24, 48)) and set(edema.table["label"]) == {"Edema"}
    assert np.shares_memory(edema.maps, people.maps.maps)
    assert np.array_equal(edema.films([1]), people.data.pixels.take([1]))


def test_every_picture_is_drawn_under_its_name(people: Population, measured, tmp_path: Path) -> None:
    edema = shown(people, measured)
    clusters, why = find_clusters(edema, clusters=2)
    shares = measured[1][measured[1]["label"] == "Edema"]
    drawn = draw_label(
        edema, shares, clusters=clusters, path_of=lambda name: tmp_path / file_name(name, "A b", first=False)
    )
    assert why == "" and all(png_signature(path) for path in drawn)
    assert [path.name for path in drawn] == ["maps-A-b.png", "mean-maps-A-b.png", "shares-A-b.png", "clusters-A-b.png"]


def test_examples_are_the_highest_and_middle_of_each_class_and_the_most_border(
    people: Population, measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(pictures, "draw_maps", lambda *values, title: calls.append(values))
    draw_label(shown(people, measured, "COVID-19"), measured[1].head(0), clusters=None, path_of=tmp_path.joinpath)
    films, maps, captions, _ = calls[0]
    assert len(films) == len(maps) == len(captions) <= 5
    table = measured[0].head(24)
    best = table[table["class"] == "positive"]["logit"].idxmax()
    probability = 1 / (1 + np.exp(-table["logit"][best]))
    assert captions[0].startswith(
        f"{table['image_id'][best]}: COVID-19, probability {probability:.2f}\nthe highest of its class; lungs "
    )
    assert sum(": no COVID-19, " in caption for caption in captions) >= 2


def test_maps_that_fail_are_said_to_fail_in_the_title_of_every_picture(
    people: Population, measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = {}

    def note(*values, title):
        titles[values[-1].name] = title
        return values[-1]

    for name in ("draw_maps", "draw_mean_maps", "draw_region_shares", "draw_clusters"):
        monkeypatch.setattr(pictures, name, note)
    covid = shown(people, measured, "COVID-19")
    shares = measured[1][measured[1]["label"] == "COVID-19"]
    clusters, _ = find_clusters(covid, clusters=2)
    draw_label(covid, shares.assign(caution="maps fail background"), clusters=clusters, path_of=tmp_path.joinpath)
    assert set(titles) == {"maps.png", "mean-maps.png", "shares.png", "clusters.png"}
    assert all(
        title.endswith(", COVID-19 (caution: maps fail background)")
        for title in titles.values()
        if "share" not in title
    )
    assert titles["shares.png"].endswith(" (caution: maps fail background)")
    draw_label(covid, shares, clusters=clusters, path_of=tmp_path.joinpath)
    assert titles["maps.png"] == "maps, COVID-19" and not any("caution" in title for title in titles.values())


def test_clusters_are_counted_and_too_few_maps_are_said(people: Population, measured) -> None:
    covid = shown(people, measured, "COVID-19")
    clusters, _ = find_clusters(covid, clusters=2)
    assert clusters is not None
    table = cluster_table(covid, clusters)
    assert list(table["cluster"]) == [1, 2] and table["maps"].sum() == 24
    assert {tuple(row) for row in table[["positives", "negatives"]].to_numpy()} == {(12, 0), (0, 12)}
    assert set(table["repositories"]) == {"tiny 12"}
    none, why = find_clusters(covid, clusters=30)
    assert none is None and why == "no clusters of COVID-19: 24 of 24 maps can be clustered, 30 are needed"


def test_points_stand_in_order_without_parts(people: Population, measured) -> None:
    points = share_points("COVID-19", measured[1][measured[1]["label"] == "COVID-19"])
    assert [point.group for point in points][:2] == ["COVID-19", "COVID-19"] and points[-1].group == "no COVID-19"
    assert {point.region for point in points if point.share is None} == {"marker"}
    assert class_name("Edema", "all") == "all images"


def test_clusters_of_all_labels_are_counted_from_one(people: Population, measured, tmp_path: Path) -> None:
    drawn = draw_pictures(
        people.maps,
        people.explained,
        measured[0],
        shares=measured[1],
        pixels=people.data.pixels,
        clusters=2,
        number=False,
        path_of=tmp_path.joinpath,
    )
    assert set(drawn.cluster_of) == {1, 2} and drawn.notes == []
    assert list(drawn.clusters["label"]) == ["COVID-19"] * 2 + ["Edema"] * 2
    assert [path.name for path in drawn.figures][3:5] == ["clusters.png", "maps-Edema.png"]
