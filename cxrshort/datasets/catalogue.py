"""The catalogue of datasets: cohorts of the papers, and all names that build-dataset accepts.

Imports tables only, so that the names can be shown at once.
"""

from dataclasses import dataclass
from typing import Any

from cxrshort.columns import COVID
from cxrshort.datasets import SOURCES
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.phantom.catalogue import DATASETS as PHANTOMS


@dataclass(frozen=True)
class Part:
    """Specify what a cohort takes from one repository.

    Args:
        source: the repository.
        options: how it is read, over the user's own options.
        where: expression that a row must fulfil.
        fractions: shares of test and val persons; None takes the repository's own.
        label: the class that all its rows are, among the cohort's ``classes``.
        sample: at most so many rows, drawn by a hash of their names; 0 takes all.
        one_per_patient: whether each patient gives one image at most, drawn likewise.
        published: images and patients that the paper counts; 0 where it does not say.
        published_labels: images with each label that the paper counts; "No Finding" has none of the others.
    """

    source: str
    options: tuple[tuple[str, Any], ...] = ()
    where: str = ""
    fractions: tuple[float, float] | None = None
    label: str = ""
    sample: int = 0
    one_per_patient: bool = False
    published: tuple[int, int] = (0, 0)
    published_labels: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Describe a published dataset.

    Args:
        parts: what it takes from repositories, the negative one first as in the paper.
        summary: one line for help pages.
        classes: label columns that are mutually exclusive and set by the parts.
        published: images and patients that the paper counts; (0, 0) where it does not say.
    """

    parts: tuple[Part, ...]
    summary: str
    classes: tuple[str, ...] = ()
    published: tuple[int, int] = (0, 0)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the repositories."""
        return tuple(dict.fromkeys(part.source for part in self.parts))


_BIMCV = (("require_windowing", True), ("require_report", True))
_UNCERTAIN_IS_NEGATIVE = (("uncertain", "negative"),)
_ADULTS = "age_years >= 18"
_TEST_ONLY = (1.0, 0.0)
_TEA_VALIDATION = (0.0, 0.25)
_TEA_CLASSES = ("Normal", "Pneumonia", COVID)
_TEA_IMAGES = 4644
# Both papers read the ages of the first release without their unit (011M is 11) and the labels of 2020. Ages above 100
# are left out by RoentMod; those above 120 are emptied by every reading.
_NIH_AS_PUBLISHED = (("first_release_ages", True), ("age_unit", "drop"))
_ROENTMOD_NIH_LABELS = (
    ("Atelectasis", 5614),
    ("Cardiomegaly", 1520),
    ("Consolidation", 1463),
    ("Edema", 268),
    ("Effusion", 6450),
    ("Emphysema", 1473),
    ("Fibrosis", 1394),
    ("Hernia", 191),
    ("Infiltration", 8976),
    ("Mass", 3466),
    ("Nodule", 4106),
    ("Pleural_Thickening", 2366),
    ("Pneumonia", 586),
    ("Pneumothorax", 3268),
    ("No Finding", 37_452),
)
"""Supplemental Table 1 of RoentMod, which lists masses as lung lesions and nodules as lung opacities."""

