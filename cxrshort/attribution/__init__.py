"""Attribution: which pixels move a logit, and by how much."""

from cxrshort.registry import Entry

METHODS = {
    "expected-gradients": Entry(
        "cxrshort.attribution.expected_gradients:EXPECTED_GRADIENTS",
        "integrated gradients, averaged over baselines from a reference distribution",
    ),
    "integrated-gradients": Entry(
        "cxrshort.attribution.integrated_gradients:INTEGRATED_GRADIENTS",
        "gradients averaged along the path from a black or grey baseline, times the change of the pixel",
    ),
    "gradient": Entry("cxrshort.attribution.gradient:GRADIENT", "gradient of the logit"),
    "gradient-x-input": Entry(
        "cxrshort.attribution.gradient_x_input:GRADIENT_X_INPUT", "gradient of the logit, times the pixel value"
    ),
    "smoothgrad": Entry(
        "cxrshort.attribution.smoothgrad:SMOOTHGRAD", "gradient of the logit, averaged over noisy copies of the image"
    ),
    "grad-cam": Entry("cxrshort.attribution.grad_cam:GRAD_CAM", "Grad-CAM on the last convolutional layer, signed"),
    "grad-cam++": Entry(
        "cxrshort.attribution.grad_cam_plus_plus:GRAD_CAM_PLUS_PLUS",
        "Grad-CAM with pixel-wise weights; positive evidence only",
    ),
    "guided-backprop": Entry(
        "cxrshort.attribution.guided_backprop:GUIDED_BACKPROP",
        "gradient of the logit through positive gradients and activations only",
    ),
    "occlusion": Entry(
        "cxrshort.attribution.occlusion:OCCLUSION", "drop of the logit when a patch is covered; works with any model"
    ),
    "lrp": Entry("cxrshort.attribution.lrp:LRP", "layer-wise relevance propagation, epsilon rule (ReLU, ViT)"),
}
"""Attribution methods by name; each is an :class:`~cxrshort.attribution.contract.AttributionMethod`."""
