"""Where a model comes from: our files, user code, ONNX, timm, TorchXRayVision."""
