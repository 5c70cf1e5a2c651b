"""Options of a model trained elsewhere, behind the ``?`` of its name."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrshort.errors import UsageError
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outputs import OUTPUTS
from cxrshort.registry import check_name

CLASS = "{class}"
"""What stands for the name of a class in a prompt."""
DEFAULT_PROMPT = f"a photo of a {CLASS}"
_EXAMPLES = {"size": 224, "channels": 3}


@dataclass(frozen=True)
class Options:
    """Hold the options of one model, checked by the methods that read them.

    Args:
        name: the model without its options, for messages.
        values: text of each option.
    """

    name: str
    values: dict[str, str]

    @classmethod
    def parse(cls, text: str, *, allowed: Collection[str]) -> "Options":
        """Split ``NAME?option=value&option=value``.

        Raises:
            UsageError: not of that form, an unknown option, or one given twice.
        """
        name, _, query = text.partition("?")
        values: dict[str, str] = {}
        for part in query.split("&") if query else []:
            option, equals, value = part.partition("=")
            if not (option and equals and value):
                raise UsageError(
                    f"'{part}' in '{text}' is not option=value", "join options by '&', and put the model in quotes"
                )
            check_name(allowed, option, kind=f"option of '{name}'")
            if option in values:
                raise UsageError(f"'{option}' is given twice in '{text}'", "give it once")
            values[option] = value
        return cls(name, values)

    def text(self) -> str:
        """Return ``NAME?option=value&...``, as :meth:`parse` reads it.

        Example:
            >>> Options("a.onnx", {"labels": "A", "range": "0..1"}).text()
            'a.onnx?labels=A&range=0..1'
        """
        return "?".join(filter(None, [self.name, "&".join(f"{key}={value}" for key, value in self.values.items())]))

    def labels(self) -> tuple[str, ...]:
        """Return the names of the outputs.

        Raises:
            UsageError: none are given, or one is empty or given twice.
        """
        text = self.values.get("labels")
        if text is None:
            raise UsageError(f"'{self.name}' does not say what its outputs are", "add labels=NAME,NAME")
        labels = tuple(name.strip() for name in text.split(","))
        if not all(labels) or len(set(labels)) != len(labels):
            raise UsageError(f"'labels={text}' has an empty or repeated name", "name each output once, in order")
        return labels

    def output(self) -> str:
        """Return what the network returns: logits, probabilities, or logits of a softmax."""
        value = self.values.get("output", "logits")
        check_name(OUTPUTS, value, kind="kind of output")
        return value

    def file(self, option: str) -> Path | None:
        """Return a path, if it was given."""
        value = self.values.get(option)
        return None if value is None else Path(value).expanduser()

    def prompts(self) -> tuple[str, ...]:
        """Return the texts that stand for a class, in each of which ``{class}`` is replaced by its label.

        Raises:
            UsageError: one is empty, or names no class.
        """
        text = self.values.get("prompt", DEFAULT_PROMPT)
        prompts = tuple(part.strip() for part in text.split("|"))
        if not all(CLASS in prompt for prompt in prompts):
            raise UsageError(
                f"'prompt={text}' does not say where the class stands",
                f"write {CLASS} in each prompt, such as prompt={DEFAULT_PROMPT}",
            )
        return prompts

    def positive(self, option: str, *, default: float) -> float:
        """Return a number above 0; the default where it is not given."""
        text = self.values.get(option, str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise UsageError(f"'{option}={text}' is not a number above 0", f"such as {option}={default:g}")
        return value

    def flag(self, option: str) -> bool:
        """Return whether an option says yes; it says no where it is not given."""
        value = self.values.get(option, "no")
        if value not in {"yes", "no"}:
            raise UsageError(f"'{option}={value}' is neither yes nor no", f"{option}=yes")
        return value == "yes"

    def spec(self, *, size: int | None = None, channels: int | None = None) -> InputSpec:
        """Return the input of the network.

        Args:
            size: what the file itself says, in pixels; None where it says nothing.
            channels: what the file itself says.

        Raises:
            UsageError: the size or the scale of the pixels is not given, makes no sense, or contradicts the file.
        """
        side = self.size(stated=size)
        if side is None:
            raise UsageError(f"'{self.name}' does not say how large its input is", "add size=224, in pixels")
        count = self._whole("channels", stated=channels) or 3
        if count not in (1, 3):
            raise UsageError(f"'channels={count}' is neither 1 nor 3", "1 for grey, 3 for grey replicated")
        mean, std = self._statistics(count)
        return InputSpec(side, channels=count, mean=mean, std=std)

    def size(self, *, stated: int | None = None) -> int | None:
        """Return the side of the input in pixels; what the file states where the name does not say it."""
        return self._whole("size", stated=stated)

    def _whole(self, option: str, *, stated: int | None) -> int | None:
        text = self.values.get(option)
        if text is None:
            return stated
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= 8192):
            raise UsageError(
                f"'{option}={text}' is not a whole number from 1 to 8192", f"such as {option}={_EXAMPLES[option]}"
            )
        if stated is not None and int(text) != stated:
            raise UsageError(
                f"'{option}={text}' contradicts '{self.name}', which takes {stated}", f"leave {option} out"
            )
        return int(text)

    def _statistics(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and std in units of [0, 1] from those in units of the range that the network takes."""
        if not self.values.keys() & {"range", "mean", "std"}:
            raise UsageError(
                f"'{self.name}' does not say how its pixels are scaled",
                "add range=0..1, -1..1, 0..255 or -1024..1024, or mean= and std= as in training",
            )
        low, high = self._range()
        means, stds = self._per_channel("mean", 0.0, channels), self._per_channel("std", 1.0, channels)
        if min(stds) <= 0:
            raise UsageError(f"'std={self.values['std']}' is not above 0", "give the std of training")
        width = high - low
        return tuple((mean - low) / width for mean in means), tuple(std / width for std in stds)

    def _range(self) -> tuple[float, float]:
        text = self.values.get("range", "0..1")
        low, _, high = text.partition("..")
        try:
            bounds = float(low), float(high)
        except ValueError:
            bounds = (0.0, 0.0)
        if not bounds[0] < bounds[1] < float("inf") or bounds[0] == float("-inf"):
            raise UsageError(f"'range={text}' is not LOW..HIGH", "such as range=-1024..1024")
        return bounds

    def _per_channel(self, option: str, default: float, channels: int) -> Sequence[float]:
        text = self.values.get(option, str(default))
        try:
            numbers = [float(number) for number in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, channels) or not all(abs(number) < float("inf") for number in numbers):
            raise UsageError(f"'{option}={text}' is not one number or {channels}", f"such as {option}=0.5")
        return numbers * (channels // len(numbers))
