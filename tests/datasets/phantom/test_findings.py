import dataclasses

import numpy as np
import pytest

from cxrshort.columns import LABELS
from cxrshort.datasets.phantom.anatomy import Field, build_body, measure_geometry, place_frame
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.findings import FINDINGS, SOLIDS, Chest, solid, veil, water
from cxrshort.datasets.phantom.parameters import with_finding

HEALTHY = next(
    phantom for phantom in sample_phantoms("phantom-III", images=40, confounding=None, seed=1) if not phantom.findings
)
GEOMETRY = measure_geometry(HEALTHY)
FRAME = place_frame(HEALTHY, GEOMETRY, size=96)
BODY = build_body(HEALTHY, GEOMETRY, FRAME)
AIR = np.minimum(np.maximum(BODY.lung - BODY.centre, 0) * 0.25, 1)
CHEST = Chest(geometry=GEOMETRY, frame=FRAME, air=AIR, grain=np.zeros_like(AIR))


def shadow(*labels: str, severity: float = 0.8) -> Field:
    phantom = HEALTHY
    for label in labels:
        phantom = with_finding(phantom, label, severity)
    return water(phantom, CHEST)


def test_every_label_is_drawn_once_except_the_heart_itself() -> None:
    assert set(LABELS) - set(FINDINGS) - set(SOLIDS) == {"Cardiomegaly"}
    assert not set(FINDINGS) & set(SOLIDS)


def test_a_healthy_chest_holds_no_water() -> None:
    assert not shadow().any()


@pytest.mark.parametrize("label", FINDINGS)
def test_adding_a_finding_moves_no_other(label: str) -> None:
    other = "Mass" if label != "Mass" else "Nodule"
    # Sums of float32 in another order differ in the last digit.
    assert np.allclose(shadow(label, other), shadow(label) + shadow(other), atol=1e-5)


def covid_of(seed: int) -> Field:
    """Return the opacities of another patient in the same chest."""
    patient = dataclasses.replace(HEALTHY.patient, anatomy_seed=seed)
    return water(with_finding(dataclasses.replace(HEALTHY, patient=patient), "COVID-19", 0.6), CHEST)


def test_covid_prefers_the_wall_and_the_lower_zones_over_many_patients() -> None:
    density = sum(covid_of(seed) for seed in range(60))
    assert np.average(FRAME.lateral, weights=density) > np.average(FRAME.lateral, weights=AIR) + 0.1
    assert np.average(FRAME.upward, weights=density) < np.average(FRAME.upward, weights=AIR)
    right, left = density[~FRAME.left].sum(), density[FRAME.left].sum()
    assert 0.7 < right / left < 1.4


def test_covid_is_scattered_over_place_side_and_amount_from_patient_to_patient() -> None:
    densities = [covid_of(seed) for seed in range(60)]
    shares = [float(density[FRAME.left].sum() / density.sum()) for density in densities]
    assert np.std(shares) > 0.2
    heights = [float(np.average(FRAME.upward, weights=density)) for density in densities]
    assert np.std(heights) > 0.08
    amounts = [float(density.sum()) for density in densities]
    assert np.std(amounts) > 0.2 * np.mean(amounts)


def test_edema_lies_at_the_hila_of_both_lungs() -> None:
    density = shadow("Edema")
    assert np.average(FRAME.across, weights=density) < np.average(FRAME.across, weights=AIR)


def test_effusion_fills_from_the_base() -> None:
    density = shadow("Effusion")
    assert np.average(FRAME.y, weights=density) > np.average(FRAME.y, weights=AIR) + 0.2


def test_pneumothorax_and_emphysema_take_water_away() -> None:
    assert shadow("Emphysema").max() <= 0
    assert shadow("Pneumothorax").min() < -1


def test_a_hernia_is_a_mass_near_the_midline_above_the_diaphragm_with_air_on_top() -> None:
    chest = solid(with_finding(HEALTHY, "Hernia", 0.8), CHEST)
    mass, air = np.maximum(chest, 0), np.maximum(-chest, 0)
    assert mass.max() > 3
    assert np.average(FRAME.across, weights=mass) < 0.2
    assert np.average(FRAME.y, weights=mass) < GEOMETRY.dome_left + 0.12
    assert np.average(FRAME.y, weights=air) < np.average(FRAME.y, weights=mass)
    assert not solid(HEALTHY, CHEST).any()


def test_fluid_veils_what_lies_below_its_level_alone() -> None:
    assert veil(HEALTHY, CHEST) == 0.0
    hidden = veil(with_finding(HEALTHY, "Effusion", 0.8), CHEST)
    assert hidden.max() > 0.8
    assert np.average(FRAME.y, weights=hidden) > np.average(FRAME.y, weights=AIR) + 0.2
    assert not hidden[FRAME.y < GEOMETRY.dome_right - 0.6].any()
