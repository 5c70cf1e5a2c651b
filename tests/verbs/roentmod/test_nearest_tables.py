import numpy as np
import pandas as pd

from cxrshort.results import Facts, Table
from cxrshort.verbs.roentmod.nearest_tables import closest_pairs, nearest_blocks, summarise_nearest

FACTS = {"side": 64, "real_images": 30, "yardstick_images": 19, "copies": 0}


def table(verdicts: list[str]) -> pd.DataFrame:
    count = len(verdicts)
    columns = {
        "image_id": [f"s/{number}" for number in range(count)],
        "source_image_id": "",
        "nearest_image_id": "r/1",
        "why": "because",
    }
    return pd.DataFrame({**columns, "verdict": verdicts, "correlation": 0.456, "share_as_near.hash": 0.05})


def test_worst_verdict_counts_and_what_chance_would_do() -> None:
    measures = {"hash": (np.array([0.1, 0.3]), np.array([0.2, 0.4]))}
    summary = summarise_nearest(table(["suspicious", "no evidence"]), measures, FACTS, names=("made", "real"))
    assert summary["verdict"] == "suspicious" and summary["expected_by_chance"] == 0.1
    assert summary["counts"] == {"leak": 0, "suspicious": 1, "no evidence": 1}
    (measure,) = summary["measures"]
    assert (measure["smallest"], measure["median"], measure["yardstick_smallest"]) == (0.1, 0.2, 0.2)
    facts, distances, pairs = nearest_blocks(summary)
    assert isinstance(facts, Facts) and isinstance(distances, Table) and isinstance(pairs, Table)
    assert ("suspicious", "1 (about 0.1 by chance, for each measure)") in list(facts.pairs)
    assert [row["shown"] for row in pairs.rows] == ["0.46", "0.46"]


def test_films_stand_once_however_often_they_are_edited() -> None:
    measures = {"hash": (np.array([0.1] * 5), np.array([0.2, 0.4]))}
    edits = table(["leak", "suspicious", "no evidence", "no evidence", "no evidence"])
    edits = edits.assign(source_image_id=["s/9", "", "s/9", "s/9", np.nan], nearest_image_id=["r/1", *["r/2"] * 4])
    summary = summarise_nearest(edits, measures, FACTS, names=("made", "real"))
    assert summary["images"] == 5 and summary["counts"]["leak"] == 1
    shown = [(row["image_id"], row["nearest_image_id"], row["images_alike"]) for row in summary["nearest"]]
    assert shown == [("s/0", "r/1", 1), ("s/1", "r/2", 1), ("s/4", "r/2", 1)]
    edits["nearest_image_id"] = "r/1"
    assert closest_pairs(edits)["images_alike"].tolist() == [3, 1, 1]


def test_without_a_yardstick_nothing_is_expected() -> None:
    measures = {"hash": (np.array([0.1]), np.array([]))}
    facts = {**FACTS, "yardstick_images": 0}
    summary = summarise_nearest(table(["no evidence"]), measures, facts, names=("made", "real"))
    assert summary["expected_by_chance"] is None and summary["measures"][0]["yardstick_smallest"] is None
    assert summary["verdict"] == "no evidence"
    first = nearest_blocks(summary)[0]
    assert isinstance(first, Facts) and ("suspicious", "0") in list(first.pairs)
