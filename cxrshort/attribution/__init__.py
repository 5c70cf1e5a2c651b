"""Attribution: which pixels move a logit, and by how much."""

from cxrshort.registry import Entry

METHODS = {
    "gradient": Entry("cxrshort.attribution.gradient:GRADIENT", "slope of the logit at each pixel"),
    "gradient-x-input": Entry(
        "cxrshort.attribution.gradient_x_input:GRADIENT_X_INPUT", "slope of the logit at each pixel, times the pixel"
    ),
    "grad-cam": Entry("cxrshort.attribution.grad_cam:GRAD_CAM", "Grad-CAM on the last convolutional map, signed"),
    "lrp": Entry("cxrshort.attribution.lrp:LRP", "layer-wise relevance propagation, epsilon rule (ReLU networks)"),
}
"""Attribution methods by name; each is an :class:`~cxrshort.attribution.contract.AttributionMethod`."""
