"""One training loop, its batches, objectives and recipes; and cures, which change a trained model's last layer."""

from cxrshort.registry import Entry

OBJECTIVES = {
    "erm": Entry("cxrshort.training.objectives.erm:ERM", "empirical risk minimisation: the mean loss of all images"),
    "group-dro": Entry("cxrshort.training.objectives.group_dro:GroupDRO", "group DRO: the loss of the worst group"),
    "irm": Entry("cxrshort.training.objectives.irm:IRM", "invariant risk minimisation (IRMv1) across groups"),
    "pgi": Entry(
        "cxrshort.training.objectives.pgi:PGI", "predictive group invariance: equal predictions within a class"
    ),
    "rrr": Entry(
        "cxrshort.training.objectives.rrr:RRR", "right for the right reasons: no input gradient outside masks"
    ),
    "gain": Entry("cxrshort.training.objectives.gain:GAIN", "guided attention: Grad-CAM inside masks"),
    "isnet": Entry("cxrshort.training.objectives.isnet:ISNet", "implicit segmentation: no LRP relevance outside masks"),
    "multitask": Entry(
        "cxrshort.training.objectives.multitask:Multitask", "labels and masks at once, by an architecture that draws"
    ),
}
DISTILLATIONS = {
    "tea": Entry("cxrshort.training.objectives.tea:TEA", "the teacher's explanations alone (TEA; LRP maps)"),
    "outputs": Entry("cxrshort.training.objectives.outputs:Outputs", "the teacher's probabilities, at a temperature"),
    "representations": Entry(
        "cxrshort.training.objectives.representations:Representations", "the teacher's last map, below its last layer"
    ),
    "grad-cam-outputs": Entry(
        "cxrshort.training.objectives.grad_cam_outputs:GradCAMOutputs", "the teacher's Grad-CAM and outputs (e2KD)"
    ),
    "gals": Entry(
        "cxrshort.training.objectives.gals:GALS", "labels, without slopes outside the teacher's attention (GALS)"
    ),
}
"""Objectives that learn from a teacher: what ``tea-distill --method`` takes."""
CURES = {
    "dfr": Entry(
        "cxrshort.training.cures.dfr:DFR",
        "deep feature reweighting: the last layer of --weights MODEL, fitted anew on group-balanced val patients",
    ),
    "p-clarc": Entry(
        "cxrshort.training.cures.p_clarc:PClArC",
        "a shortcut's direction, from --group or masks, projected out of the features of --weights MODEL",
    ),
}
METHODS = {**OBJECTIVES, **CURES}
"""What ``train --method`` takes: objectives of the training loop, and cures."""
AUGMENTATIONS = {
    "none": Entry("cxrshort.training.data.augmentation:unchanged", "images as they are"),
    "degrave": Entry("cxrshort.training.data.augmentation:degrave", "mirror with p = 0.5, rotate within 30 degrees"),
    "cv19": Entry(
        "cxrshort.training.data.augmentation:cv19", "crop to 80-100 % of the area, mirror, rotate within 30 degrees"
    ),
    "tea": Entry("cxrshort.training.data.augmentation:tea", "mirror, rotate within 40 degrees, shift by up to 1/8"),
    "fastai": Entry("cxrshort.training.data.augmentation:fastai", "mirror, rotate within 10 degrees, zoom, lighting"),
    "random-colour": Entry(
        "cxrshort.training.data.augmentation:random_colour", "each colour channel times a random factor from 0 to 1"
    ),
}
