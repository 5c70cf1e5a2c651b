"""One training loop, its batches, objectives and recipes."""

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
AUGMENTATIONS = {
    "none": Entry("cxrshort.training.data.augmentation:unchanged", "images as they are"),
    "degrave": Entry("cxrshort.training.data.augmentation:degrave", "mirror with p = 0.5, rotate within 30 degrees"),
    "cv19": Entry(
        "cxrshort.training.data.augmentation:cv19", "crop to 80-100 % of the area, mirror, rotate within 30 degrees"
    ),
    "tea": Entry("cxrshort.training.data.augmentation:tea", "mirror, rotate within 40 degrees, shift by up to 1/8"),
    "fastai": Entry("cxrshort.training.data.augmentation:fastai", "mirror, rotate within 10 degrees, zoom, lighting"),
}
