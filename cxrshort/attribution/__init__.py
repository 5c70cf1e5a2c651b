"""Which pixels move a logit, and by how much."""

from cxrshort.registry import Entry

METHODS = {
    "lrp": Entry(
        "cxrshort.attribution.lrp:relevance", "layer-wise relevance propagation, epsilon rule (ReLU networks)"
    ),
    "grad-cam": Entry("cxrshort.attribution.grad_cam:grad_cam", "Grad-CAM on the last convolutional map"),
}
