"""Montgomery and Shenzhen: tuberculosis, with clinical readings."""

import numpy as np
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID, LABELS
from cxrshort.datasets.repositories import nlm
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions

from .. import lookalikes


def read(repository, root, **options):
    getattr(lookalikes, repository.name)(root)
    reading = repository.read(find_repository(root, repository), root, ReadOptions(**options))
    return reading, reading.rows.set_index("image_id")


def test_montgomery_normal_films_have_no_finding(tmp_path):
    _, rows = read(nlm.MONTGOMERY, tmp_path)
    normal, ill = rows.loc["montgomery/MCUCXR_0001_0.png"], rows.loc["montgomery/MCUCXR_0104_1.png"]
    assert (normal[list(LABELS)] == 0).all() and normal["Tuberculosis"] == 0
    assert ill[list(CHESTX_RAY14_LABELS)].isna().all() and ill[COVID] == 0 and ill["Tuberculosis"] == 1


def test_clinical_readings_give_sex_and_age(tmp_path):
    _, rows = read(nlm.MONTGOMERY, tmp_path)
    assert rows[["sex", "age_years"]].values.tolist() == [["F", 27], ["M", 52]]
    _, rows = read(nlm.SHENZHEN, tmp_path)
    assert rows["sex"].to_list() == ["M", "F", ""]
    assert rows["age_years"].to_list() == pytest.approx([45, 0.25, np.nan], nan_ok=True)
