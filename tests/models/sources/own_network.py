"""A network of a user's own, as a Python module in the current folder."""

import pytest

from cxrshort.errors import CxrshortError
from cxrshort.models.sources.foreign import open_foreign

SOURCE = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2), last)

    def forward(self, images):
        return self.layers(images)

def plain():
    return Network(nn.Identity())

def grey():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def sure():
    return Network(nn.Sigmoid())

def broken():
    raise KeyError("no weights here")

def pair():
    class Pair(nn.Module):
        def forward(self, images):
            return images, images
    return Pair()

def text():
    return "a network"

constant = 3
"""
INPUT = "labels=COVID-19,Edema&size=16&range=0..1"


def refused(text: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_foreign(text)
    return caught.value
