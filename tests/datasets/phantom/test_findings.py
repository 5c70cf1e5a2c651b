import numpy as np
import pytest

from cxrshort.columns import LABELS
from cxrshort.datasets.phantom.anatomy import Field, build, measure, place
from cxrshort.datasets.phantom.cohort import sample
from cxrshort.datasets.phantom.findings import FINDINGS, Chest, water
from cxrshort.datasets.phantom.parameters import with_finding

HEALTHY = next(each for each in sample("phantom-III", images=40, confounding=None, seed=1) if not each.findings)
GEOMETRY = measure(HEALTHY)
FRAME = place(HEALTHY, GEOMETRY, size=96)
BODY = build(HEALTHY, GEOMETRY, FRAME)
AIR = np.minimum(np.maximum(BODY.lung - BODY.centre, 0) * 0.25, 1)
CHEST = Chest(geometry=GEOMETRY, frame=FRAME, air=AIR, grain=np.zeros_like(AIR))


def shadow(*labels: str, severity: float = 0.8) -> Field:
    phantom = HEALTHY
    for label in labels:
        phantom = with_finding(phantom, label, severity)
    return water(phantom, CHEST)


def test_every_label_is_drawn_in_the_lungs_except_the_heart_itself() -> None:
    assert set(LABELS) - set(FINDINGS) == {"Cardiomegaly"}


def test_a_healthy_chest_holds_no_water() -> None:
    assert not shadow().any()


@pytest.mark.parametrize("label", FINDINGS)
def test_adding_a_finding_moves_no_other(label: str) -> None:
    other = "Mass" if label != "Mass" else "Nodule"
    # Sums of float32 in another order differ in the last digit.
    assert np.allclose(shadow(label, other), shadow(label) + shadow(other), atol=1e-5)


def test_covid_lies_in_both_lungs_along_the_wall_and_low() -> None:
    density = shadow("COVID-19")
    right, left = density[~FRAME.left].sum(), density[FRAME.left].sum()
    assert min(right, left) > 0.2 * max(right, left)
    lateral = np.average(FRAME.lateral, weights=density)
    assert lateral > np.average(FRAME.lateral, weights=AIR) + 0.2
    assert np.average(FRAME.upward, weights=density) < np.average(FRAME.upward, weights=AIR)


def test_edema_lies_at_the_hila_of_both_lungs() -> None:
    density = shadow("Edema")
    assert np.average(FRAME.across, weights=density) < np.average(FRAME.across, weights=AIR)


def test_effusion_fills_from_the_base() -> None:
    density = shadow("Effusion")
    assert np.average(FRAME.y, weights=density) > np.average(FRAME.y, weights=AIR) + 0.2


def test_pneumothorax_and_emphysema_take_water_away() -> None:
    assert shadow("Emphysema").max() <= 0
    assert shadow("Pneumothorax").min() < -1
