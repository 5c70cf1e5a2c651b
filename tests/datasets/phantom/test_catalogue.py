"""The phantom datasets and how strongly each is confounded."""

import dataclasses

from cxrshort.datasets.phantom.catalogue import DATASETS
from cxrshort.datasets.phantom.hospitals import HOSPITALS


def test_every_dataset_names_rooms_that_exist() -> None:
    for cohort in DATASETS.values():
        for site, room in (cohort.negative, cohort.positive):
            assert room < len(HOSPITALS[site].rooms)


def test_classes_are_confounded_as_in_the_papers_and_not_at_all_outside() -> None:
    assert {name: cohort.confounding for name, cohort in DATASETS.items()} == {
        "phantom-I": 1.0,
        "phantom-II": 0.5,
        "phantom-III": 0.0,
        "phantom-external": 0.0,
        "phantom-deceiving": 1.0,
    }


def test_classes_come_from_two_rooms_and_the_external_ones_from_one_hospital() -> None:
    assert all(cohort.negative != cohort.positive for cohort in DATASETS.values())
    sites = {name: {cohort.negative[0], cohort.positive[0]} for name, cohort in DATASETS.items()}
    assert len(sites["phantom-external"]) == 1
    others = set().union(*(sites[name] for name in sites if name != "phantom-external"))
    assert not sites["phantom-external"] & others


def test_deceiving_dataset_is_the_first_one_with_its_rooms_exchanged() -> None:
    first, deceiving = DATASETS["phantom-I"], DATASETS["phantom-deceiving"]
    assert dataclasses.replace(deceiving, exchanged=False, summary=first.summary) == first
    assert deceiving.exchanged and not first.exchanged
    populations = [cohort.population for cohort in DATASETS.values() if not cohort.exchanged]
    assert len(set(populations)) == len(populations)
