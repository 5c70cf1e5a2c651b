import dataclasses

import numpy as np
import pytest

from cxrshort.datasets.phantom.cohort import DATASETS
from cxrshort.datasets.phantom.hospitals import HOSPITALS, draw_style
from cxrshort.datasets.phantom.markers import GLYPHS
from cxrshort.datasets.phantom.styles import FRAMES

ROOMS = [room for hospital in HOSPITALS.values() for room in hospital.rooms]


@pytest.mark.parametrize("room", ROOMS)
def test_draw_style_stays_in_the_ranges_of_the_room(room) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        style = draw_style(room, generator)
        assert style.marker_text in room.marker_texts
        for name, value in dataclasses.asdict(style).items():
            expected = getattr(room, name, None)
            if isinstance(expected, tuple):
                assert expected[0] <= value <= expected[1], name


def test_rooms_use_glyphs_and_frames_that_exist() -> None:
    for room in ROOMS:
        assert room.marker_frame in FRAMES
        assert set("".join(room.marker_texts)) <= set(GLYPHS)


def test_every_dataset_names_rooms_that_exist() -> None:
    for cohort in DATASETS.values():
        for site, room in (cohort.negative, cohort.positive):
            assert room < len(HOSPITALS[site].rooms)


def test_the_unseen_hospital_has_rooms_of_its_own() -> None:
    def looks(hospital: str) -> set[tuple[object, ...]]:
        rooms = HOSPITALS[hospital].rooms
        return {(room.marker_texts, room.marker_frame, room.border_brightness) for room in rooms}

    others = set().union(*(looks(name) for name in HOSPITALS if name != "site-g"))
    assert len(looks("site-g")) == 2
    assert not looks("site-g") & others
