"""What people see of a training and of its forecast."""

from typing import Any

from cxrshort.generative.cyclegan.overview import cyclegan_forecast, cyclegan_result
from cxrshort.results import Result, Table, Text

SUMMARY: dict[str, Any] = {
    "model": "runs/a/model.safetensors",
    "sides": {"from": "A == 0", "to": "A == 1"},
    "images": {"from": 12, "to": 12},
    "available": {"from": 30, "to": 12},
    "steps": 2400,
    "last": {
        "number": 2400,
        "cycle": 0.08,
        **{
            f"{name}_{side}": value
            for name, value in (("change", 9.04), ("spread", 0.875), ("discriminator", 0.2), ("generator", 0.31))
            for side in ("to", "from")
        },
    },
    "diagnosis": ["the generator toward 'A == 1' has collapsed"],
}


def test_result_says_how_much_changes_and_what_is_wrong() -> None:
    result = cyclegan_result(SUMMARY)
    table, text = result.tables
    assert isinstance(table, Table) and isinstance(text, Text)
    assert list(table.rows[0].values()) == ["toward A == 1", "9.0", "88%", "0.200", "0.310"]
    assert text.text == (
        "trained on 12 images of --from and 12 of --to in 2,400 steps; there and back, "
        "images differ by 5.1 of 255 on average"
    )
    assert list(result.notes) == [
        "12 of the 30 training images of --from are used, drawn at random; --per-class takes more",
        "the generator toward 'A == 1' has collapsed",
    ]
    assert str(result.file) == SUMMARY["model"] and result.kind == "cyclegan-training"


def test_other_processes_say_nothing() -> None:
    assert cyclegan_result({}) == Result()


def test_forecast_says_sides_and_time() -> None:
    plan = {
        **{name: SUMMARY[name] for name in ("sides", "images", "available", "steps")},
        "reads": ["tiny"],
        "outputs": [{"folder": "runs/a", "fate": "new", "reason": "", "hint": ""}],
        "parameters": 28_256_644,
        "epochs": 200,
        "batch_size": 1,
        "seconds_per_step": 0.5,
        "images_per_second": 4.0,
        "hours": 0.33,
        "disk_mib": 86.7,
        "disk_free_mib": 5000,
    }
    result = cyclegan_forecast(plan)
    printed = dict(result.tables[0].pairs)  # type: ignore[union-attr]
    assert printed["to"] == "A == 1: 12 images"
    assert printed["networks"] == "28,256,644 parameters"
    assert printed["step"] == "1 images of each side in 0.5 s"
    assert printed["time"] == "20 minutes, at 4.0 images/s"
    assert result.plan
