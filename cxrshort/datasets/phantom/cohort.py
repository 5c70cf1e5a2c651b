"""Sampling of phantom datasets: patients, findings, and how strongly the style predicts the diagnosis."""

import dataclasses
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.columns import COVID, LABELS
from cxrshort.datasets.phantom.catalogue import DATASETS as DATASETS
from cxrshort.datasets.phantom.catalogue import PhantomCohort
from cxrshort.datasets.phantom.hospitals import HOSPITALS, ap_share, draw_style
from cxrshort.datasets.phantom.parameters import Acquisition, Patient, Phantom
from cxrshort.datasets.phantom.planting import (
    BLOCK_POSITIVES,
    BLOCK_SIZE,
    PREVALENCE,
    Comorbidity,
    Conditional,
    Planting,
    conditional_prevalences,
    record_planting,
)
from cxrshort.datasets.phantom.styles import SHORTCUTS
from cxrshort.errors import UsageError
from cxrshort.registry import check_name

MOST_IMAGES = 4
MAX_IMAGES = 1_000_000


def sample_phantoms(
    name: str,
    *,
    images: int,
    confounding: float | None,
    seed: int,
    shortcuts: Collection[str] = tuple(SHORTCUTS),
    comorbidities: Sequence[Comorbidity] = (),
) -> list[Phantom]:
    """Draw the parameters of a phantom dataset.

    A larger sample of the same seed begins with the smaller one; another seed draws other persons, under other ids.
    ``phantom-deceiving`` shows the persons and findings of ``phantom-I`` of the same seed and size, image by image, in
    the other class's style and view.

    Args:
        name: one of ``DATASETS``.
        images: number of radiographs, 1 to 1,000,000.
        confounding: probability that the diagnosis decides a patient's room (otherwise a fair coin does), 0 to 1, so
            that a class has its style in a share of (1 + confounding) / 2; None takes the dataset's own.
        seed: 0 or more; the same seed draws the same dataset.
        shortcuts: names of ``SHORTCUTS`` in which the rooms differ; everything else has one distribution in all rooms.
        comorbidities: findings that come together; all prevalences stay as they are.

    Raises:
        UsageError: an unknown name, a number out of range, or comorbidities that form a circle.

    Example:
        >>> [phantom.site for phantom in sample_phantoms("phantom-external", images=2, confounding=None, seed=0)]
        ['site-g', 'site-g']
    """
    check_name(DATASETS, name, kind="phantom dataset")
    for shortcut in shortcuts:
        check_name(SHORTCUTS, shortcut, kind="shortcut")
    strength = DATASETS[name].confounding if confounding is None else confounding
    return sample_planted(name, Planting(strength, tuple(shortcuts), tuple(comorbidities)), images=images, seed=seed)


def sample_planted(name: str, planting: Planting, *, images: int, seed: int) -> list[Phantom]:
    """Draw the parameters of a phantom dataset as :func:`sample_phantoms` does, from a planting that was checked.

    Args:
        name: one of ``DATASETS``.
        planting: what is planted.
        images: number of radiographs, 1 to 1,000,000.
        seed: 0 or more.

    Raises:
        UsageError: a number out of range, or comorbidities that form a circle.
    """
    _check_ranges(images, planting.confounding, seed)
    phantoms: list[Phantom] = []
    for phantom in _radiographs(DATASETS[name], planting, seed):
        phantoms.append(dataclasses.replace(phantom, phantom_id=f"{_tagged(name, seed)}/{len(phantoms):06d}"))
        if len(phantoms) == images:
            break
    return phantoms


def manifest_rows(phantoms: Sequence[Phantom]) -> pd.DataFrame:
    """Return the manifest columns that the parameters decide, a row per phantom in the same order.

    Args:
        phantoms: parameters with distinct ``phantom_id``.
    """
    columns: dict[str, list[object]] = {
        "image_id": [phantom.phantom_id for phantom in phantoms],
        "repository": [phantom.site for phantom in phantoms],
        "patient_id": [phantom.patient_id for phantom in phantoms],
        "person_id": [phantom.patient_id for phantom in phantoms],
        "study_id": [f"{phantom.patient_id}/{phantom.image_index}" for phantom in phantoms],
        "view": [phantom.view for phantom in phantoms],
        "sex": [phantom.patient.sex for phantom in phantoms],
        "age_years": [phantom.patient.age_years for phantom in phantoms],
        "manufacturer": [HOSPITALS[phantom.site].manufacturer for phantom in phantoms],
        "modality": [HOSPITALS[phantom.site].modality for phantom in phantoms],
    }
    for label in LABELS:
        columns[label] = [int(phantom.severity(label) > 0) for phantom in phantoms]
    return pd.DataFrame(columns)


def describe_planting(name: str, planting: Planting, phantoms: Sequence[Phantom]) -> dict[str, Any]:
    """Return what run.json says about the planting of these phantoms, with sentences for people under ``"summary"``."""
    labels = {label for pair in planting.comorbidities for label in (pair.first, pair.second)}
    people = [phantom for phantom in phantoms if phantom.image_index == 0]
    present = {label: [phantom.severity(label) > 0 for phantom in people] for label in labels}
    return record_planting(planting, present, exchanged=DATASETS[name].exchanged)


