"""Architectures, the classifier that wraps them, and their files."""

from cxrshort.registry import Entry

ARCHITECTURES = {
    "densenet121": Entry("cxrshort.models.networks.densenet:DENSENET121", "DenseNet-121 (Huang et al. 2017)"),
    "densenet121-frozen": Entry(
        "cxrshort.models.networks.densenet:DENSENET121_FROZEN",
        "logistic regression on the deep features of a fixed DenseNet-121",
    ),
    "alexnet": Entry("cxrshort.models.networks.alexnet:ALEXNET", "AlexNet (Krizhevsky 2014)"),
    "mobilenet_v2": Entry("cxrshort.models.networks.mobilenet:MOBILENET_V2", "MobileNetV2 (Sandler et al. 2018)"),
    "resnet18": Entry("cxrshort.models.networks.resnet:RESNET18", "ResNet-18 (He et al. 2016)"),
    "resnet50": Entry("cxrshort.models.networks.resnet:RESNET50", "ResNet-50 (He et al. 2016)"),
    "resnext50_32x4d": Entry("cxrshort.models.networks.resnet:RESNEXT50_32X4D", "ResNeXt-50 32x4d (Xie et al. 2017)"),
    "vit_b_16": Entry("cxrshort.models.networks.vision_transformer:VIT_B_16", "ViT-B/16 (Dosovitskiy et al. 2021)"),
    "covid-net-small": Entry(
        "cxrshort.models.networks.covid_net:COVID_NET_SMALL", "COVID-Net without long skips (Wang et al. 2020)"
    ),
    "covid-net-large": Entry(
        "cxrshort.models.networks.covid_net:COVID_NET_LARGE", "COVID-Net with long skips (Wang et al. 2020)"
    ),
    "cv19-net": Entry(
        "cxrshort.models.networks.cv19_net:CV19_NET", "one member of the CV19-Net ensemble (Zhang et al. 2021)"
    ),
    "darkcovidnet": Entry("cxrshort.models.networks.darkcovidnet:DARKCOVIDNET", "DarkCovidNet (Ozturk et al. 2020)"),
    "ag-sononet": Entry(
        "cxrshort.models.networks.ag_sononet:AG_SONONET", "attention-gated Sononet (Schlemper et al. 2019)"
    ),
    "multitask-unet": Entry(
        "cxrshort.models.networks.unet:MULTITASK_UNET", "classifier at the bottleneck of a U-Net (Bassi et al. 2024)"
    ),
    "multitask-unet-small": Entry(
        "cxrshort.models.networks.unet:MULTITASK_UNET_SMALL", "the same with a quarter of the channels, for quick work"
    ),
    "unet": Entry("cxrshort.models.networks.unet:UNET", "segmenter (Ronneberger et al. 2015)"),
    "unet-small": Entry(
        "cxrshort.models.networks.unet:UNET_SMALL", "segmenter with a quarter of the channels, for quick work"
    ),
    "small-cnn": Entry("cxrshort.models.networks.small_cnn:SMALL_CNN", "four convolutions, for quick work"),
}
