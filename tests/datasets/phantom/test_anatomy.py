import dataclasses

import numpy as np
import pytest

from cxrshort.datasets.phantom.anatomy import build_body, film_grid, measure_geometry, place_frame
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.parameters import with_finding, with_view

PHANTOM = sample_phantoms("phantom-III", images=1, confounding=None, seed=1)[0]
STRAIGHT = dataclasses.replace(
    PHANTOM,
    acquisition=dataclasses.replace(PHANTOM.acquisition, rotation=0.0, tilt=0.0, shift_x=0.0, shift_y=0.0, zoom=1.0),
)


def test_film_grid_runs_through_pixel_centres_and_cannot_be_written() -> None:
    across, down = film_grid(4)
    assert across.tolist() == [[-0.75, -0.25, 0.25, 0.75]]
    assert down.tolist() == [[-0.75], [-0.25], [0.25], [0.75]]
    with pytest.raises(ValueError, match="read-only"):
        across[0, 0] = 0


def test_place_puts_a_straight_patient_on_the_film_grid() -> None:
    frame = place_frame(STRAIGHT, measure_geometry(STRAIGHT), size=32)
    across, down = film_grid(32)
    assert np.allclose(frame.x, np.broadcast_to(across, (32, 32)))
    assert np.allclose(frame.y, np.broadcast_to(down, (32, 32)))


def test_place_turns_and_scales_the_patient() -> None:
    shot = dataclasses.replace(STRAIGHT.acquisition, tilt=3.0, zoom=1.1, shift_x=0.05)
    turned = dataclasses.replace(STRAIGHT, acquisition=shot)
    frame = place_frame(turned, measure_geometry(turned), size=32)
    across, down = film_grid(32)
    angle = np.radians(3.0)
    back_x = 1.1 * (frame.x * np.cos(angle) - frame.y * np.sin(angle)) + 0.05
    back_y = 1.1 * (frame.x * np.sin(angle) + frame.y * np.cos(angle))
    assert np.allclose(back_x, np.broadcast_to(across, (32, 32)), atol=1e-5)
    assert np.allclose(back_y, np.broadcast_to(down, (32, 32)), atol=1e-5)


def test_build_gives_finite_thicknesses_of_zero_or_more() -> None:
    geometry = measure_geometry(STRAIGHT)
    body = build_body(STRAIGHT, geometry, place_frame(STRAIGHT, geometry, size=64))
    for field in dataclasses.fields(body):
        values = getattr(body, field.name)
        assert values.dtype == np.float32, field.name
        assert np.isfinite(values).all(), field.name
        assert values.min() >= 0, field.name
    assert 15 < body.tissue.max() < 45
    assert 10 < body.lung.max() < 18


def test_measure_changes_with_view_sex_age_and_heart() -> None:
    pa, ap = measure_geometry(with_view(PHANTOM, "PA")), measure_geometry(with_view(PHANTOM, "AP"))
    assert ap.heart > pa.heart
    assert ap.clavicle < pa.clavicle
    assert ap.scapula < pa.scapula

    def aged(years: int) -> object:
        return measure_geometry(
            dataclasses.replace(PHANTOM, patient=dataclasses.replace(PHANTOM.patient, age_years=years))
        )

    assert aged(85).bone < aged(30).bone
    assert aged(85).knob > aged(30).knob
    assert measure_geometry(with_finding(PHANTOM, "Cardiomegaly", 1.0)).heart > 1.3 * measure_geometry(PHANTOM).heart
