"""Errors that a Python model raises, and what becomes of each.

Exception
├── ValueError
│   ├── InvalidInput        the caller's mistake: INVALID_ARGUMENT (HTTP 400) with exactly this sentence
│   └── ConfigurationError  config.pbtxt or a file beside it is wrong: the model does not load
└── RuntimeError
    ├── WrongAnswerError    the model answered what config.pbtxt does not declare: INTERNAL (HTTP 500)
    ├── MemberError         another model that this one calls failed: INTERNAL, its name for the caller
    └── CancelledError      the caller no longer waits: CANCELLED, and nothing is computed

Every other exception becomes INTERNAL with a reference into the server's log, where the traceback is.
"""

from __future__ import annotations


class InvalidInput(ValueError):
    """The caller sent something that cannot be served; says what, where and how to mend it.

    The text reaches the caller as it stands, so it names no path of the server's disk.
    """


class ConfigurationError(ValueError):
    """A model cannot load: its config.pbtxt, its parameters or a file beside them do not fit."""


class WrongAnswerError(RuntimeError):
    """A model's answer has another name, data type or shape than its config.pbtxt declares.

    Triton would pass such an answer on as a success. The text reaches the caller.
    """


class CancelledError(RuntimeError):
    """The caller of a request has gone, and the request was not computed."""


class MemberError(RuntimeError):
    """A model that this one called failed or is not answering; `model` is its name."""

    def __init__(self, model: str, sentence: str) -> None:
        super().__init__(f"{model}: {sentence}")
        self.model = model
