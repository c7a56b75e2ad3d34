"""Hold back what exporters print of their passes: what matters of it is measured afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

_LOGGERS = (
    *("torch.onnx", "torch._dynamo", "torch.export", "torch.fx", "torch._subclasses"),
    *("onnxscript", "onnx_ir", "tf2onnx", "tensorflow"),
)
_STDOUT = 1  # the file descriptor


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warning, log line or print of this thread reaches the terminal."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(_OtherThreads(sys.stdout)),
            contextlib.redirect_stderr(_OtherThreads(sys.stderr)),
            _native_stdout_to_null(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class _OtherThreads(io.TextIOBase):
    """A stream for every thread but this one, so that a progress bar goes on while the exporter is silent."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._silent = threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._silent else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # rich looks for the stream behind the one it has put in place
        return getattr(self._stream, name)


@contextlib.contextmanager
def _native_stdout_to_null() -> Iterator[None]:
    """torch's C++ prints the whole graph at an operator it cannot export, whatever `verbose` says."""
    saved, null = os.dup(_STDOUT), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, _STDOUT)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(saved, _STDOUT)
        os.close(saved)
        os.close(null)
