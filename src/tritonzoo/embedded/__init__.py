"""The embedded server: a real Triton out of a wheel, started, watched over and stopped by tritonzoo."""

from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.embedded.server import EmbeddedTriton

__all__ = ["EmbeddedTriton", "Ports", "ServeOptions"]
