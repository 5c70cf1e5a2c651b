"""Where radiographs come from: repositories, cohorts and the phantom."""

from cxrshort.registry import Entry

_HOME = "cxrshort.datasets.repositories"

SOURCES = {
    "chestx-ray14": Entry(f"{_HOME}.chestx_ray14:REPOSITORY", "NIH ChestX-ray14: 112,120 frontal films, 14 findings"),
    "github-covid": Entry(
        f"{_HOME}.github_covid:REPOSITORY", "COVID-19 image data collection: films from publications"
    ),
    "padchest": Entry(f"{_HOME}.padchest:REPOSITORY", "PadChest: 160,868 films of Alicante, findings from reports"),
    "bimcv+": Entry(f"{_HOME}.bimcv:POSITIVE", "BIMCV-COVID-19+: people with a positive test, Valencian region"),
    "bimcv-": Entry(f"{_HOME}.bimcv:NEGATIVE", "BIMCV-COVID-19-: people with negative tests only"),
    "mimic-cxr": Entry(f"{_HOME}.mimic_cxr:REPOSITORY", "MIMIC-CXR: 377,110 films of Boston; JPEG or DICOM"),
    "chexpert": Entry(f"{_HOME}.chexpert:REPOSITORY", "CheXpert: 224,316 films of Stanford"),
    "brixia": Entry(f"{_HOME}.brixia:REPOSITORY", "Brixia COVID-19: 4,703 DICOM films of Brescia with scores"),
    "montgomery": Entry(f"{_HOME}.nlm:MONTGOMERY", "Montgomery County: 138 films, normal or tuberculosis"),
    "shenzhen": Entry(f"{_HOME}.nlm:SHENZHEN", "Shenzhen: 662 films, normal or tuberculosis"),
    "rsna": Entry(f"{_HOME}.rsna:REPOSITORY", "RSNA Pneumonia Challenge: 26,684 DICOM films"),
    "folder": Entry(f"{_HOME}.folder:REPOSITORY", "any folder of DICOM, PNG or JPEG files, with or without a table"),
}
"""The public repositories; a reader is one file and one line here."""
