"""Underdiagnosis over all labels: counted by hand, with a label of no finding and without."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.verbs.stats.group_decisions import DecisionOptions, read_decisions
from cxrshort.verbs.stats.groupings import GroupColumn
from cxrshort.verbs.stats.source import open_source
from cxrshort.verbs.stats.underdiagnosis import underdiagnosis

from .groups import grouped_predictions
from .scored import written


def rates(folder: Path, table: object, **options: object) -> list[dict]:
    decisions = read_decisions(open_source(written(table, folder)), DecisionOptions(**options), columns=["sex", "view"])
    columns = [GroupColumn("sex"), GroupColumn("view")]
    return underdiagnosis(decisions.parts, columns, pairs=True, minimum=10, level=0.95, table="t")


def test_rate_is_the_share_of_ill_images_in_which_no_label_is_called(tmp_path: Path) -> None:
    table = grouped_predictions(1600)
    rows = {row["group"]: row for row in rates(tmp_path, table)}
    assert list(rows) == ["sex F", "sex M", "view AP", "view PA", "sex F, view AP", "sex F, view PA", "sex M, view AP",
                          "sex M, view PA"]  # fmt: skip
    ill = (table["target.Edema"] == 1) | (table["target.Mass"] == 1)
    healthy = (table["logit.Edema"] < 0) & (table["logit.Mass"] < 0)
    women = table["sex"] == "F"
    assert rows["sex F"]["value"] == healthy[ill & women].mean()
    assert rows["sex F"]["rest"] == healthy[ill & (table["sex"] == "M")].mean()
    assert rows["sex F"]["images"] == (ill & women).sum()
    assert rows["sex F"]["persons"] == table.loc[ill & women, "person_id"].nunique()
    assert (rows["sex F"]["finding"], rows["sex M"]["finding"]) == ("higher", "lower")
    assert rows["sex F"]["p_holm"] >= rows["sex F"]["p"]


def test_label_of_no_finding_decides_where_there_is_one(tmp_path: Path) -> None:
    table = grouped_predictions(labels=("Edema", "No Finding"))
    table["target.No Finding"] = 1 - table["target.Edema"]
    row = next(row for row in rates(tmp_path, table) if row["group"] == "sex F")
    ill = (table["target.Edema"] == 1) & (table["sex"] == "F")
    assert row["value"] == (table["logit.No Finding"] >= 0)[ill].mean()


def test_label_without_a_target_counts_neither_as_finding_nor_as_call(tmp_path: Path) -> None:
    table = grouped_predictions()
    table.loc[::3, "target.Mass"] = np.nan
    row = next(row for row in rates(tmp_path, table) if row["group"] == "view AP")
    known = table["target.Mass"].notna()
    ill = (table["target.Edema"] == 1) | (known & (table["target.Mass"] == 1))
    healthy = (table["logit.Edema"] < 0) & ~(known & (table["logit.Mass"] >= 0))
    assert row["value"] == healthy[ill & (table["view"] == "AP")].mean()


def test_one_label_alone_has_no_such_rate(tmp_path: Path) -> None:
    assert rates(tmp_path, grouped_predictions(), label="Edema") == []


def test_few_persons_have_a_reason(tmp_path: Path) -> None:
    table = grouped_predictions()
    table.loc[table["person_id"].isin([f"b:{number}" for number in range(4)]), "view"] = "LATERAL"
    row = next(row for row in rates(tmp_path, table) if row["group"] == "view LATERAL")
    assert (row["value"], row["p_holm"], row["finding"]) == (None, None, "not judged")
    assert row["reason"].endswith("persons with a finding in the group, of 10 needed")


@pytest.mark.parametrize("replicates", [2])
def test_models_are_never_pooled(tmp_path: Path, replicates: int) -> None:
    import pandas as pd

    tables = [grouped_predictions(seed=seed).assign(replicate=seed, model_id=f"m{seed}") for seed in range(replicates)]
    rows = rates(tmp_path, pd.concat(tables))
    assert [row["replicate"] for row in rows if row["group"] == "sex F"] == [0, 1]
