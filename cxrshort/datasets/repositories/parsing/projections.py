"""Projections that BIMCV's hospitals wrote as free text in Spanish (DICOM SeriesDescription)."""

import unicodedata
from collections.abc import Mapping

BIMCV_SERIES: Mapping[str, tuple[str, ...]] = {
    "PA": (
        "TÓRAX PA H",
        "BUCKY PA",
        "TORAX PA",
        "TORAX ERECT PA",
        "DIRECTO PA",
        "TORAX BIPE PA",
        "TORAX-ABD PA",
        "ERECT PA",
        "PA",
        "W033 TÓRAX PA",
        "T035 TÓRAX PA",
        "TORAX PEDIATRICO PA",
        "RX TORAX PA PED",
        "TORAX.PEDI PA",
    ),
    "AP": (
        "TORAX AP",
        "PORTATIL",
        "DIRECTO AP",
        "PECHO AP",
        "TORAX AP DIRECTO",
        "TORAX PORTATIL",
        "RX TORAX CON PORTATIL",
        "RX TORAX CON PORTATIL PED",
        "TORAX CAMILLA",
        "TORAX SEDE AP",
        "W033 TÓRAX AP",
        "PORTÁTIL AP",
        "AP",
        "TÓRAX AP PORTATIL",
        "AP DIRECTO",
        "PEDIÁTRICO AP",
        "T035 TÓRAX AP",
        "TORAX AP PARED",
        "PARRILLA COSTAL AP",
        "ERECT AP",
        "SEDESTACION AP",
        "AP VERTICAL",
        "SIMPLE AP",
        "TORAX PEDIATRICO AP",
        "TORAX NINOS DIRECTO AP",
    ),
    "AP_SUPINE": (
        "AP HORIZONTAL",
        "TORAX SUPINE AP",
        "TÓRAX AP H",
        "DEC. SUPINO AP",
        "SUPINE AP",
        "SUP.AP PORTABLE",
        "TORAX SUPINO AP",
    ),
    "LATERAL": (
        "W034 TÓRAX LAT.",
        "LATERAL IZQ.",
        "T034 TÓRAX LAT",
        "TÓRAX LAT",
        "ERECT LAT",
        "LATERAL",
        "BUCKY LAT",
        "TORAX ERECT LAT",
        "LATERAL DER.",
        "TORAX LAT PARED",
        "LAT",
    ),
    "UNKNOWN": (
        "CHEST",
        "ESCAPULA Y",
        "TÓRAX",
        "RX TORAX PA Y LAT",
        "RX TORAX",
        "PA O AP",
        "ABDOMEN",
        "TORAX FRENTE Y PERFIL",
        "PA HORIZONTAL",
        "LUMBAR-SPINE",
    ),
}
"""Descriptions of both BIMCV collections by projection (DeGrave et al. 2021, data/make_csv_bimcv_*.py).

Portable films count as AP. The published table has one text in a broken encoding, ``TÃ²RAX AP``, among the PA ones; the
encoding is mended here and the text read as what it says, AP.
"""


def normalise_description(text: str) -> str:
    """Return a description in upper case, its encoding mended, without accents, doubled spaces and a final ``*``.

    Example:
        >>> normalise_description("W033 TÃ³rax  PA *")
        'W033 TORAX PA'
    """
    if "Ã" in text:
        try:
            text = text.encode("latin-1").decode("utf-8")
        except UnicodeError:
            pass
    unaccented = "".join(
        character for character in unicodedata.normalize("NFD", text) if not unicodedata.combining(character)
    )
    return " ".join(unaccented.upper().rstrip("* ").split())


_VIEWS = {normalise_description(text): view for view, texts in BIMCV_SERIES.items() for text in texts}


def read_description(text: str) -> str | None:
    """Return the projection that a series description names, None when nobody has seen the text before.

    Example:
        >>> read_description("Tórax PA"), read_description("CRANEO")
        ('PA', None)
    """
    return _VIEWS.get(normalise_description(text))
