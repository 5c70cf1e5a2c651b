"""The parameters of one synthetic radiograph, and the same radiograph with one factor changed.

A picture is a pure function of these parameters, so two of them that differ in one field give a pair of pictures that
differ in that factor alone. Left and right are the patient's: the patient's right is on the left of the picture.
"""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxrshort.columns import LABELS
from cxrshort.datasets.phantom.hospitals import HOSPITALS, draw_style
from cxrshort.datasets.phantom.styles import SHORTCUTS, STYLE_FIELDS, Style
from cxrshort.errors import DataError
from cxrshort.registry import check_name

PHANTOM_VIEWS = ("PA", "AP")
_HINT = "write parameters with Phantom.to_json"


@dataclass(frozen=True)
class Patient:
    """Describe a body; all of a patient's radiographs share it.

    Args:
        sex: ``"M"`` or ``"F"``.
        age_years: 18 to 95; bones fade and the aorta widens with age.
        habitus: 0 (slim) to 1 (obese).
        lung_width: width of the chest, 1 is the mean.
        lung_height: height of the lungs, 1 is the mean.
        heart_size: width of the heart, 1 is the mean.
        dome_gap: how far the right dome of the diaphragm stands above the left, in half films.
        anatomy_seed: decides the branching of the vessels and the places of findings.
    """

    sex: str
    age_years: int
    habitus: float
    lung_width: float
    lung_height: float
    heart_size: float
    dome_gap: float
    anatomy_seed: int


@dataclass(frozen=True)
class Acquisition:
    """Describe one exposure of the patient.

    Args:
        exposure: shift of the display curve, 0 is right, negative is paler.
        contrast: slope of the display curve, 1 is usual.
        noise: quantum noise, 1 is usual.
        rotation: turn of the trunk about its long axis, -1 to 1, 0 is straight.
        tilt: in-plane turn in degrees.
        shift_x: displacement of the patient, as a part of half the film; positive is to the right of the picture.
        shift_y: the same, positive is down.
        zoom: size of the patient on the film, 1 is usual.
        inspiration: depth of the breath, 0 to 1.
    """

    exposure: float
    contrast: float
    noise: float
    rotation: float
    tilt: float
    shift_x: float
    shift_y: float
    zoom: float
    inspiration: float


@dataclass(frozen=True)
class Phantom:
    """Hold every parameter of one synthetic radiograph.

    Args:
        phantom_id: unique name, ``dataset/number``.
        patient_id: the person; the same in every dataset that shows this person.
        image_index: number of the radiograph among this patient's, from 0.
        patient: the body.
        view: ``"PA"`` or ``"AP"``.
        acquisition: the exposure.
        site: name of the simulated hospital.
        style: the acquisition style.
        findings: (label, severity) pairs in the order of ``LABELS``; severity in (0, 1]; no pair, no finding.
        seed: decides noise and texture only, so it stays when one factor changes.
        noise_seed: decides the quantum noise instead, as of another exposure of the same moment; None for ``seed``.

    Raises:
        DataError: a view, label, severity or order that the phantom does not have.
    """

    phantom_id: str
    patient_id: str
    image_index: int
    patient: Patient
    view: str
    acquisition: Acquisition
    site: str
    style: Style
    findings: tuple[tuple[str, float], ...]
    seed: int
    noise_seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be drawn."""
        if self.view not in PHANTOM_VIEWS:
            raise DataError(f"view '{self.view}' is not one of PA, AP", _HINT)
        labels = [label for label, _ in self.findings]
        if labels != [label for label in LABELS if label in labels]:
            raise DataError(f"findings '{', '.join(labels)}' are not labels in the order of the label table", _HINT)
        for label, severity in self.findings:
            if not 0 < severity <= 1:
                raise DataError(f"severity '{severity}' of {label} is not above 0 and at most 1", _HINT)

    def severity(self, label: str) -> float:
        """Return the severity of a finding, 0 when the patient does not have it."""
        return dict(self.findings).get(label, 0.0)

    def to_json(self) -> str:
        """Write the parameters as one line of JSON; floats keep every digit."""
        values = dataclasses.asdict(self)
        if self.noise_seed is None:
            del values["noise_seed"]
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Phantom":
        """Read what ``to_json`` wrote.

        Raises:
            DataError: the text is not the JSON of a phantom.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            values["patient"] = Patient(**values["patient"])
            values["acquisition"] = Acquisition(**values["acquisition"])
            values["style"] = Style(**values["style"])
            values["findings"] = tuple((label, severity) for label, severity in values["findings"])
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"'{text[:40]}' is not the JSON of a phantom: {error}", _HINT) from error


def with_finding(phantom: Phantom, label: str, severity: float) -> Phantom:
    """Return the same radiograph with a finding of this severity, present before or not.

    Args:
        phantom: the radiograph.
        label: one of ``LABELS``.
        severity: above 0 and at most 1.

    Raises:
        UsageError: no such label.
        DataError: a severity out of range.

    Example:
        >>> from cxrshort.datasets.phantom.cohort import sample_phantoms
        >>> phantom = sample_phantoms("phantom-III", images=1, confounding=None, seed=0)[0]
        >>> with_finding(phantom, "Effusion", 0.5).severity("Effusion")
        0.5
    """
    check_name(LABELS, label, kind="finding")
    findings = {**dict(phantom.findings), label: severity}
    ordered = tuple((name, findings[name]) for name in LABELS if name in findings)
    return dataclasses.replace(phantom, findings=ordered)


def without_finding(phantom: Phantom, label: str) -> Phantom:
    """Return the same radiograph without a finding.

    Raises:
        UsageError: no such label.
    """
    check_name(LABELS, label, kind="finding")
    return dataclasses.replace(phantom, findings=tuple(pair for pair in phantom.findings if pair[0] != label))


def with_style(phantom: Phantom, style: Style) -> Phantom:
    """Return the same patient and findings in another acquisition style."""
    return dataclasses.replace(phantom, style=style)


def with_view(phantom: Phantom, view: str) -> Phantom:
    """Return the same patient, findings and style in the other projection.

    Raises:
        UsageError: the view is not ``"PA"`` or ``"AP"``.
    """
    check_name(PHANTOM_VIEWS, view, kind="view of the phantom")
    return dataclasses.replace(phantom, view=view)


def with_site(phantom: Phantom, site: str, *, shortcuts: Collection[str] = tuple(SHORTCUTS)) -> Phantom:
    """Return the same patient, findings and view as the first room of another hospital would have filmed them.

    The style is drawn with the phantom's own seed: the same phantom and site always give the same picture.

    Args:
        phantom: the radiograph.
        site: one of ``HOSPITALS``.
        shortcuts: the styles that are exchanged; the others stay as they are.

    Raises:
        UsageError: no such hospital or shortcut.
    """
    check_name(HOSPITALS, site, kind="hospital of the phantom")
    for shortcut in shortcuts:
        check_name(SHORTCUTS, shortcut, kind="shortcut")
    if site == phantom.site:
        return phantom
    drawn = draw_style(HOSPITALS[site].rooms[0], np.random.default_rng(phantom.seed))
    exchanged = {name: getattr(drawn, name) for shortcut in shortcuts for name in STYLE_FIELDS[shortcut]}
    return dataclasses.replace(phantom, site=site, style=dataclasses.replace(phantom.style, **exchanged))
