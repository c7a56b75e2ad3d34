"""Every error tritonzoo raises, in one tree.

    TritonZooError
    ├── RepositoryError      a folder of the tree cannot be read as a model
    ├── RecipeError          a recipe.py says something that cannot be
    ├── SourceError          weights cannot be had, or are not the ones that the recipe pins
    ├── ConversionError      an artifact could not be made
    ├── ParityError          an artifact was made, but its answers differ from the source model's
    ├── ScaffoldError        a new folder could not be made of these answers
    ├── BenchError           a measurement cannot be made as asked, or a saved one cannot be read
    ├── CallError            a call to a server got no answer, or an error for an answer
    │   ├── InvalidInputError    the input is wrong: the caller's mistake
    │   ├── NotFoundError        the server has no pipeline or model of that name
    │   ├── ForbiddenError       the call needs a key, or another one
    │   ├── UnavailableError     no server answers there, or it is too busy or stopping: a later try may do
    │   ├── TimedOutError        no answer within the time allowed
    │   └── ServerFaultError     the server failed: not the caller's mistake
    └── ServerError          the embedded server cannot be started, reached or stopped
        └── PreflightError   it was not even tried, because it could not have worked

Each says where, what, and how to mend it.
"""

from __future__ import annotations


class TritonZooError(Exception):
    """The root: whatever tritonzoo refuses or fails to do, in one sentence a person can act on."""


class RepositoryError(TritonZooError):
    """A folder of the tree cannot be read as a model or an ensemble."""


class RecipeError(TritonZooError):
    """A recipe.py says something that cannot be."""


class SourceError(TritonZooError):
    """Source weights cannot be had, or are not the ones that the recipe pins."""


class ConversionError(TritonZooError):
    """An artifact could not be made; the previous one is untouched."""


class ParityError(ConversionError):
    """An artifact was made, but its answers differ from the source model's by more than its tolerance."""


class ScaffoldError(TritonZooError):
    """A new folder could not be made: no such template, an answer that cannot be, or a name that is taken."""


class BenchError(TritonZooError):
    """A measurement cannot be made as asked: its loads, inputs or labels, or a saved one cannot be read."""


class CallError(TritonZooError):
    """A call to a server got no answer, or an error for an answer.

    `sentence` is the server's own; `row` says which input of several it is about, None for a single one.
    """

    def __init__(self, sentence: str, row: int | None = None) -> None:
        super().__init__(sentence, row)
        self.sentence = sentence
        self.row = row

    def __str__(self) -> str:
        return self.sentence if self.row is None else f"input {self.row}: {self.sentence}"


class InvalidInputError(CallError, ValueError):
    """The input is wrong; the server said so, or it was seen before anything was sent."""


class NotFoundError(CallError, LookupError):
    """The server has no pipeline or model of that name."""


class ForbiddenError(CallError):
    """The call needs a key, or another one than was given."""


class UnavailableError(CallError, ConnectionError):
    """No server answers there, or it is too busy or stopping; a later try may be answered."""


class TimedOutError(CallError, TimeoutError):
    """No answer came within the time allowed."""


class ServerFaultError(CallError):
    """The server failed on a request that may well be right; its log knows more."""


class ServerError(TritonZooError):
    """The embedded server could not be started, reached or stopped, or a model in it could not be loaded."""


class PreflightError(ServerError):
    """The server was not started, because it could not have worked; nothing was touched."""
