"""`tritonzoo infer`: inputs from a shell to any pipeline, answers as a table or as JSON lines."""

from tritonzoo.infer.run import infer

__all__ = ["infer"]
