"""Photograph and digit datasets with a shortcut put in on purpose, built from the user's own copies.

Each plans its pictures without reading pixels (``plan``) and draws one picture as a pure function (``draw``).
"""

from cxrshort.registry import Entry

_HOME = "cxrshort.datasets.benchmarks"

BENCHMARKS = {
    "coloured-mnist": Entry(f"{_HOME}.coloured_mnist:BENCHMARK", "digits whose colour gives the class away"),
    "waterbirds": Entry(f"{_HOME}.waterbirds:BENCHMARK", "birds pasted over land and water"),
    "coco-on-places": Entry(f"{_HOME}.coco_on_places:BENCHMARK", "nine kinds of objects pasted over scenes"),
    "dogs-with-ties": Entry(f"{_HOME}.dogs_with_ties:BENCHMARK", "two breeds of dogs, each with its own tie"),
}
"""The benchmarks; one is one file and one line here."""
