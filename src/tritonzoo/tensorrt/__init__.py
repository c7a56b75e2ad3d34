"""ONNX to TensorRT plans: what TensorRT can read, how a plan is built, and whether it fits a machine."""
