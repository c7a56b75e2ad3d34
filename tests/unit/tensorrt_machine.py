"""A machine with TensorRT's programs, for tests: scripts on PATH that behave as the real ones do outwardly.

`fake_program` writes an executable that is really started. It proves what tritonzoo passes, reads and leaves
behind, not what TensorRT makes of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Printed by trtexec of TensorRT 10.5 around a build, shortened to the lines that are read.
TRTEXEC_LOG = """&&&& RUNNING TensorRT.trtexec [TensorRT v100500] [b18] # trtexec --onnx=model.onnx
[11/01/2026-10:32:46] [I] === Device Information ===
[11/01/2026-10:32:46] [I] Selected Device: NVIDIA A10
[11/01/2026-10:32:46] [I] Compute Capability: 8.6
[11/01/2026-10:32:46] [I] TensorRT version: 10.5.0
[11/01/2026-10:32:47] [I] Start parsing network model.
[11/01/2026-10:32:48] [I] Finished parsing network model. Parse time: 0.5
[11/01/2026-10:33:48] [I] Engine built in 60.1 sec.
&&&& PASSED TensorRT.trtexec [TensorRT v100500] [b18]"""

# A trtexec that writes its arguments to arguments.json and the bytes "a plan" to --saveEngine.
TRTEXEC = f"""
import json, pathlib, sys
pathlib.Path(__file__).with_name("arguments.json").write_text(json.dumps(sys.argv[1:]))
print('''{TRTEXEC_LOG}''')
target = next(a.partition("=")[2] for a in sys.argv if a.startswith("--saveEngine="))
pathlib.Path(target).write_bytes(b"a plan")
"""


def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH from here on, with nothing in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder


def fake_program(folder: Path, name: str, code: str) -> Path:
    """An executable `name` in `folder` that runs Python `code`."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return path
