"""The decoder's two graphs in ONNX Runtime, bound by name to the buffers of a cache.

`step`: new tokens to logits (model.onnx). `cross`: an encoded window to the keys and values that every token
of it attends to (cross.onnx). What they take and give: model_repository/whisper_decoder/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.whisper.cache import Cache, CacheShape

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class Logits:
    """What a run gives for each of its rows, at the row's last new token.

    The arrays are written over by the next run.
    """

    logits: Array  # (rows, vocabulary) float32
    attention: Array  # (rows, alignment heads, positions): where in the window each row looks


class Graphs:
    """Runs over rows of a `Cache`, in place: no cache is copied from step to step."""

    def __init__(self, step: onnxruntime.InferenceSession, cross: onnxruntime.InferenceSession) -> None:
        """Read the sizes off the graphs. Raises ConfigurationError for graphs that do not belong together."""
        self._step, self._cross = step, cross
        inputs = {value.name: value for value in step.get_inputs()}
        outputs = {value.name: value for value in step.get_outputs()}
        self.layers = sum(name.startswith("self_key_") for name in inputs)
        if not self.layers or "cross_attention" not in outputs:
            raise ConfigurationError(
                f"the decoder's graph has the inputs {sorted(inputs)}; it must be the step that"
                " `tritonzoo convert whisper_decoder` makes"
            )
        _, heads, size, positions = inputs["cross_key_0"].shape
        self.shape = CacheShape(
            layers=self.layers,
            heads=heads,
            size=size,
            positions=positions,
            dtype=np.dtype(_FLOATS[inputs["self_key_0"].type]),
        )
        self.vocabulary_size = int(outputs["logits"].shape[1])
        self.alignment_heads = int(outputs["cross_attention"].shape[1])
        self._logits_dtype = _FLOATS[outputs["logits"].type]
        self._attention_dtype = _FLOATS[outputs["cross_attention"].type]
        encoded = cross.get_inputs()[0]
        self.encoded_shape = (positions, int(encoded.shape[2]))
        self._encoded_dtype = _FLOATS[encoded.type]
        self._bound: tuple[tuple[Cache, int, int], _Run] | None = None

    def attend(self, cache: Cache, slot: int, encoded: Array) -> None:
        """Write the cross-attention's keys and values of one encoded window into a slot."""
        binding = self._cross.io_binding()
        window = np.ascontiguousarray(encoded, dtype=self._encoded_dtype)[None]
        binding.bind_cpu_input("encoded", window)
        for layer in range(self.layers):
            _bind_output(binding, f"cross_key_{layer}", cache.cross_keys[layer, slot : slot + 1])
            _bind_output(binding, f"cross_value_{layer}", cache.cross_values[layer, slot : slot + 1])
        self._cross.run_with_iobinding(binding)

    def read(self, cache: Cache, first: int, tokens: list[list[int]], past: list[int]) -> Logits:
        """Read several tokens a row, of the slots from `first` on, and note their keys and values.

        tokens: for each row one or more; past: how many tokens of the row were read before.
        """
        rows, longest = len(tokens), max(map(len, tokens))
        input_ids = np.zeros((rows, longest), np.int64)
        for row, ids in enumerate(tokens):
            input_ids[row, : len(ids)] = ids
        past_length = np.array(past, np.int64)
        new_length = np.array([len(ids) for ids in tokens], np.int64)
        run = _Run(self, cache, first, rows, longest)
        run.feed(input_ids, past_length, new_length)
        self._step.run_with_iobinding(run.binding)
        for row, ids in enumerate(tokens):
            cache.note(
                first + row, past[row], run.keys[:, row, :, :, : len(ids)], run.values[:, row, :, : len(ids)]
            )
        last = new_length - 1
        return Logits(run.logits.astype(np.float32, copy=False), run.attention[np.arange(rows), :, last])

    def step(self, cache: Cache, tokens: list[int], past: list[int]) -> Logits:
        """Read one token of each of the first rows of the cache: the decoding loop's inner step."""
        rows = len(tokens)
        run = self._step_run(cache, rows)
        run.feed(np.array(tokens, np.int64)[:, None], np.array(past, np.int64), np.ones(rows, np.int64))
        self._step.run_with_iobinding(run.binding)
        cache.note_step(past, run.keys, run.values)
        return Logits(run.logits.astype(np.float32, copy=False), run.attention[:, :, 0])

    def forget_bindings(self) -> None:
        """Let go of the buffers of the last step, before their cache is given back."""
        self._bound = None

    def _step_run(self, cache: Cache, rows: int) -> _Run:
        """The binding of the last step while rows and buffers are the same: 80 tensors at whisper-small."""
        key = (cache, rows, cache.generation)
        if self._bound is None or self._bound[0] != key:
            self._bound = (key, _Run(self, cache, 0, rows, 1))
        return self._bound[1]


class _Run:
    """Inputs and outputs of one shape of run, bound."""

    def __init__(self, graphs: Graphs, cache: Cache, first: int, rows: int, tokens: int) -> None:
        shape = graphs.shape
        self._tokens = np.zeros((rows, tokens), np.int64)
        self._past_length, self._new_length = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        self.keys = np.empty((shape.layers, rows, shape.heads, shape.size, tokens), shape.dtype)
        self.values = np.empty((shape.layers, rows, shape.heads, tokens, shape.size), shape.dtype)
        self.logits = np.empty((rows, graphs.vocabulary_size), graphs._logits_dtype)
        self.attention = np.empty(
            (rows, graphs.alignment_heads, tokens, shape.positions), graphs._attention_dtype
        )
        self.binding = graphs._step.io_binding()
        _bind_input(self.binding, "input_ids", self._tokens)
        _bind_input(self.binding, "past_length", self._past_length)
        _bind_input(self.binding, "new_length", self._new_length)
        _bind_output(self.binding, "logits", self.logits)
        _bind_output(self.binding, "cross_attention", self.attention)
        span = slice(first, first + rows)
        for layer in range(shape.layers):
            _bind_input(self.binding, f"self_key_{layer}", cache.self_keys[layer, span])
            _bind_input(self.binding, f"self_value_{layer}", cache.self_values[layer, span])
            _bind_input(self.binding, f"cross_key_{layer}", cache.cross_keys[layer, span])
            _bind_input(self.binding, f"cross_value_{layer}", cache.cross_values[layer, span])
            _bind_output(self.binding, f"new_key_{layer}", self.keys[layer])
            _bind_output(self.binding, f"new_value_{layer}", self.values[layer])

    def feed(self, tokens: Array, past_length: Array, new_length: Array) -> None:
        """Write the inputs in place, where the binding looks for them."""
        self._tokens[:], self._past_length[:], self._new_length[:] = tokens, past_length, new_length


def _bind_input(binding: Any, name: str, array: Array) -> None:
    binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _bind_output(binding: Any, name: str, array: Array) -> None:
    binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
