"""Source weights become proved artifacts: PyTorch to ONNX, measured against the source model."""
