import dataclasses

import numpy as np
import pytest

from cxrshort.datasets.phantom.catalogue import DATASETS
from cxrshort.datasets.phantom.hospitals import COMMON_AP_SHARE, HOSPITALS, ROOMS, ap_share, draw_style
from cxrshort.datasets.phantom.markers import GLYPHS
from cxrshort.datasets.phantom.styles import FRAMES, SHORTCUTS, STYLE_FIELDS

PAIRS = {(cohort.negative, cohort.positive): name for name, cohort in DATASETS.items() if not cohort.exchanged}


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


def test_the_unseen_hospital_has_rooms_of_its_own() -> None:
    def looks(hospital: str) -> set[tuple[object, ...]]:
        rooms = HOSPITALS[hospital].rooms
        return {(room.marker_texts, room.marker_frame, room.border_brightness) for room in rooms}

    others = set().union(*(looks(name) for name in HOSPITALS if name != "site-g"))
    assert len(looks("site-g")) == 2
    assert not looks("site-g") & others


@pytest.mark.parametrize("pair", PAIRS, ids=PAIRS.values())
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_two_rooms_differ_in_the_planted_shortcut_alone(pair, shortcut: str) -> None:
    first, second = (HOSPITALS[site].rooms[room] for site, room in pair)
    for seed in range(50):
        one = draw_style(first, np.random.default_rng(seed), shortcuts=[shortcut])
        other = draw_style(second, np.random.default_rng(seed), shortcuts=[shortcut])
        different = {name for name, value in dataclasses.asdict(one).items() if getattr(other, name) != value}
        assert different <= set(STYLE_FIELDS[shortcut])
        assert different or shortcut == "view"
    shares = [ap_share(room, shortcuts=[shortcut]) for room in (first, second)]
    assert (shares[0] != shares[1]) == (shortcut == "view")


def test_without_shortcuts_the_common_range_covers_what_all_rooms_do() -> None:
    styles = [draw_style(ROOMS[0], np.random.default_rng(seed), shortcuts=[]) for seed in range(300)]
    assert {style.marker_frame for style in styles} == {room.marker_frame for room in ROOMS}
    assert {style.border_brightness for style in styles} == {room.border_brightness for room in ROOMS}
    assert {style.marker_text for style in styles} == {"L", "R"}
    assert ap_share(ROOMS[0], shortcuts=[]) == COMMON_AP_SHARE == pytest.approx(0.5)


def test_draw_style_uses_the_same_number_of_draws_whatever_is_planted() -> None:
    after = []
    for shortcuts in ([], ["marker"], list(SHORTCUTS)):
        generator = np.random.default_rng(0)
        draw_style(ROOMS[0], generator, shortcuts=shortcuts)
        after.append(generator.random())
    assert len(set(after)) == 1
