"""Decode windows that Whisper's encoder has seen, any number of callers' in one batch.

Triton's batches are only how windows arrive: each joins the running batch when there is room, and is answered
when it is done.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.errors import CancelledError, ConfigurationError, InvalidInput
from tritonzoo.runtime.model import Answer
from tritonzoo.runtime.onnx.session import open_session
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.whisper.answer import answer_of
from tritonzoo.runtime.whisper.decoding import Outcome
from tritonzoo.runtime.whisper.engine import Engine, EngineOptions
from tritonzoo.runtime.whisper.graphs import Graphs
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

_CANCELLATION_POLL_S = 0.1
_ARRIVAL_S = 0.1  # for a request's thread to begin; one that cannot be read has none


class TritonPythonModel(ConcurrentModel):
    """One decoding engine and the requests that wait for it."""

    threads = 512  # they only wait; a window beyond would hold up those who cancel

    def setup(self) -> None:
        """Open the graphs and start the engine."""
        step_file = self.config["default_model_filename"] or "model.onnx"
        # model.int8.onnx goes with cross.int8.onnx where there is one: fusion finds nothing to do in it.
        cross_file = step_file.replace("model", "cross", 1)
        if not (self.version_folder / cross_file).is_file():
            cross_file = "cross.onnx"
        graphs = Graphs(self._session(step_file), self._session(cross_file))
        self._vocabulary = Vocabulary.load(self.version_folder)
        self._defaults = DecodingOptions(log_probability_threshold=self._vocabulary.log_probability_threshold)
        checkpoint = json.loads((self.version_folder / "config.json").read_text(encoding="utf-8"))
        self._median_width = int(checkpoint.get("median_filter_width", 7))
        options = EngineOptions(
            max_rows=self.parameter("max_rows", EngineOptions.max_rows),
            admission_steps=self.parameter("admission_steps", EngineOptions.admission_steps),
            idle_release_s=self.parameter("idle_release_s", EngineOptions.idle_release_s),
        )
        if options.max_rows < 1:
            raise ConfigurationError(f"parameter 'max_rows' is {options.max_rows}; it must be at least 1")
        self._engine = Engine(graphs, self._vocabulary, options)
        self._arrivals = threading.Semaphore(0)  # of requests of this execution at the engine
        row_bytes = graphs.shape.cross_bytes_per_row + graphs.shape.self_bytes_per_row(
            self._vocabulary.positions
        )
        self.log.info("up to %d rows, each of up to %.1f MB", options.max_rows, row_bytes / 1e6)

    def teardown(self) -> None:
        """Stop the engine and log how full its batches were."""
        self._engine.close()
        tally = self._engine.tally
        self.log.info(
            "%d windows joined in %d groups; %d steps of %.2f rows, %d readings of prompts",
            tally.windows,
            tally.admissions,
            tally.steps,
            tally.rows_per_step,
            tally.readings,
        )

    def execute(self, triton_requests: Sequence[Any]) -> None:  # type: ignore[override]  # answers come later
        """Called by Triton with waiting requests; those that come meanwhile wait in its queue."""
        super().execute(triton_requests)
        for _ in triton_requests:
            self._arrivals.acquire(timeout=_ARRIVAL_S)
        self._engine.wait_for_admission()

    def infer_request(self, request: Request) -> Answer:
        """Decode the window of one request, end the windows of a job, or tell about the checkpoint."""
        try:
            describes = RequestParameters(request.parameters).switch("describe", False)
            cancels = "cancel_job" in request.parameters
            submitted = None if cancels or describes else self._submitted(request)
        finally:
            self._arrivals.release()
        if describes:
            return self._description()
        if submitted is None:
            return self._cancel(str(request.parameters["cancel_job"]))
        options, future = submitted
        return answer_of(self._outcome(future, request), options, self._vocabulary, self._median_width)

    def _description(self) -> Answer:
        """What the checkpoint advises whoever calls window after window, as JSON in `text`."""
        answer = answer_of(Outcome.nothing(), DecodingOptions(), self._vocabulary, self._median_width)
        known = self._vocabulary
        advice = {
            "window_s": known.window_s,
            "log_probability_threshold": known.log_probability_threshold,
        }
        return {**answer, "text": np.array([[json.dumps(advice).encode()]], object)}

    def _submitted(self, request: Request) -> tuple[DecodingOptions, Future[Outcome]]:
        if request.batch_size != 1:
            raise InvalidInput(
                f"encoded holds {request.batch_size} windows; send each in a request of its own, and they are"
                " decoded together all the same"
            )
        options = DecodingOptions.from_parameters(request.parameters, self._defaults)
        return options, self._engine.submit(request["encoded"][0], options)

    def _cancel(self, job: str) -> Answer:
        if not job:
            raise InvalidInput("cancel_job is empty; send the job that the windows were sent with")
        self._engine.cancel(job)
        return answer_of(Outcome.nothing(), DecodingOptions(), self._vocabulary, self._median_width)

    def _outcome(self, future: Future[Outcome], request: Request) -> Outcome:
        """Wait for a window for as long as its caller does."""
        while True:
            try:
                return future.result(_CANCELLATION_POLL_S)
            except NotYet:
                if request.is_cancelled():
                    self._engine.give_up(future)
                    raise CancelledError("the caller cancelled the request") from None

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        file: Path = self.version_folder / name
        if not file.is_file():
            raise ConfigurationError(f"{file} is missing; make it with `tritonzoo convert {self.name}`")
        return open_session(file, self.config, self.parameters, self.instance_kind, self.device_id, self.log)
