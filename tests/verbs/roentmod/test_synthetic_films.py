from pathlib import Path

import pandas as pd

from cxrshort.verbs.roentmod.synthetic_films import draw_films


def test_films_without_edits_draw_nothing(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"image_id": ["s/0"], "edit": [""], "source_image_id": [""], "edit_repetition": [0]})
    draw_films(manifest, path=tmp_path / "edits.png", title="t")
    assert not (tmp_path / "edits.png").exists()
