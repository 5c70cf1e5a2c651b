"""The columns of a manifest: name, meaning, unit and allowed values.

One table describes every column; the manifest checks, ``--help`` and the man page read it. Imports nothing.
"""

from dataclasses import dataclass

CHESTX_RAY14_LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
COVID = "COVID-19"
LABELS = (*CHESTX_RAY14_LABELS, COVID)
"""The labels of the built-in repositories, in the order of DeGrave et al. 2021."""

VIEWS = ("PA", "AP", "AP_SUPINE", "LATERAL", "UNKNOWN")
SEXES = ("M", "F")
SPLITS = ("train", "val", "test")
SPLIT_PREFIX = "split_"


@dataclass(frozen=True)
class Column:
    """Describe one column of a manifest.

    Args:
        name: its name in the header.
        kind: ``"text"``, ``"integer"`` or ``"number"``.
        meaning: one line for people.
        values: the allowed values; empty when free.
        required: whether every manifest has it.
        unit: the unit of a number.
        limits: the smallest and the largest allowed number; None when free.
    """

    name: str
    kind: str
    meaning: str
    values: tuple[str, ...] = ()
    required: bool = False
    unit: str = ""
    limits: tuple[float, float] | None = None


COLUMNS = (
    Column("image_id", "text", "unique and stable name, repository/...", required=True),
    Column("path", "text", "original file, relative to the root in run.json"),
    Column("cache", "text", "dataset folder that holds the pixels"),
    Column("cache_row", "integer", "row of images.npy in that folder"),
    Column("pixels_crc32", "integer", "CRC-32 of that row, compared when it is first read"),
    Column("cache_fit", "text", "how the original lies in its cached square", values=("crop", "pad", "squash")),
    Column("source_height", "integer", "height of the original", unit="pixels"),
    Column("source_width", "integer", "width of the original", unit="pixels"),
    Column("pixel_height_mm", "number", "height of a pixel of the original", unit="mm"),
    Column("pixel_width_mm", "number", "width of a pixel of the original", unit="mm"),
    Column("repository", "text", "public source that the image comes from", required=True),
    Column("patient_id", "text", "patient as the source gives it, prefixed by the repository", required=True),
    Column("person_id", "text", "patients joined where one person is known to stand behind them", required=True),
    Column("study_id", "text", "examination"),
    Column("study_date", "text", "date of the examination, YYYY-MM-DD or as much of it as is known"),
    Column("view", "text", "projection", values=VIEWS),
    Column("sex", "text", "sex", values=SEXES),
    Column("age_years", "number", "age", unit="years", limits=(0, 120)),
    Column("manufacturer", "text", "maker of the X-ray machine"),
    Column("modality", "text", "DICOM modality (CR, DX)"),
    Column("group", "text", "subgroup for group-wise training and testing"),
    Column("mask_row", "integer", "row of masks.npy; empty without a mask"),
    Column("mask_crc32", "integer", "CRC-32 of that row, compared when it is first read"),
    Column("source_image_id", "text", "image that this one was made from"),
    Column("edit", "text", "what was changed in it"),
    Column("edit_prompt", "text", "text that a generator was given"),
    Column("edit_label", "text", "label of the finding that was added; empty where none was"),
    Column("edit_seed", "integer", "seed of the noise that it began with"),
    Column("edit_repetition", "integer", "number of the repetition with other noise, from 0"),
    Column("edit_parameters", "text", "its other settings, a JSON object"),
)
BY_NAME = {column.name: column for column in COLUMNS}

EDIT_PREFIX = "edit_"
"""What the names of all columns that describe an edit begin with; one of an editor's own is never a label."""

EXCLUDED_COLUMNS = ("path", "patient_id", "reason", "detail")
REGION_COLUMNS = ("image_id", "region", "x0", "y0", "x1", "y1")

MASK_BITS = {"lungs": 1, "heart": 2, "clavicles": 4, "marker": 8, "text": 16, "mediastinum": 32}
"""The bits of masks.npy; a dataset's run.json names those that it holds."""
