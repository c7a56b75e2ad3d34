"""Turn the file of a recording into samples, 16 kHz mono."""

from __future__ import annotations

from tritonzoo.runtime.audio import waveform
from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.model import Answer
from tritonzoo.runtime.request import Request


class TritonPythonModel(ConcurrentModel):
    """Decoding and resampling are `tritonzoo.runtime.audio`; a long file does not hold up a short one."""

    threads = 8  # each may hold max_duration_s of samples

    def setup(self) -> None:
        """Read how long a recording may be."""
        self._longest_s = self.parameter("max_duration_s", 900.0)

    def infer_request(self, request: Request) -> Answer:
        """audio: a file (1,), raw or base64; waveform: (samples,)."""
        return {"waveform": waveform(request["audio"][0], longest_s=self._longest_s)}
