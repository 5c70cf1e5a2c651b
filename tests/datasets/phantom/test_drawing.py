import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cxrshort.columns import LABELS, MASK_BITS
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import Drawing, draw_phantom
from cxrshort.datasets.phantom.parameters import (
    Phantom,
    with_finding,
    with_site,
    with_style,
    with_view,
    without_finding,
)
from cxrshort.errors import UsageError

PHANTOMS = sample_phantoms("phantom-III", images=40, confounding=None, seed=1)
HEALTHY = next(
    phantom
    for phantom in sample_phantoms("phantom-III", images=400, confounding=None, seed=1)
    if not phantom.findings
    and phantom.acquisition.zoom < 1.1
    and max(abs(phantom.acquisition.shift_x), abs(phantom.acquisition.shift_y)) < 0.05
)
"""A patient without findings, whole on the film."""
SIZE = 128


def bit(drawing: Drawing, name: str) -> NDArray[np.bool_]:
    return (drawing.masks & MASK_BITS[name]) > 0


def inside(shape: tuple[int, ...], *boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    covered = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        covered[y0:y1, x0:x1] = True
    return covered


def test_draw_gives_the_same_bytes_for_the_same_phantom() -> None:
    first, second = draw_phantom(HEALTHY, size=SIZE), draw_phantom(dataclasses.replace(HEALTHY), size=SIZE)
    draw_phantom(PHANTOMS[0], size=SIZE)
    third = draw_phantom(HEALTHY, size=SIZE)
    for other in (second, third):
        assert first.pixels.tobytes() == other.pixels.tobytes()
        assert first.masks.tobytes() == other.masks.tobytes()
        assert first.regions == other.regions


@pytest.mark.parametrize("size", [32, 33, 64, 100, 128, 224, 256])
def test_draw_works_at_every_size(size: int) -> None:
    for phantom in PHANTOMS[:6]:
        drawing = draw_phantom(phantom, size=size)
        assert drawing.pixels.shape == drawing.masks.shape == (size, size)
        assert drawing.pixels.dtype == drawing.masks.dtype == np.uint8
        assert drawing.pixels.std() > 30
        for name in ("lungs", "heart", "mediastinum", "clavicles", "marker"):
            assert bit(drawing, name).any(), name
        for x0, y0, x1, y1 in drawing.regions.values():
            assert 0 <= x0 < x1 <= size and 0 <= y0 < y1 <= size


def test_draw_shows_the_same_picture_at_every_size() -> None:
    small, large = draw_phantom(HEALTHY, size=64).pixels, draw_phantom(HEALTHY, size=256).pixels
    shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    # Noise, thin borders and the smallest legible marker differ; the anatomy is the same.
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.95


def test_draw_shows_dark_lungs_between_a_white_heart_and_the_wall() -> None:
    for phantom in PHANTOMS:
        drawing = draw_phantom(phantom, size=SIZE)
        lungs, heart = bit(drawing, "lungs"), bit(drawing, "heart")
        assert drawing.pixels[heart].mean() > drawing.pixels[lungs].mean() + 20
        assert 0.08 < lungs.mean() < 0.5
        assert 0.02 < heart.mean() < (0.35 if phantom.severity("Cardiomegaly") else 0.25)
        assert not (lungs & heart).any()
        mediastinum = bit(drawing, "mediastinum")
        assert 0.01 < mediastinum.mean() < 0.12
        assert not (mediastinum & (lungs | heart)).any()
        assert drawing.pixels[mediastinum].mean() > drawing.pixels[lungs].mean() + 20


def test_regions_contain_the_mask_bits() -> None:
    for phantom in PHANTOMS:
        drawing = draw_phantom(phantom, size=SIZE)
        shoulders = inside(drawing.masks.shape, drawing.regions["shoulder_left"], drawing.regions["shoulder_right"])
        assert not (bit(drawing, "clavicles") & ~shoulders).any()
        assert not (bit(drawing, "marker") & ~inside(drawing.masks.shape, drawing.regions["marker"])).any()
        # The patient's right is on the left of the picture.
        assert drawing.regions["shoulder_right"][0] < drawing.regions["shoulder_left"][0]


def test_shoulders_contain_most_of_what_their_style_changes() -> None:
    """Of the change of grey by another height of the shoulders alone; the arms, of which there is no box, move too."""
    changed = covered = 0.0
    for phantom in PHANTOMS:
        first, second = (
            draw_phantom(with_style(phantom, dataclasses.replace(phantom.style, shoulder_raise=height)), size=SIZE)
            for height in (-0.5, 0.5)
        )
        change = np.abs(first.pixels.astype(float) - second.pixels)
        boxes = (first.regions["shoulder_left"], first.regions["shoulder_right"])
        boxes += (second.regions["shoulder_left"], second.regions["shoulder_right"])
        changed, covered = changed + change.sum(), covered + change[inside(change.shape, *boxes)].sum()
    assert covered / changed > 0.85


def test_a_style_without_marker_has_neither_box_nor_mask() -> None:
    bare = draw_phantom(with_style(HEALTHY, dataclasses.replace(HEALTHY.style, marker_text="")), size=SIZE)
    assert "marker" not in bare.regions
    assert not bit(bare, "marker").any()


@pytest.mark.parametrize("frame", ["none", "plate", "ring"])
def test_another_marker_alters_only_the_pixels_of_the_two_markers(frame: str) -> None:
    other = dataclasses.replace(HEALTHY.style, marker_text="R", marker_frame=frame, marker_x=0.4, marker_y=0.8)
    before, after = draw_phantom(HEALTHY, size=SIZE), draw_phantom(with_style(HEALTHY, other), size=SIZE)
    markers = inside(before.masks.shape, before.regions["marker"], after.regions["marker"])
    different = before.pixels != after.pixels
    assert different.any()
    assert not (different & ~markers).any()
    for name in ("lungs", "heart", "clavicles"):
        assert np.array_equal(bit(before, name), bit(after, name))


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("severity", [0.1, 1.0])
def test_a_finding_alters_only_the_chest_and_more_when_more_severe(label: str, severity: float) -> None:
    before = draw_phantom(HEALTHY, size=SIZE)
    after = draw_phantom(with_finding(HEALTHY, label, severity), size=SIZE)
    chest = bit(before, "lungs") | bit(before, "heart") | bit(after, "heart")
    # The lungs reach a twelfth of the film below the domes, behind the abdomen.
    near = ndimage.binary_dilation(
        ndimage.binary_fill_holes(ndimage.binary_closing(chest, iterations=14)), iterations=13
    )
    different = before.pixels != after.pixels
    assert different.any()
    assert not (different & ~near).any()
    assert before.regions == after.regions
    assert np.array_equal(bit(before, "clavicles"), bit(after, "clavicles"))
    if label != "Cardiomegaly":
        assert np.array_equal(before.masks, after.masks)


@pytest.mark.parametrize("label", LABELS)
def test_a_severe_finding_changes_more_than_a_slight_one(label: str) -> None:
    def change(severity: float) -> float:
        before = draw_phantom(HEALTHY, size=SIZE).pixels.astype(float)
        return float(np.abs(draw_phantom(with_finding(HEALTHY, label, severity), size=SIZE).pixels - before).sum())

    assert change(1.0) > 1.3 * change(0.1) > 0


def test_dense_findings_brighten_and_air_darkens() -> None:
    before = draw_phantom(HEALTHY, size=SIZE)
    lungs = bit(before, "lungs")

    def shift(label: str) -> float:
        after = draw_phantom(with_finding(HEALTHY, label, 1.0), size=SIZE).pixels
        return float((after.astype(float) - before.pixels)[lungs].mean())

    for label in ("COVID-19", "Edema", "Effusion", "Consolidation", "Pneumonia", "Mass", "Nodule", "Atelectasis"):
        assert shift(label) > 0, label
    assert shift("Emphysema") < -2


def test_ap_magnifies_the_heart_and_raises_the_clavicles() -> None:
    for phantom in PHANTOMS[:8]:
        pa, ap = (draw_phantom(with_view(phantom, view), size=SIZE) for view in ("PA", "AP"))
        assert bit(ap, "heart").sum() > 1.15 * bit(pa, "heart").sum()
        assert np.nonzero(bit(ap, "clavicles"))[0].mean() < np.nonzero(bit(pa, "clavicles"))[0].mean() - 1


def test_cardiomegaly_widens_the_heart_mask() -> None:
    before, after = (
        draw_phantom(HEALTHY, size=SIZE),
        draw_phantom(with_finding(HEALTHY, "Cardiomegaly", 1.0), size=SIZE),
    )
    assert bit(after, "heart").sum() > 1.4 * bit(before, "heart").sum()


@pytest.mark.parametrize("label", [label for label in LABELS if label != "Pleural_Thickening"])
def test_a_finding_lies_inside_the_masks_of_lungs_heart_and_mediastinum(label: str) -> None:
    """Pleural thickening is outside, at the wall: 0.83 of it; the rest of the others lies behind the diaphragm."""
    before, after = draw_phantom(HEALTHY, size=SIZE), draw_phantom(with_finding(HEALTHY, label, 0.7), size=SIZE)
    chest = MASK_BITS["lungs"] | MASK_BITS["heart"] | MASK_BITS["mediastinum"]
    change = np.abs(after.pixels.astype(float) - before.pixels)
    inside_chest = ((before.masks | after.masks) & chest) > 0
    assert change[inside_chest].sum() > 0.85 * change.sum()


def test_effusion_hides_the_ribs_below_its_level() -> None:
    """Ribs are what differs between this patient's film and the same film with bones as light as the model allows."""
    fluid = with_finding(HEALTHY, "Effusion", 1.0)
    covered = draw_phantom(fluid, size=SIZE).pixels.astype(float) - draw_phantom(HEALTHY, size=SIZE).pixels > 40
    old = [
        dataclasses.replace(phantom, patient=dataclasses.replace(phantom.patient, age_years=95))
        for phantom in (HEALTHY, fluid)
    ]
    ribs = [
        np.abs(draw_phantom(phantom, size=SIZE).pixels.astype(float) - draw_phantom(aged, size=SIZE).pixels)[
            covered
        ].mean()
        for phantom, aged in zip((HEALTHY, fluid), old, strict=True)
    ]
    assert covered.mean() > 0.02
    assert ribs[1] < 0.5 * ribs[0]


def test_a_hernia_shows_as_a_bright_mass_behind_the_heart() -> None:
    before, after = draw_phantom(HEALTHY, size=SIZE), draw_phantom(with_finding(HEALTHY, "Hernia", 0.7), size=SIZE)
    change = after.pixels.astype(float) - before.pixels
    assert (change > 8).mean() > 0.005
    assert np.array_equal(before.masks, after.masks)


def cardiothoracic_ratio(phantom: Phantom) -> float:
    drawing = draw_phantom(phantom, size=SIZE)
    heart, lungs = (np.nonzero(bit(drawing, name).any(0))[0] for name in ("heart", "lungs"))
    return float((heart.max() - heart.min() + 1) / (lungs.max() - lungs.min() + 1))


def test_cardiomegaly_is_visible_from_a_severity_of_one_half() -> None:
    straight = [
        with_view(without_finding(phantom, "Cardiomegaly"), "PA")
        for phantom in PHANTOMS
        if abs(phantom.acquisition.tilt) < 3
        and abs(phantom.acquisition.shift_x) < 0.08
        and phantom.acquisition.zoom < 1.15
    ]
    healthy = [cardiothoracic_ratio(phantom) for phantom in straight]
    wide = [cardiothoracic_ratio(with_finding(phantom, "Cardiomegaly", 0.5)) for phantom in straight]
    # The rule of radiologists: above one half on a PA film.
    assert np.mean(np.array(healthy) > 0.5) < 0.2
    assert np.mean(np.array(wide) > 0.5) > 0.7
    assert np.mean(wide) - np.mean(healthy) > 2 * np.std(healthy)


def test_another_site_moves_the_marker_and_keeps_the_lungs() -> None:
    before, after = draw_phantom(HEALTHY, size=SIZE), draw_phantom(with_site(HEALTHY, "site-b"), size=SIZE)
    assert before.regions["marker"] != after.regions["marker"]
    assert np.array_equal(bit(before, "lungs"), bit(after, "lungs"))


def test_another_seed_changes_noise_but_no_mask() -> None:
    before, after = (
        draw_phantom(HEALTHY, size=SIZE),
        draw_phantom(dataclasses.replace(HEALTHY, seed=HEALTHY.seed + 1), size=SIZE),
    )
    assert np.array_equal(before.masks, after.masks)
    assert before.pixels.tobytes() != after.pixels.tobytes()
    assert np.corrcoef(before.pixels.ravel(), after.pixels.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [31, 2049])
def test_draw_refuses_a_size_out_of_range(size: int) -> None:
    with pytest.raises(UsageError) as raised:
        draw_phantom(HEALTHY, size=size)
    assert raised.value.message == f"size '{size}' is not from 32 to 2048"
    assert raised.value.hint == "try --size 224"
