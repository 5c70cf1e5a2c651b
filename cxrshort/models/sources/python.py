"""Networks from a Python factory of the user: ``py:package.module:factory?weights=FILE&...``."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.architecture import read_tensors
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.sources.foreign import (
    INPUT,
    TRAINED_ON,
    ForeignNetwork,
    Opened,
    check_output,
    describe_shape,
    record_weights,
    try_network,
    wrap_network,
)
from cxrshort.models.sources.options import Options
from cxrshort.registry import check_name


def open_python(text: str) -> Opened:
    """Return the classifier of a factory, see :mod:`cxrshort.models.sources.foreign`."""
    options = Options.parse(text, allowed=("weights", *INPUT, TRAINED_ON))
    find_factory(options.name)
    spec, labels = options.spec(), options.labels()
    network, weights = make_network(options.name), options.file("weights")
    if weights is not None:
        load_weights(network, weights, name=options.name)
    return wrap_network(network, options, labels=labels, spec=spec, file=weights)


def open_python_segmenter(text: str) -> Opened:
    """Return the segmenter of a factory, see :func:`cxrshort.models.sources.foreign.open_foreign_segmenter`."""
    options = Options.parse(text, allowed=("weights", *(option for option in INPUT if option != "labels")))
    find_factory(options.name)
    spec, network, weights = options.spec(), make_network(options.name), options.file("weights")
    if weights is not None:
        load_weights(network, weights, name=options.name)
    outputs, output = try_network(network.eval(), spec, name=options.name), options.output()
    is_single_map = isinstance(outputs, Tensor) and outputs.dim() == 4 and tuple(outputs.shape[:2]) == (2, 1)
    if not is_single_map or not outputs.is_floating_point():
        raise DataError(
            f"'{options.name}' returns {describe_shape(outputs)} for 2 images, not (2, 1, height, width)",
            "a segmenter returns one map of log-odds",
        )
    check_output(output, outputs, count=1, name=options.name)
    description = Description("segmenter", options.name, ("mask",), spec, recipe=record_weights(weights))
    return Classifier(ForeignNetwork(network, output=output), labels=("mask",), spec=spec).eval(), description


def make_network(name: str) -> nn.Module:
    """Import and call the factory that ``py:package.module:factory`` names."""
    factory = find_factory(name)
    try:
        network = factory()
    except Exception as error:  # the factory is the user's and may raise anything
        raise DataError(
            f"'{name}' failed: {type(error).__name__}: {error}", "the factory is called without arguments"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"'{name}' made a {type(network).__name__}, not a torch.nn.Module", "return the network")
    return network


def find_factory(name: str) -> Callable[[], Any]:
    """Import the factory that ``py:package.module:factory`` names.

    Raises:
        UsageError: the name is of another form, or the module has no such factory.
        MissingInputError: the module cannot be imported.
    """
    module_name, _, factory_name = name.removeprefix("py:").partition(":")
    if not (module_name and factory_name):
        raise UsageError(f"'{name}' names no factory", "py:package.module:factory")
    working_folder = str(Path.cwd())
    if working_folder not in sys.path:
        sys.path.append(working_folder)  # last, so that a file of the user shadows no installed package
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code, which may raise anything
        raise MissingInputError(
            f"'{module_name}' cannot be imported: {type(error).__name__}: {error}",
            "run cxrshort in the folder that holds it, or install it",
        ) from error
    functions = [name for name in vars(module) if callable(getattr(module, name)) and not name.startswith("_")]
    check_name(functions, factory_name, kind=f"factory in '{module_name}'")
    factory: Callable[[], Any] = getattr(module, factory_name)
    return factory


def load_weights(network: nn.Module, path: Path, *, name: str) -> None:
    """Load the state of a network from a file; every tensor of both must find its place.

    Raises:
        MissingInputError: there is no such file.
        DataError: the file is of another network.
    """
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "weights= takes a file")
    state, own = read_tensors(path), network.state_dict()
    wrong = [
        key for key in {**own, **state} if key not in own or key not in state or own[key].shape != state[key].shape
    ]
    if wrong:
        raise DataError(
            f"'{path}' does not fit '{name}': {len(wrong)} tensors differ, such as '{wrong[0]}'",
            "give the weights of this network",
        )
    network.load_state_dict(dict(state))
