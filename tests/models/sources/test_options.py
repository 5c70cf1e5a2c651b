import pytest
import torch
from torch import nn

from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.models.sources.options import Options

KNOWN = ("labels", "size", "mean", "std", "range", "channels", "output", "weights", "download", "prompt", "temperature")


def parse(query: str) -> Options:
    return Options.parse(f"py:my.net:build?{query}", allowed=KNOWN)


def test_options_are_split_at_ampersands_and_first_equals_signs():
    options = parse("labels=COVID-19, Lung Opacity&weights=a=b+c.safetensors")
    assert options.name == "py:my.net:build"
    assert options.labels() == ("COVID-19", "Lung Opacity")
    assert str(options.file("weights")) == "a=b+c.safetensors"
    assert Options.parse("x.onnx", allowed=KNOWN) == Options("x.onnx", {})


@pytest.mark.parametrize(
    ("query", "reaches"),
    [
        ("range=0..1", (0, 1)),
        ("range=-1..1", (-1, 1)),
        ("range=0..255", (0, 255)),
        ("range=-1024..1024", (-1024, 1024)),
        ("mean=0.5&std=0.25", (-2, 2)),
        ("range=0..255&mean=127.5&std=127.5", (-1, 1)),
        ("range=0..255&mean=103.5,116.25,123.75&std=1", (-103.5, 151.5)),
    ],
)
def test_network_gets_the_pixels_that_are_described(query, reaches):
    """Black and white, in the first channel, as the network sees them."""
    spec = parse(f"size=2&{query}").spec()
    model = Classifier(nn.Flatten(), labels=(), spec=spec)
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    got = model.normalise(images)[:, 0, 0, 0]
    # 1e-5: fp32 of a mean divided by the range
    torch.testing.assert_close(got, torch.tensor(reaches, dtype=torch.float32), rtol=1e-5, atol=1e-5)


def test_channels_have_statistics_of_their_own():
    spec = parse("size=8&mean=0.1,0.2,0.3&std=0.5").spec()
    assert (spec.channels, spec.mean, spec.std) == (3, (0.1, 0.2, 0.3), (0.5, 0.5, 0.5))
    assert parse("size=8&mean=0.1&channels=1").spec().mean == (0.1,)


def test_what_the_file_says_need_not_be_said_again():
    spec = parse("range=0..1").spec(size=96, channels=1)
    assert (spec.size, spec.channels) == (96, 1)


def test_prompts_are_split_and_the_default_is_that_of_clip():
    assert parse("labels=A").prompts() == ("a photo of a {class}",)
    assert parse("prompt={class} | an x-ray = {class}?").prompts() == ("{class}", "an x-ray = {class}?")
    assert parse("temperature=2.5").positive("temperature", default=1.0) == 2.5
    assert parse("labels=A").positive("temperature", default=1.0) == 1.0


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("labels", "'labels' in 'py:my.net:build?labels' is not option=value",
         "join options by '&', and put the model in quotes"),
        ("size=8&&std=1", "'' in 'py:my.net:build?size=8&&std=1' is not option=value",
         "join options by '&', and put the model in quotes"),
        ("size=", "'size=' in 'py:my.net:build?size=' is not option=value",
         "join options by '&', and put the model in quotes"),
        ("label=A", "'label' is not a known option of 'py:my.net:build'", "did you mean 'labels'?"),
        ("size=8&size=9", "'size' is given twice in 'py:my.net:build?size=8&size=9'", "give it once"),
        ("range=0..1", "'py:my.net:build' does not say how large its input is", "add size=224, in pixels"),
        ("size=0&range=0..1", "'size=0' is not a whole number from 1 to 8192", "such as size=224"),
        ("size=22.4&range=0..1", "'size=22.4' is not a whole number from 1 to 8192", "such as size=224"),
        ("size=٣&range=0..1", "'size=٣' is not a whole number from 1 to 8192", "such as size=224"),
        ("size=8&channels=x&range=0..1", "'channels=x' is not a whole number from 1 to 8192", "such as channels=3"),
        ("size=8&channels=2&range=0..1", "'channels=2' is neither 1 nor 3", "1 for grey, 3 for grey replicated"),
        ("size=8", "'py:my.net:build' does not say how its pixels are scaled",
         "add range=0..1, -1..1, 0..255 or -1024..1024, or mean= and std= as in training"),
        ("size=8&range=1..0", "'range=1..0' is not LOW..HIGH", "such as range=-1024..1024"),
        ("size=8&range=255", "'range=255' is not LOW..HIGH", "such as range=-1024..1024"),
        ("size=8&range=0..inf", "'range=0..inf' is not LOW..HIGH", "such as range=-1024..1024"),
        ("size=8&range=nan..1", "'range=nan..1' is not LOW..HIGH", "such as range=-1024..1024"),
        ("size=8&mean=0.5,0.5", "'mean=0.5,0.5' is not one number or 3", "such as mean=0.5"),
        ("size=8&mean=grey", "'mean=grey' is not one number or 3", "such as mean=0.5"),
        ("size=8&mean=nan", "'mean=nan' is not one number or 3", "such as mean=0.5"),
        ("size=8&std=0", "'std=0' is not above 0", "give the std of training"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(query, message, hint):
    with pytest.raises(UsageError) as caught:
        parse(query).spec()
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("query", "read", "message", "hint"),
    [
        ("size=8", Options.labels, "'py:my.net:build' does not say what its outputs are", "add labels=NAME,NAME"),
        ("labels=A,,B", Options.labels, "'labels=A,,B' has an empty or repeated name",
         "name each output once, in order"),
        ("labels=A,A", Options.labels, "'labels=A,A' has an empty or repeated name", "name each output once, in order"),
        ("output=logit", Options.output, "'logit' is not a known kind of output", "did you mean 'logits'?"),
        ("download=1", lambda options: options.flag("download"), "'download=1' is neither yes nor no", "download=yes"),
        ("prompt=a dog", Options.prompts, "'prompt=a dog' does not say where the class stands",
         "write {class} in each prompt, such as prompt=a photo of a {class}"),
        *((f"temperature={value}", lambda options: options.positive("temperature", default=1.0),
           f"'temperature={value}' is not a number above 0", "such as temperature=1")
          for value in ("0", "-1", "nan", "inf", "warm")),
        ("size=8&range=0..1", lambda options: options.spec(size=9),
         "'size=8' contradicts 'py:my.net:build', which takes 9", "leave size out"),
    ],
)  # fmt: skip
def test_each_reader_refuses_what_it_cannot_read(query, read, message, hint):
    with pytest.raises(UsageError) as caught:
        read(parse(query))
    assert (caught.value.message, caught.value.hint) == (message, hint)
