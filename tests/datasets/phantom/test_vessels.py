import dataclasses

import numpy as np
import pytest

from cxrshort.datasets.phantom.anatomy import measure_geometry
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.vessels import draw_vessels

PHANTOM = sample_phantoms("phantom-III", images=1, confounding=None, seed=1)[0]


def volume(size: int) -> float:
    thickness = draw_vessels(PHANTOM, measure_geometry(PHANTOM), size=size)
    return float(thickness.sum()) * (2 / size) ** 2


@pytest.mark.parametrize("size", [32, 128, 512])
def test_draw_vessels_shows_the_same_volume_at_every_size(size: int) -> None:
    # Only the rounding of taper into steps and the film's edge differ.
    assert volume(size) == pytest.approx(volume(1024), rel=0.02)


def test_draw_vessels_is_the_patients_own() -> None:
    geometry = measure_geometry(PHANTOM)
    first = draw_vessels(PHANTOM, geometry, size=64)
    assert np.array_equal(first, draw_vessels(dataclasses.replace(PHANTOM, seed=PHANTOM.seed + 1), geometry, size=64))
    patient = dataclasses.replace(PHANTOM.patient, anatomy_seed=PHANTOM.patient.anatomy_seed + 1)
    other = draw_vessels(dataclasses.replace(PHANTOM, patient=patient), geometry, size=64)
    assert np.abs(first - other).max() > 0.1
