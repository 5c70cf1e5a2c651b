"""Sources of models: model files, user code, ONNX, timm, TorchXRayVision, CLIP."""