COHORTS = {
    "I": Cohort(
        (Part("chestx-ray14"), Part("github-covid")),
        "dataset I of DeGrave et al. 2021: ChestX-ray14 + GitHub-COVID",
        published=(112_528, 31_067),
    ),
    "II": Cohort(
        (Part("padchest"), Part("bimcv+", _BIMCV)),
        "dataset II of DeGrave et al. 2021: PadChest + BIMCV-COVID-19+",
        published=(97_866, 64_954),
    ),
    "III": Cohort(
        (Part("bimcv-", _BIMCV), Part("bimcv+", _BIMCV)),
        "dataset III of DeGrave et al. 2021: BIMCV-COVID-19- + BIMCV-COVID-19+",
        published=(4_682, 3_342),
    ),
    "roentmod-nih": Cohort(
        (
            Part(
                "chestx-ray14",
                (*_NIH_AS_PUBLISHED, ("views", ("PA",))),
                f"{_ADULTS} and age_years <= 100",
                published=(64_628, 27_713),
                published_labels=_ROENTMOD_NIH_LABELS,
            ),
        ),
        "RoentMod: adult PA films of ChestX-ray14",
        published=(64_628, 27_713),
    ),
    # The paper says "frontal"; MIMIC-CXR has 96,161 PA and 147,173 AP films, so that its 94,067 scans hold no AP films.
    "roentmod-mimic": Cohort(
        (Part("mimic-cxr", (*_UNCERTAIN_IS_NEGATIVE, ("views", ("PA",))), _ADULTS),),
        "RoentMod: adult PA films of MIMIC-CXR",
        published=(94_067, 44_642),
    ),
    "roentmod-chexpert": Cohort(
        (Part("chexpert", (*_UNCERTAIN_IS_NEGATIVE, ("views", ("PA",))), _ADULTS),),
        "RoentMod: adult PA films of CheXpert",
        published=(29_453, 20_574),
    ),
    "roentmod-padchest": Cohort(
        (Part("padchest", (), _ADULTS),),
        "RoentMod: adult frontal films of PadChest",
        published=(88_109, 59_085),
    ),
    "tea-xray": Cohort(
        (
            Part(
                "brixia", (), f"not age_years < 18 and {COVID} == 1", _TEA_VALIDATION, COVID, published=(_TEA_IMAGES, 0)
            ),
            Part(
                "chexpert",
                _UNCERTAIN_IS_NEGATIVE,
                f"{_ADULTS} and `No Finding` == 1",
                _TEA_VALIDATION,
                "Normal",
                _TEA_IMAGES,
                one_per_patient=True,
                published=(_TEA_IMAGES, _TEA_IMAGES),
            ),
            Part(
                "chexpert",
                _UNCERTAIN_IS_NEGATIVE,
                f"{_ADULTS} and Pneumonia == 1",
                _TEA_VALIDATION,
                "Pneumonia",
                _TEA_IMAGES,
                published=(_TEA_IMAGES, 3_899),
            ),
            Part(
                "bimcv+",
                (("covid_labels", "certain"), ("require_windowing", True), ("require_report", True)),
                f"not age_years < 18 and {COVID} == 1",
                _TEST_ONLY,
                COVID,
                published=(1_515, 1_145),
            ),
            # The 941 patients come out so, with 1,322 films; no reading of the complete files gives 1,295 films.
            Part(
                "chestx-ray14",
                _NIH_AS_PUBLISHED,
                f"{_ADULTS} and Pneumonia == 1",
                _TEST_ONLY,
                "Pneumonia",
                published=(1_295, 941),
            ),
            Part("montgomery", (), "not age_years < 18 and Tuberculosis == 0", _TEST_ONLY, "Normal", published=(80, 0)),
            Part("shenzhen", (), "not age_years < 18 and Tuberculosis == 0", _TEST_ONLY, "Normal", published=(326, 0)),
        ),
        "TEA: Brixia + CheXpert for training, four unseen repositories as the test fold",
        classes=_TEA_CLASSES,
        published=(17_148, 0),
    ),
}


def sections() -> dict[str, dict[str, str]]:
    """Return every name with its one-line summary, by kind.

    Example:
        >>> sections()["benchmarks"]["waterbirds"]
        'birds pasted over land and water'
    """
    return {
        "cohorts": {name: cohort.summary for name, cohort in COHORTS.items()},
        "repositories": {name: entry.summary for name, entry in SOURCES.items()},
        "benchmarks": {name: entry.summary for name, entry in BENCHMARKS.items()},
        "phantoms": {name: cohort.summary for name, cohort in PHANTOMS.items()},
    }
