"""The base class of Python models that work on many requests at once and call other models.

    class TritonPythonModel(ConcurrentModel):  # config.pbtxt: parameters { key: "calls" ... "silero_vad" }
        def infer_request(self, request: Request) -> Answer:
            answer = self.call("silero_vad", {"waveform": request["waveform"]})
            return {"speech_probability": answer["speech_probability"]}

Triton hands a Python model the next requests only when `execute` returns. A `PythonModel` answers before it
returns, so a file of an hour would hold up every caller behind it. Here `execute` passes each request to a
thread and returns. How the answer then reaches the caller, config.pbtxt decides:

- `sequence_batching { iterative_sequence: true ... }`: Triton hands the request over again and again until it
  is answered (`rounds`). For whatever callers outside call: when the process dies, each of them is told.
- anything else: through Triton's response sender, when it is ready (`late`). For members, whose inputs are
  large and whose callers are `ConcurrentModel.call`, and for sequences that callers make.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tritonzoo.runtime.errors import CancelledError, ConfigurationError, InvalidInput, MemberError
from tritonzoo.runtime.late import LateAnswers
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.reply import Desk, Reply
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.rounds import Rounds
from tritonzoo.runtime.siblings import Sibling, Siblings
from tritonzoo.runtime.tensors import Array

# How the errors begin that are not a model's own refusal: PythonModel's, then those of Triton's core and of
# its Python backend. A call from one model to another loses the error's code (Triton 2.51: always INTERNAL).
_FAILURE = re.compile(
    r"internal error in |the caller cancelled |Model |Stub process |Failed |Exceeds |Request timeout "
)

SIBLING_POLL_S = 0.25
LAST_WORD_S = 4.0  # Triton answers for a dead process, where it does, within 3.5 s


class ConcurrentModel(PythonModel):
    """A PythonModel whose requests are answered when they are ready, `threads` of them at work at once.

    Defines `infer_request` (one answer) or, where config.pbtxt says `decoupled: true`, `stream_request`
    (any number of answers). `request.is_cancelled()` tells at any time whether the caller still waits.
    """

    threads = 64  # requests at work at once; those beyond wait in Triton's queue

    @staticmethod
    def read_parameters(sent: RequestParameters) -> Any:
        """What a request asks for by its parameters; raises InvalidInput for a wrong one.

        `tritonzoo docs` asks it, too: a pipeline's page lists the parameters that are read here. A class
        sets it to a class method of its options: `read_parameters = SegmentationOptions.of_recording`.
        """
        return None

    def options(self, request: Request) -> Any:
        """A request's parameters as `read_parameters` reads them."""
        return self.read_parameters(RequestParameters(request.parameters))

    def stream_request(self, request: Request) -> Iterator[Answer]:
        """Answer one request of a decoupled model with any number of answers, each sent at once.

        When the caller goes, the iterator is closed: clean up in `finally`.
        """
        raise NotImplementedError(f"{type(self).__name__} is decoupled and defines no stream_request")

    def turn(self, request: Request) -> AbstractContextManager[object]:
        """What a request is worked on inside of; asked for in the order in which requests arrive.

        Threads run as they please, and Triton hands over the requests of a sequence without waiting for the
        answers to those before: a model that minds their order enters them here (`vad.streams.Turns`).
        """
        return nullcontext()

    def call(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        parameters: Mapping[str, str | int | bool] | None = None,
        pass_on_refusals: bool = False,
    ) -> dict[str, Array]:
        """The outputs of another model of the same server (business logic scripting, BLS).

        `model` is one of those that config.pbtxt names in its parameter `calls`, so that whoever serves
        this model knows what it needs. Safe to call from any thread; Triton's batcher merges the calls of
        several. With `pass_on_refusals` the other model's InvalidInput is raised here with its own sentence,
        for inputs that the caller of this model gave.

        Raises:
            MemberError: the other model failed, is not there or is not answering.
            ConfigurationError: `calls` does not name it.
        """
        if model not in self._calls:
            raise ConfigurationError(
                f"it calls {model}, which the parameter 'calls' of its config.pbtxt does not name"
            )
        processes = self._siblings.of(model)
        tensors = [self._pb.Tensor(name, array) for name, array in inputs.items()]
        request = self._pb.InferenceRequest(
            model_name=model, inputs=tensors, requested_output_names=[], parameters=dict(parameters or {})
        )
        response = self._response_of(request, model, processes)
        if response.has_error():
            sentence = response.error().message()
            if pass_on_refusals and not _FAILURE.match(sentence):
                raise InvalidInput(sentence)
            raise MemberError(model, sentence)
        return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}

    def _response_of(self, request: Any, model: str, processes: Sequence[Sibling]) -> Any:
        """What the other model answers, for as long as the process that could is alive.

        Triton gives the requests that a ConcurrentModel had at work no answer when its process dies: a call
        would wait for ever. The thread that is left behind waits on; it holds nothing but its stack.
        """
        future: Future[Any] = Future()

        def ask() -> None:
            try:
                future.set_result(request.exec())
            except Exception as error:  # noqa: BLE001  it is raised where the answer is waited for
                future.set_exception(error)

        threading.Thread(target=ask, name=f"call {model}", daemon=True).start()
        while not wait([future], SIBLING_POLL_S).done:
            if processes and not any(process.is_alive for process in processes):
                # It may have answered, or Triton for it, just before it went.
                if wait([future], LAST_WORD_S).done:
                    break
                raise MemberError(model, "its process died with this call at work")
        return future.result()

    def initialize(self, args: Mapping[str, str]) -> None:
        """Called by Triton when the model loads."""
        self._siblings = Siblings()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix=args["model_name"])
        super().initialize(args)
        self._serve = self._stream if self._is_decoupled() else self._answer
        desk = Desk(self._pb, self._begin, self._refusal, is_decoupled=self._is_decoupled())
        is_iterative = self.config.get("sequence_batching", {}).get("iterative_sequence", False)
        self._way: Rounds | LateAnswers = Rounds(desk) if is_iterative else LateAnswers(desk, self.threads)

    def execute(self, triton_requests: Sequence[Any]) -> list[Any] | None:  # type: ignore[override]  # or none yet
        """Called by Triton with waiting requests; returns once each is at work."""
        return self._way.execute(triton_requests)

    def finalize(self) -> None:
        """Called by Triton before it lets the model go: finishes what is at work."""
        self._way.finalize()
        self._pool.shutdown(wait=True)
        super().finalize()

    def _begin(self, request: Request, reply: Reply) -> None:
        self._pool.submit(self._work, request, reply, self.turn(request))

    def _work(self, request: Request, reply: Reply, turn: AbstractContextManager[object]) -> None:
        try:
            with turn:
                self._serve(request, reply)
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it is belongs to this request alone
            reply.end(self._refusal(error), caller_left=isinstance(error, CancelledError))

    def _answer(self, request: Request, reply: Reply) -> None:
        reply.end(self._pb.InferenceResponse(self._tensors(request, self.infer_request(request))))

    def _stream(self, request: Request, reply: Reply) -> None:
        answers = self.stream_request(request)
        try:
            for answer in answers:
                if request.is_cancelled():
                    break
                reply.send(self._pb.InferenceResponse(self._tensors(request, answer)))
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()
        reply.end(caller_left=request.is_cancelled())

    def _refusal(self, error: BaseException) -> Any:
        return self._pb.InferenceResponse(error=self._error(error))

    def _is_decoupled(self) -> bool:
        return bool(self.config.get("model_transaction_policy", {}).get("decoupled", False))

    def _check_policy(self) -> None:
        """Both policies are served; what it may call is read."""
        self._calls = frozenset(name.strip() for name in self.parameter("calls", "").split(","))
