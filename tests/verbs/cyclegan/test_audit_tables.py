"""What people see of an audit: rows, words and which tables are printed when."""

from typing import Any

from cxrshort.results import Table, Text
from cxrshort.stats.verdicts import RULES
from cxrshort.verbs.cyclegan.audit_tables import SHOWN_REGIONS, audit_blocks, audit_notes

RULE = RULES["cyclegan-audit"]


def limits(name: str, value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def flips(classifier: str = "runs/a", **other: object) -> dict[str, Any]:
    return {
        **{"classifier": classifier, "label": "COVID-19", "direction": "to", "goal": "COVID-19 == 1"},
        **{"predicted": "increase", "decision": "p 0.5", "threshold": 0.5, "images": 40},
        **{"positive_before": 0.1, "positive_after": 0.9},
        **limits("flips", 0.85, 0.7, 0.94),
        **limits("reached", 0.9, 0.8, 0.97),
        **limits("median_change", 2.5, 2.0, 3.0),
        **limits("sham_change", 0.25, 0.1, 0.5),
        **limits("beyond_sham", 2.25, 1.7, 2.8),
        **other,
    }


def region(rank: int, name: str, direction: str = "both") -> dict[str, Any]:
    return {
        **{"direction": direction, "rank": rank, "region": name, "area": 0.016, "difference_share": 0.48},
        **limits("ratio", 30.0, 28.0, 32.0),
        **{"p_shift": 0.00024},
        **limits("sham_ratio", None),
    }


def summary(**other: object) -> dict[str, Any]:
    finding = {"classifier": "runs/a", "label": "COVID-19", "region": "marker", "verdict": "shortcut", "effect": 1.5}
    carried = {"classifier": "runs/a", "direction": "both", "region": "marker", **limits("share", 0.8, 0.7, 0.9)}
    names = ["marker", *(f"region {number}" for number in range(9))]
    return {
        "classifiers": [{"classifier": "runs/a", "label": "COVID-19"}],
        "findings": [{**finding, "low": 1.25, "high": 1.75, "p": 1.9e-6, "why": "why"}],
        "population": [flips()],
        "regions": [region(rank, name) for rank, name in enumerate(names, 1)] + [region(1, "heart", "to")],
        "carried": [{**carried, "carried_reason": ""}],
        "cycle": [
            {
                **{"goal": "COVID-19 == 1", "images": 40},
                **limits("mean_difference", 0.02, 0.01, 0.03),
                **limits("cycle_error", 0.005, 0.004, 0.006),
            }
        ],
        "distances": [],
        **other,
    }


def tables(document: dict[str, Any], *, loudness: str = "usual") -> list[Table]:
    blocks = audit_blocks(document, rule=RULE)
    return [block for block in blocks if isinstance(block, Table) and loudness in block.shown]


def test_verdicts_come_first_and_alone_with_quiet() -> None:
    shown = tables(summary())
    assert shown[0].title == (
        "COVID-19: effects are median changes by the region alone, as predicted, in SD of the logits; "
        "the margin is 0.25"
    )
    row = shown[0].rows[0]
    assert (row["shown_effect"], row["shown_p"]) == ("1.500 [1.250, 1.750]", "1.9e-06")
    assert [table.title for table in tables(summary(), loudness="quiet")] == [shown[0].title]


def test_flips_are_shares_with_limits() -> None:
    row = tables(summary())[1].rows[0]
    assert (row["shown_positive"], row["shown_flips"], row["shown_reached"]) == (
        "10 % → 90 %",
        "85 % [70, 94]",
        "90 % [80, 97]",
    )
    assert row["shown_sham"] == "0.250 [0.100, 0.500]"
    youden = summary(population=[flips(decision="Youden", threshold=0.31, reached=None)])
    row = tables(youden)[1].rows[0]
    assert (row["shown_decision"], row["shown_reached"]) == ("Youden (0.31)", "")


def test_first_regions_are_printed_and_all_with_verbose() -> None:
    usual, verbose = tables(summary())[2], tables(summary(), loudness="verbose")[2]
    assert len(usual.rows) == SHOWN_REGIONS == 8 and len(verbose.rows) == 10
    assert usual.title.endswith("(the first 8 of 10 regions)")
    row = usual.rows[0]
    assert (row["shown_area"], row["shown_share"], row["shown_ratio"]) == ("2 %", "48 %", "30.000 [28.000, 32.000]")
    assert (row["carried 1"], usual.rows[1]["carried 1"], row["shown_sham"]) == ("0.800 [0.700, 0.900]", "", "")


def test_share_that_is_missing_says_why() -> None:
    reason = {"classifier": "runs/a", "direction": "both", "region": "marker", **limits("share", None)}
    document = summary(carried=[{**reason, "carried_reason": "no image has the region"}])
    assert tables(document)[2].rows[0]["carried 1"] == "no image has the region"


def test_classifiers_are_told_apart_where_there_are_two() -> None:
    names = ("runs/a", "runs/b")
    findings = [{**row, "classifier": name} for name in names for row in summary()["findings"]]
    classifiers = [{"classifier": name, "label": "COVID-19"} for name in names]
    document = summary(classifiers=classifiers, findings=findings)
    shown = tables(document)
    assert [table.title.partition(":")[0] for table in shown[:2]] == ["COVID-19 by runs/a", "COVID-19 by runs/b"]
    assert [len(table.rows) for table in shown[:2]] == [1, 1]
    assert "carried by 1: runs/a, 2: runs/b" in shown[3].title
    assert [column.heading for column in shown[2].columns][0] == "classifier"
    assert [column.heading for column in tables(summary())[1].columns][0] == "to"


def test_regions_that_are_not_testable_share_a_line_by_reason() -> None:
    row = {**summary()["findings"][0], "verdict": "not testable", "effect": None, "low": None, "high": None, "p": None}
    untested = [{**row, "region": name, "why": "the finding may lie there"} for name in ("lungs", "heart")]
    few = {**row, "region": "marker", "why": "too few persons"}
    blocks = audit_blocks(summary(findings=[*summary()["findings"], *untested, few]), rule=RULE)
    assert isinstance(blocks[0], Table) and len(blocks[0].rows) == 1
    assert isinstance(blocks[1], Text) and blocks[1].text == (
        "not testable: lungs, heart (the finding may lie there)\nnot testable: marker (too few persons)\n"
    )
    (first, second, *_) = audit_blocks(summary(findings=untested), rule=RULE)
    assert isinstance(first, Text) and first.text == "COVID-19: no region could be tested"
    assert isinstance(second, Text) and second.text.startswith("not testable: lungs, heart")


def test_distances_are_printed_where_there_are_any() -> None:
    rows = [
        {"network": "net", "goal": "x == 1", "set": "transformed", **limits("kid", 0.2, 0.1, 0.3), "reason": ""},
        {"network": "net", "goal": "x == 1", "set": "original", **limits("kid", None), "reason": "too few"},
    ]
    assert len(tables(summary())) == 4
    shown = tables(summary(distances=rows))[4].rows
    assert [row["shown_distance"] for row in shown] == ["0.2 [0.1, 0.3]", "none: too few"]
    small = [{**rows[0], **limits("kid", 1.3e-4, -2.2e-5, 3.1e-4)}]
    assert tables(summary(distances=small))[4].rows[0]["shown_distance"] == "0.00013 [-2.2e-05, 0.00031]"
    assert audit_notes(summary(distances=rows)) == ["no kernel distance to 'x == 1': too few"]


def test_classifier_that_follows_few_images_is_noted_once() -> None:
    few = {"reached": 0.1, "reached_low": 0.0, "reached_high": 0.2}
    rows = [flips(**few), flips(goal="COVID-19 == 0", **few), flips(decision="Youden", **few), flips("runs/b")]
    assert audit_notes(summary(population=rows)) == [
        "'runs/a' follows few of the images (10 % to 'COVID-19 == 1', 10 % to 'COVID-19 == 0'): much of what it relies "
        "on was not changed"
    ]


def test_change_that_does_not_exceed_the_sham_is_noted_as_traces_of_the_generator() -> None:
    alike = {**limits("sham_change", 2.0, 1.5, 2.5), **limits("beyond_sham", 0.5, -0.1, 1.1)}
    down = {"predicted": "decrease", "goal": "COVID-19 == 0", **limits("median_change", -2.5, -3.0, -2.0)}
    against = {**down, "predicted": "increase"}
    beyond = {**down, **limits("beyond_sham", -0.5, -1.1, -0.1)}
    rows = [flips(), flips(**alike), flips("runs/b", **{**alike, **down}), flips("runs/c", **against), flips(**beyond)]
    assert audit_notes(summary(population=rows)) == [
        f"'{name}' changes no more than where images need no change ({numbers}, sham 2.00): the traces that the "
        "generator leaves in any image move it as much, and its flips do not show that it relies on what tells the "
        "sides apart"
        for name, numbers in (("runs/a", "2.50 SD to 'COVID-19 == 1'"), ("runs/b", "-2.50 SD to 'COVID-19 == 0'"))
    ]
