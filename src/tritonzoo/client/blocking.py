"""The client for ordinary programs: every call waits for its answer."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.connection import Connected, FileSource
from tritonzoo.client.description import Pipeline
from tritonzoo.client.loop_thread import LoopThread, shared_loop
from tritonzoo.client.results import Letter, Sentiment
from tritonzoo.client.tasks import HANDWRITING, SENTIMENT
from tritonzoo.client.transport import Array, ParameterValue, Transport
from tritonzoo.errors import InvalidInputError


class Client(Connected):
    """Calls the pipelines of a server; may be used from many threads at once.

        with Client("localhost:8001") as client:
            vectors = client.embed(["one", "two"])      # float32 (2, d)

    - `url`: `host:port`, or with a scheme: grpc, grpcs, http, https. `protocol` says which where the url
      does not; gRPC if neither does.
    - `timeout_s`: how long one request to the server may take.
    - `in_flight`: requests that one call with many inputs has under way at a time.
    - `headers`: sent with every request (a proxy's token); `ca_file`: PEM file to trust under TLS.
    - `transport`: another way to a server, such as `FakeTransport` in tests; `url` then counts for nothing.

    Every call raises a `tritonzoo.errors.CallError`: InvalidInputError (your input, with its `row` among
    several), NotFoundError, ForbiddenError, UnavailableError, TimedOutError, ServerFaultError.
    """

    def _begin(self) -> None:
        self._loop = shared_loop()
        self._close = weakref.finalize(self, _close, self._loop, self._calls.transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; a client that is let go of, or left at exit, does so by itself."""
        self._close()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the server takes requests; raises TimedOutError, saying why it does not."""
        self._loop.run(self._calls.wait_ready(timeout_s))

    def pipelines(self) -> list[str]:
        """Name the pipelines that the server has loaded."""
        return self._loop.run(self._calls.pipelines())

    def describe(self, pipeline: str) -> Pipeline:
        """Say what a pipeline, or any model, takes and gives."""
        return self._loop.run(self._calls.describe(pipeline))

    def infer(
        self,
        pipeline: str,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> dict[str, Array]:
        """Make one request to any pipeline or model; every output by name.

        `inputs` are arrays or what makes one: dtypes are the server's, a value without the batch axis gets
        one of length 1, a lone str, bytes or number fills all axes. Outputs keep the batch axis. BYTES
        outputs are object arrays of bytes.
        """
        return self._loop.run(self._calls.infer(pipeline, inputs, parameters))

    @overload
    def embed(self, texts: str | Iterable[str]) -> NDArray[np.float32]: ...
    @overload
    def embed(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[NDArray[np.float32] | InvalidInputError]: ...
    def embed(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """Embed texts: float32 (n, d), rows of unit length in the order of the texts; one text is n = 1.

        Any number of texts; no texts give shape (0, d). A text that was too long gives a TextTruncated
        warning. A refused text raises InvalidInputError with its `row`; with `return_exceptions` the
        answer is a list of vectors (d,), with the error in the place of each refused text.
        """
        return self._loop.run(self._calls.embed(texts, return_exceptions)).deliver()

    @overload
    def sentiment(self, texts: str) -> Sentiment: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    def sentiment(self, texts: Iterable[str]) -> list[Sentiment]: ...
    @overload
    def sentiment(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[Sentiment | InvalidInputError]: ...
    def sentiment(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """Judge texts: one in, one Sentiment out; several in, a list in their order.

        Long and refused texts are treated as `embed` does.
        """
        return self._loop.run(self._calls.ask(SENTIMENT, texts, return_exceptions)).deliver()

    @overload
    def handwriting(self, images: FileSource) -> Letter: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    def handwriting(self, images: Iterable[FileSource]) -> list[Letter]: ...
    @overload
    def handwriting(
        self, images: Iterable[FileSource], *, return_exceptions: Literal[True]
    ) -> list[Letter | InvalidInputError]: ...
    def handwriting(
        self, images: FileSource | Iterable[FileSource], *, return_exceptions: bool = False
    ) -> Any:
        """Read handwritten letters: one picture in, one Letter out; several in, a list in their order.

        A picture is a path (str or Path) or the bytes of an image file. A file that is not there raises
        InvalidInputError, and so does a picture that the server refuses; `return_exceptions` as in `embed`.
        """
        return self._loop.run(self._calls.ask(HANDWRITING, images, return_exceptions)).deliver()


def _close(loop: LoopThread, transport: Transport) -> None:
    loop.finish(transport.close())
