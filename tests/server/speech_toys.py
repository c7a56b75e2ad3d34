"""A tree in which the transcription pipelines are real and the models that they call are plain arithmetic.

The members are those of `tests/unit/speech_members.py`, served by Triton, with the decoder as slow as a test
wants: an audio value above 0.99 makes it take two seconds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]

SILERO = """# Probability of speech.
backend: "python"
max_batch_size: 0
input [
  { name: "waveform" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "context" data_type: TYPE_FP32 dims: [ 64 ] },
  { name: "state" data_type: TYPE_FP32 dims: [ 2, 1, 128 ] }
]
output [
  { name: "speech_probability" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "next_context" data_type: TYPE_FP32 dims: [ 64 ] },
  { name: "next_state" data_type: TYPE_FP32 dims: [ 2, 1, 128 ] }
]
instance_group [{ kind: KIND_CPU }]
"""
ENCODER = """# Waveform in rows of 20 ms.
backend: "python"
max_batch_size: 16
input [{ name: "waveform" data_type: TYPE_FP32 dims: [ 480000 ] }]
output [{ name: "encoded" data_type: TYPE_FP32 dims: [ -1, -1 ] }]
dynamic_batching {}
instance_group [{ kind: KIND_CPU }]
"""
MODEL = """
import sys
sys.path.insert(0, {root!r})
from tests.unit.speech_members import Members
from tritonzoo.runtime.model import PythonModel


class TritonPythonModel(PythonModel):
    def setup(self):
        self.members = Members()

    def infer_request(self, request):
        return self.members.{name}(request, request.parameters)
"""
DECODER = """
import sys, threading
sys.path.insert(0, {root!r})
from tests.unit.speech_members import Members
from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    def setup(self):
        self.jobs = {{}}

    def infer_request(self, request):
        if "cancel_job" in request.parameters:
            self.jobs.setdefault(request.parameters["cancel_job"], threading.Event()).set()
            self.log.warning("cancelled a job")
        elif request["encoded"].max() > 0.99:
            job = self.jobs.setdefault(request.parameters["job"], threading.Event())
            self.log.warning("a slow window came")
            self.log.warning("a window gave way" if job.wait(2) else "a window held out")
        return Members().whisper_decoder(request, request.parameters)
"""


def write_speech_tree(root: Path) -> Path:
    """The pipelines of this repository over toy members."""
    decoder = (ROOT / "model_repository" / "whisper_decoder" / "config.pbtxt").read_text()
    _write(root, "silero_vad", SILERO, MODEL)
    _write(root, "whisper_encoder", ENCODER, MODEL)
    _write(root, "whisper_decoder", decoder.replace('backend: "whisper"', 'backend: "python"'), DECODER)
    for name in ("ensemble_transcription", "transcription_stream"):
        shutil.copytree(ROOT / "ensembles" / name, root / "ensembles" / name)
    return root


def _write(root: Path, name: str, config: str, code: str) -> None:
    folder = root / "model_repository" / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    (folder / "1" / "model.py").write_text(code.format(root=str(ROOT), name=name))
