"""Attribution: which pixels move a logit, and by how much."""

from cxrshort.registry import Entry

METHODS = {
    "expected-gradients": Entry(
        "cxrshort.attribution.expected_gradients:EXPECTED_GRADIENTS",
        "integrated gradients, averaged over references of a background",
    ),
    "integrated-gradients": Entry(
        "cxrshort.attribution.integrated_gradients:INTEGRATED_GRADIENTS",
        "slopes along the path from a black or grey image, times the pixel's change",
    ),
    "gradient": Entry("cxrshort.attribution.gradient:GRADIENT", "slope of the logit at each pixel"),
    "gradient-x-input": Entry(
        "cxrshort.attribution.gradient_x_input:GRADIENT_X_INPUT", "slope of the logit at each pixel, times the pixel"
    ),
    "smoothgrad": Entry("cxrshort.attribution.smoothgrad:SMOOTHGRAD", "slope of the logit, averaged over noise"),
    "grad-cam": Entry("cxrshort.attribution.grad_cam:GRAD_CAM", "Grad-CAM on the last convolutional map, signed"),
    "grad-cam++": Entry(
        "cxrshort.attribution.grad_cam_plus_plus:GRAD_CAM_PLUS_PLUS",
        "Grad-CAM weighted by place; evidence in favour alone",
    ),
    "guided-backprop": Entry(
        "cxrshort.attribution.guided_backprop:GUIDED_BACKPROP", "slope of the logit by paths of positive slope alone"
    ),
    "occlusion": Entry(
        "cxrshort.attribution.occlusion:OCCLUSION", "what the logit loses when a patch is covered; any model"
    ),
    "lrp": Entry("cxrshort.attribution.lrp:LRP", "layer-wise relevance propagation, epsilon rule (ReLU networks)"),
}
"""Attribution methods by name; each is an :class:`~cxrshort.attribution.contract.AttributionMethod`."""
