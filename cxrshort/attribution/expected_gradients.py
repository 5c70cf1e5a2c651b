"""Expected gradients: integrated gradients, averaged over references of a background (Erion et al. 2021).

The map is the mean over draws of (x - r) times d logit / d image at r + a (x - r), with a reference r of the background
and a share a of the path from it. It adds up, in expectation, to the logit less the mean logit of the background:
what makes this image score otherwise than those. DeGrave et al. (2021) take 200 training images without the finding.

Own code: Captum's ``GradientShap`` puts all draws of an image into the network at once, draws from torch's global
generator, and with replacement from the background. DenseNet-121 at 224 px, on one CPU thread: 100 draws take 13.5 GiB
and 528 ms each, 200 do not fit into 21 GB; here 1.9 GiB and 167 ms each, whatever their number, with a batch of 8.

What would invalidate it: a background of another source than the images. The map then shows what tells the sources
apart, which is a shortcut only if the model should not use it.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources, check_options, option
from cxrshort.attribution.draws import draw_paths, groups_of
from cxrshort.attribution.stream import Inputs, mean_logits, summed_slopes
from cxrshort.errors import UsageError


@dataclass(frozen=True)
class ExpectedGradientsSettings:
    """Hold the options of expected gradients.

    Args:
        samples: random pairs of a reference and a point of the path, per image; the error falls with their square root.

    Raises:
        UsageError: an option out of range.
    """

    samples: int = option(200, low=1)

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_options(self, method="expected-gradients")


def _maps(
    model: nn.Module, images: Tensor, outputs: Tensor, *, settings: ExpectedGradientsSettings, resources: Resources
) -> Tensor:
    references, draws = _references(resources), int(settings.samples)
    rows, shares = draw_paths(resources.generators, draws=draws, references=len(references))

    def compose(owners: Tensor, numbers: Tensor) -> Inputs:
        starts = references[rows[owners, numbers].to(references.device)].to(images)
        differences = images[owners.to(images.device)] - starts
        return Inputs(starts + shares[owners, numbers].to(images).view(-1, 1, 1, 1) * differences, differences)

    groups, batch_size = groups_of(draws), resources.batch_size
    return summed_slopes(
        model, images, outputs, compose=compose, draws=draws, groups=groups, batch_size=batch_size
    ).div_(draws)


def _starts(
    model: nn.Module, images: Tensor, outputs: Tensor, *, settings: ExpectedGradientsSettings, resources: Resources
) -> Tensor:
    del settings
    logits = mean_logits(model, _references(resources), like=images, batch_size=resources.batch_size)
    return logits[outputs.to(logits.device)]


def _references(resources: Resources) -> Tensor:
    if resources.references is None:
        raise UsageError("'expected-gradients' needs reference images, and there are none", "name a --background")
    return resources.references


EXPECTED_GRADIENTS = AttributionMethod(
    "expected-gradients",
    _maps,
    Settings=ExpectedGradientsSettings,
    requires=Requirements(gradients=True, references=True, generators=True),
    starts=_starts,
    draws=True,
)