def _tagged(name: str, seed: int) -> str:
    """Return a name that tells the persons and films of one seed from those of another."""
    return f"{name}@{seed}" if seed else name


def _check_ranges(images: int, confounding: float, seed: int) -> None:
    if not 1 <= images <= MAX_IMAGES:
        raise UsageError(f"'{images}' images is not from 1 to {MAX_IMAGES}", "try --images 1000")
    if not 0 <= confounding <= 1:
        raise UsageError(f"confounding '{confounding}' is not from 0 to 1", "try --confounding 1")
    if seed < 0:
        raise UsageError(f"seed '{seed}' is below 0", "try --seed 0")


def _radiographs(cohort: PhantomCohort, planting: Planting, seed: int) -> Iterator[Phantom]:
    dependent = conditional_prevalences(planting.comorbidities)
    population = zlib.crc32(cohort.population.encode())
    patient_number = 0
    while True:
        order = np.random.default_rng([seed, population, 0, patient_number]).permutation(BLOCK_SIZE)
        for place in order:
            yield from _patient_radiographs(
                cohort,
                planting,
                positive=bool(place < BLOCK_POSITIVES),
                dependent=dependent,
                patient_id=f"{_tagged(cohort.population, seed)}/P{patient_number:06d}",
                generator=np.random.default_rng([seed, population, 1, patient_number]),
            )
            patient_number += 1


def _patient_radiographs(
    cohort: PhantomCohort,
    planting: Planting,
    *,
    positive: bool,
    dependent: Mapping[str, Conditional],
    patient_id: str,
    generator: np.random.Generator,
) -> Iterator[Phantom]:
    # Two streams: what the room decides must not move the draws that make the person.
    person, room_draws = generator.spawn(2)
    patient = _draw_patient(person)
    findings = _draw_findings(person, positive, dependent)
    decided, coin = person.random(2)
    in_second = positive if decided < planting.confounding else bool(coin < 0.5)
    site, room_number = cohort.positive if in_second != cohort.exchanged else cohort.negative
    room = HOSPITALS[site].rooms[room_number]
    for index in range(int(person.choice(MOST_IMAGES, p=(0.5, 0.25, 0.15, 0.1))) + 1):
        yield Phantom(
            phantom_id="",
            patient_id=patient_id,
            image_index=index,
            patient=patient,
            view="AP" if room_draws.random() < ap_share(room, shortcuts=planting.shortcuts) else "PA",
            acquisition=_draw_acquisition(person),
            site=site,
            style=draw_style(room, room_draws, shortcuts=planting.shortcuts),
            findings=_jitter(person, findings),
            seed=int(person.integers(2**32)),
        )


def _draw_patient(generator: np.random.Generator) -> Patient:
    # The same with and without COVID-19: a model without shortcuts must have nothing to be accused of.
    return Patient(
        sex="M" if generator.random() < 0.54 else "F",
        age_years=int(np.clip(generator.normal(55, 16), 18, 95)),
        habitus=float(np.clip(generator.beta(2.2, 3.0), 0, 1)),
        lung_width=float(np.clip(generator.normal(1, 0.07), 0.82, 1.18)),
        lung_height=float(np.clip(generator.normal(0.97, 0.11), 0.70, 1.22)),
        heart_size=float(np.clip(generator.normal(1, 0.09), 0.78, 1.22)),
        dome_gap=float(np.clip(generator.normal(0.06, 0.035), -0.03, 0.16)),
        anatomy_seed=int(generator.integers(2**32)),
    )


def _draw_findings(
    generator: np.random.Generator, positive: bool, dependent: Mapping[str, Conditional]
) -> tuple[tuple[str, float], ...]:
    # A comorbidity moves the thresholds of the dependent labels alone, so that everything else of a patient stays.
    draws = {label: float(generator.random()) for label in LABELS}
    present = {label: draws[label] < PREVALENCE[label] for label in LABELS} | {COVID: positive}
    for label, (partner, without, beside) in dependent.items():
        present[label] = draws[label] < (beside if present[partner] else without)
    severities = {label: float(generator.beta(1.6, 1.8)) for label in LABELS}
    return tuple((label, severities[label]) for label in LABELS if present[label])


def _jitter(generator: np.random.Generator, findings: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    steps = generator.normal(0, 0.08, len(LABELS))
    return tuple(
        (label, float(np.clip(severity + steps[LABELS.index(label)], 0.05, 1.0))) for label, severity in findings
    )


def _draw_acquisition(generator: np.random.Generator) -> Acquisition:
    return Acquisition(
        exposure=float(generator.normal(0, 0.29)),
        contrast=float(np.clip(generator.normal(1, 0.20), 0.55, 1.6)),
        noise=float(generator.uniform(0.5, 1.6)),
        rotation=float(np.clip(generator.normal(0, 0.4), -1, 1)),
        tilt=float(np.clip(generator.normal(0, 2.2), -6, 6)),
        shift_x=float(np.clip(generator.normal(0, 0.065), -0.16, 0.16)),
        shift_y=float(np.clip(generator.normal(0, 0.09), -0.2, 0.2)),
        zoom=float(np.clip(generator.normal(1.05, 0.10), 0.82, 1.30)),
        inspiration=float(np.clip(generator.beta(4, 2.5), 0, 1)),
    )
