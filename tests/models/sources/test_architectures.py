import pytest

from cxrshort.errors import UsageError
from cxrshort.models import ARCHITECTURES
from cxrshort.models.networks.small_cnn import SMALL_CNN
from cxrshort.models.sources.architectures import FAMILIES, find_architecture


def test_name_of_ours_is_found_in_the_table():
    assert find_architecture("small-cnn") is SMALL_CNN


def test_prefix_leads_to_another_package():
    assert find_architecture("txrv:nih").name == "txrv:nih"


def test_no_name_of_ours_looks_like_a_prefix():
    assert not any(":" in name for name in ARCHITECTURES)
    assert set(FAMILIES) == {"timm", "txrv"}


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("smal-cnn", "'smal-cnn' is not a known architecture", "did you mean 'small-cnn'?"),
        ("tim:resnet18", "'tim' is not a known family of architectures", "did you mean 'timm'?"),
        ("txrv:chexx", "'chexx' is not a known set of torchxrayvision weights", "did you mean 'chex'?"),
    ],
)
def test_unknown_name_is_refused(name, message, hint):
    with pytest.raises(UsageError) as caught:
        find_architecture(name)
    assert (caught.value.message, caught.value.hint) == (message, hint)
