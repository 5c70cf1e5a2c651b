from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from cxrshort.dataset import load_dataset
from cxrshort.verbs.roentmod.nearest_pictures import draw_distances, draw_pairs

from ...training.tiny import tiny_dataset


def test_pairs_stand_side_by_side_and_every_measure_has_a_panel(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    rows = pd.DataFrame(
        {
            "image_id": "made/" + "a" * 40,
            "nearest_image_id": "real/1",
            "place": [0, 1],
            "nearest_place": [2, 3],
            "verdict": "no evidence",
            "correlation": 0.3,
        }
    )
    with Image.open(draw_pairs(rows, data, data, path=tmp_path / "sheet.png")) as sheet:
        pixels = np.asarray(sheet.convert("L"))
        assert sheet.width == 10 + 4 * (256 + 10)
    first = data.pixels.take([0, 2])
    for number, picture in enumerate(first):
        shown = pixels[10 : 10 + 256, 10 + number * 266 :][:, :256]
        reduced = np.asarray(Image.fromarray(shown).resize((16, 16), Image.Resampling.BOX))
        assert np.corrcoef(reduced.ravel(), picture.ravel())[0, 1] > 0.9
    measures = {f"m{number}": (np.array([1.0]), np.array([2.0])) for number in range(6)}
    assert draw_distances(measures, tmp_path / "distances.png", title="t").is_file()
