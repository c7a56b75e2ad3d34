"""Serve an ONNX file with ONNX Runtime, under the name of Triton's native backend.

Inputs, outputs and data types come from the model's config.pbtxt. Requests of different lengths share a
run where the configuration says what pads (parameters `padding`, `padding_mask`, `padding_cut`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from onnx_contract import check_contract
from tritonzoo.runtime.counters import PaddingCounters
from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.grouped import Gathering, Group, gather, makespan, plan
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.onnx.session import CPU_PROVIDER, open_session
from tritonzoo.runtime.processor import second_level_cache_bytes
from tritonzoo.runtime.ragged import GroupLimits, Padding
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.tensors import Array

# ONNX Runtime ends its sentence for the caller with this; before it stand names of the graph's nodes.
_STATUS_MESSAGE = re.compile(r"Status Message: (?P<text>[^/\n]+)$")

# Measured with MiniLM on 1024 sentences of 5 to 60 words, 2 threads. A token's activations should stay in the
# second-level cache, the widest are 6 KiB a token: with 512 KiB (AVX2) groups of 256 tokens were best, with
# 2 MiB (AMX) those of 1024, where float32 gave 246 rows/s at 256, 280 at 1024 and 243 at 4096, and
# int8 378, 476, 424.
# A run costs the time of 45 tokens (float32) to 80 (int8) before its first one where the cores are idle,
# and less processor time than that: on busy cores 16 took least of 16, 32 and 64. A GPU wants large groups.
_CACHE_BYTES_PER_ELEMENT = 4096
_GPU_GROUP_ELEMENTS = 16384
_RUN_COST_ELEMENTS = 24
# Threads that share a run wait for each other at each node. Groups side by side, a core for each, gave 1.2
# times as many rows/s (float32; int8 1.35; MiniLM on 2 cores): cores may be idle for a sixth of the time.
_SIDE_BY_SIDE_GAIN = 1.2


class TritonPythonModel(PythonModel):
    """One ONNX Runtime session and the batches it runs."""

    def setup(self) -> None:
        """Open the session and hold the configuration against the graph."""
        self._model_file = model_file = self.version_folder / (
            self.config["default_model_filename"] or "model.onnx"
        )
        if not model_file.is_file():
            raise ConfigurationError(f"{model_file} is missing; make it with `tritonzoo convert {self.name}`")
        self._padding = Padding.parse(
            self.parameter("padding", ""),
            self.parameter("padding_mask", ""),
            self.parameter("padding_cut", ""),
        )
        self._session = open_session(
            model_file, self.config, self.parameters, self.instance_kind, self.device_id, self.log
        )
        self._set_up_groups()
        check_contract(self.inputs, self.outputs, self.config["max_batch_size"], self._padding, self._session)
        self._run_options = onnxruntime.RunOptions()
        shrinkage = self.parameter("memory.enable_memory_arena_shrinkage", "")
        if shrinkage:
            self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", shrinkage)
        self._output_names = list(self.outputs)
        self._text_inputs = {spec.name for spec in self.inputs.values() if spec.data_type == "TYPE_STRING"}
        self._counters = PaddingCounters.of(self.name)

    def _set_up_groups(self) -> None:
        """How large the groups of a batch may be, and how many of them run at once."""
        is_on_cpu = self._session.get_providers()[0] == CPU_PROVIDER
        threads = int(self._session.get_session_options().intra_op_num_threads) if is_on_cpu else 1
        cached = max(1, second_level_cache_bytes() // _CACHE_BYTES_PER_ELEMENT)
        per_thread = cached if is_on_cpu else _GPU_GROUP_ELEMENTS
        wished = self.parameter("max_group_elements", 0)
        self._limits = GroupLimits(
            run_cost_elements=self.parameter("run_cost_elements", _RUN_COST_ELEMENTS),
            max_rows=self.parameter("max_group_rows", 128),
            max_elements=wished or per_thread * threads,
        )
        self._limits_per_core = replace(self._limits, max_elements=wished or per_thread)
        self._cores = threads if self.parameter("group_per_core", bool(self._padding.axes)) else 1
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix=f"{self.name} group")
        self._session_per_core: onnxruntime.InferenceSession | None = None

    def teardown(self) -> None:
        """Log what padding cost."""
        self._pool.shutdown()
        counted = self._counters.counted()
        self.log.info("%d rows in %d runs, %.1f %% padding", counted.rows, counted.runs, 100 * counted.waste)

    def infer(self, **inputs: Array) -> Answer:
        """One run over inputs as they came."""
        return self._computed(self._session, inputs)

    def _computed(self, session: onnxruntime.InferenceSession, inputs: dict[str, Array]) -> Answer:
        for name in self._text_inputs & inputs.keys():
            inputs[name] = _decoded(name, inputs[name])
        try:
            outputs = session.run(self._output_names, inputs, self._run_options)
        except InvalidArgument as error:
            found = _STATUS_MESSAGE.search(str(error))
            reason = found["text"].strip() if found else "a size or a value is not one that the graph takes"
            sent = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise InvalidInput(f"{self.name} cannot compute {sent}: {reason}") from error
        return dict(zip(self._output_names, outputs, strict=True))

    def infer_batch(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """Run the rows of all requests in groups of like lengths."""
        if self.config["max_batch_size"] == 0:
            return super().infer_batch(requests)
        answers: dict[int, Answer | Exception] = {}
        accepted: dict[int, Request] = {}
        lengths: dict[int, NDArray[np.int64]] = {}
        for place, request in enumerate(requests):
            try:
                lengths[place] = self._padding.lengths(request)
                accepted[place] = request
            except InvalidInput as error:
                answers[place] = error
        answers.update(self._run(accepted, lengths))
        return [answers[place] for place in range(len(requests))]

    def _run(
        self, requests: Mapping[int, Request], lengths: Mapping[int, NDArray[np.int64]]
    ) -> dict[int, Answer | Exception]:
        """Answers by place. A group that fails is run again request by request: only the culprit fails."""
        if len(requests) == 1:
            ((place, request),) = requests.items()
            return {place: self._run_alone(request, lengths[place])}
        gathering = Gathering(self._padding)
        failed: set[int] = set()
        for group, outcome in self._outcomes(requests, lengths):
            if isinstance(outcome, Exception):
                failed |= group.requests  # it comes again, to the request that it belongs to
            else:
                gathering.add(group, outcome)
        return {
            place: self._run_alone(request, lengths[place])
            if place in failed
            else gathering.answer(place, self._padding.sent_length(request))
            for place, request in requests.items()
        }

    def _run_alone(self, request: Request, lengths: NDArray[np.int64]) -> Answer | Exception:
        sent_length = self._padding.sent_length(request)
        try:
            # The usual case at low load: what needs no padding spares itself 0.07 ms of grouping.
            if len(lengths) == 1 and lengths[0] == sent_length:
                self._counters.add(1, sent_length, sent_length)
                return self.infer(**request)
            gathering = Gathering(self._padding)
            for group, outcome in self._outcomes({0: request}, {0: lengths}):
                if isinstance(outcome, Exception):
                    return outcome
                gathering.add(group, outcome)
            return gathering.answer(0, sent_length)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this request's alone
            return error

    def _outcomes(
        self, requests: Mapping[int, Request], lengths: Mapping[int, NDArray[np.int64]]
    ) -> Iterator[tuple[Group, Answer | Exception]]:
        """What each group of rows gave, or what it failed of."""
        groups, session = self._groups_and_session(requests, lengths)
        for group in groups:
            self._counters.add(len(group.rows), group.real_elements, group.padded_elements)

        def outcome(group: Group) -> Answer | Exception:
            try:
                return self._computed(session, gather(group, requests, self._padding))
            except Exception as error:  # noqa: BLE001  whatever it is, it goes to the group's requests alone
                return error

        each = map if session is self._session else self._pool.map
        yield from zip(groups, each(outcome, groups), strict=True)

    def _groups_and_session(
        self, requests: Mapping[int, Request], lengths: Mapping[int, NDArray[np.int64]]
    ) -> tuple[list[Group], onnxruntime.InferenceSession]:
        """Groups with the session of all threads, one after the other, or with that of one, side by side."""
        if self._cores > 1:
            groups = plan(requests, lengths, self._padding, self._limits_per_core)
            if len(groups) == 1:
                return groups, self._session
            costs = [group.padded_elements + self._limits.run_cost_elements for group in groups]
            if makespan(costs, self._cores) * self._cores <= _SIDE_BY_SIDE_GAIN * sum(costs):
                groups.sort(key=lambda group: group.padded_elements, reverse=True)  # as `makespan` has it
                if (session := self._opened_per_core()) is not None:
                    return groups, session
        return plan(requests, lengths, self._padding, self._limits), self._session

    def _opened_per_core(self) -> onnxruntime.InferenceSession | None:
        """The session of one thread, opened when it is first of use; none where it cannot be opened."""
        if self._session_per_core is None:
            kind, device = self.instance_kind, self.device_id
            try:
                self._session_per_core = open_session(
                    self._model_file, self.config, self.parameters, kind, device, self.log, threads=1
                )
            except ConfigurationError as error:  # such as no memory for it: slower, and served all the same
                self.log.warning("groups run one after the other: %s", error)
                self._cores = 1
        return self._session_per_core


def _decoded(name: str, text: Array) -> Array:
    """ONNX Runtime takes str where Triton gives bytes."""
    try:
        decoded = [item.decode() for item in text.reshape(-1)]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 at byte {error.start}; encode it as UTF-8") from error
    return np.array(decoded, dtype=object).reshape(text.shape)
