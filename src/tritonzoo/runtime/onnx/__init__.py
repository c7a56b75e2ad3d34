"""ONNX Runtime as our backends use it."""
