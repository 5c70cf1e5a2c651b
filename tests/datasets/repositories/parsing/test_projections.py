"""Series descriptions of BIMCV against the published table."""

import pytest

from cxrshort.datasets.repositories.parsing.projections import normalise_description, read_description

PUBLISHED = {
    "PA": "TÓRAX PA H|BUCKY PA|TORAX PA|TORAX  PA|TORAX ERECT PA|DIRECTO PA|TORAX BIPE PA|TORAX-ABD PA|ERECT PA|PA|"
    "W033 TÓRAX PA|W033 TÓRAX PA *|TÓRAX PA|T035 TÓRAX PA|TORAX PEDIATRICO PA|RX TORAX  PA PED|TORAX.PEDI PA",
    "AP": "TORAX AP|PORTATIL|DIRECTO AP|PECHO AP|TORAX AP DIRECTO|TÒRAX AP|TORAX PORTATIL|RX TORAX CON PORTATIL|"
    "RX TORAX CON PORTATIL PED|TORAX CAMILLA|TORAX SEDE AP|W033 TÓRAX AP|PORTÁTIL AP|AP|TORAX  AP|TÓRAX AP PORTATIL|"
    "AP DIRECTO|PEDIÁTRICO AP|T035 TÓRAX AP|TORAX AP PARED|PARRILLA COSTAL AP|ERECT AP|SEDESTACION AP|AP VERTICAL|"
    "TÓRAX AP|SIMPLE AP|TORAX PEDIATRICO AP|TORAX NINOS DIRECTO AP",
    "AP_SUPINE": "AP HORIZONTAL|TORAX SUPINE AP|TÓRAX AP H|DEC. SUPINO AP|SUPINE AP|SUP.AP PORTABLE|TORAX SUPINO AP",
    "LATERAL": "W034 TÓRAX LAT.|W034 TÓRAX LAT. *|LATERAL IZQ.|T034 TÓRAX LAT|TÓRAX LAT|ERECT LAT|TORAX LAT|LATERAL|"
    "BUCKY LAT|TORAX ERECT LAT|LATERAL DER.|TORAX LAT PARED|LAT",
    "UNKNOWN": "CHEST|ESCAPULA Y|TÓRAX|RX TORAX  PA Y LAT|RX TORAX|PA O AP|ABDOMEN|TORAX FRENTE Y PERFIL|"
    "PA HORIZONTAL|LUMBAR-SPINE",
}


@pytest.mark.parametrize(
    ("view", "text"), [(view, text) for view, all_ in PUBLISHED.items() for text in all_.split("|")]
)
def test_read_description_agrees_with_the_published_table(view, text):
    assert read_description(text) == view
    assert read_description(text.lower()) == view


def test_read_description_reads_broken_encodings_as_what_they_say():
    assert read_description("TÃ²RAX AP") == "AP"
    assert read_description("TÃ³rax PA") == "PA"


@pytest.mark.parametrize("text", ["", "CRANEO", "Ã", "TÃ"])
def test_read_description_does_not_guess(text):
    assert read_description(text) is None


def test_normalise_description_drops_accents_and_stars():
    assert normalise_description(" w033  Tórax PA * ") == "W033 TORAX PA"
