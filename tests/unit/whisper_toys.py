"""A small Whisper vocabulary, and a decoder that answers from what it finds in the caches.

`ToyGraphs` stands where the ONNX graphs do. It keeps token ids as keys and the window's number as cross keys, and
its logits are a fixed random function of (window, tokens read so far) as read back *from the cache*: a row that is
moved, copied or bound wrongly gets other logits.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tritonzoo.runtime.whisper.cache import Cache, CacheShape
from tritonzoo.runtime.whisper.engine import Engine, EngineOptions
from tritonzoo.runtime.whisper.graphs import Logits
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
POSITIONS = 40  # tokens of prompt and answer
TIMES = 51  # <|0.00|> to <|1.00|>


def write_checkpoint(folder: Path, **changes: object) -> None:
    """tokenizer.json, generation_config.json and config.json of a Whisper with a small vocabulary."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printing]
    vocabulary = {chr(byte): place for place, byte in enumerate(printing)}
    vocabulary |= {chr(256 + rank): len(printing) + rank for rank in range(len(others))}
    merges = []
    for word in WORDS:
        for end in range(1, len(word) + 1):
            spelling = "Ġ" + word[:end]
            if spelling not in vocabulary:
                merges.append(("Ġ" + word[: end - 1], word[end - 1]))
                vocabulary[spelling] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    languages = ["<|en|>", "<|de|>", "<|ja|>"]
    specials = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>"]
    specials += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    specials += [f"<|{time * 0.02:.2f}|>" for time in range(TIMES)]
    tokenizer.add_special_tokens([AddedToken(special, special=True) for special in specials])
    identity = tokenizer.token_to_id
    generation = {
        "eos_token_id": identity("<|endoftext|>"),
        "decoder_start_token_id": identity("<|startoftranscript|>"),
        "prev_sot_token_id": identity("<|startofprev|>"),
        "no_timestamps_token_id": identity("<|notimestamps|>"),
        "is_multilingual": True,
        "lang_to_id": {language: identity(language) for language in languages},
        "task_to_id": {task: identity(f"<|{task}|>") for task in ("translate", "transcribe")},
        "suppress_tokens": [identity("!"), identity("<|startoftranscript|>"), identity("<|startofprev|>")],
        "begin_suppress_tokens": [identity("Ġ"), identity("<|endoftext|>")],
        "max_initial_timestamp_index": 25,
        **changes,
    }
    config = {"max_target_positions": POSITIONS, "median_filter_width": 7}
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text(json.dumps(generation))
    (folder / "config.json").write_text(json.dumps(config))


class ToyGraphs:
    """What `Graphs` offers, over a decoder that is a hash."""

    positions = 6

    def __init__(self, vocabulary: Vocabulary, end_bonus: float = 1.5) -> None:
        self.vocabulary_size = vocabulary.first_timestamp + TIMES
        self.shape = CacheShape(
            layers=2, heads=1, size=1, positions=self.positions, dtype=np.dtype(np.float32)
        )
        self.encoded_shape = (self.positions, 2)
        self.alignment_heads = 1
        self.runs: list[int] = []  # rows of each step
        self.gate = threading.Event()  # cleared by a test that wants the decoder to stand still
        self.gate.set()
        self.broken_windows: set[int] = set()
        self._end, self._end_bonus = vocabulary.end, end_bonus

    def attend(self, cache: Cache, slot: int, encoded: np.ndarray) -> None:
        if int(encoded[0, 0]) in self.broken_windows:
            raise RuntimeError("this window is broken")
        cache.cross_keys[:, slot] = encoded[0, 0]
        cache.cross_values[:, slot] = encoded[0, 0]

    def read(self, cache: Cache, first: int, tokens: list[list[int]], past: list[int]) -> Logits:
        answers = []
        for row, ids in enumerate(tokens):
            new = np.broadcast_to(np.array(ids, np.float32), (2, 1, 1, len(ids)))
            answers.append(self._answer(cache, first + row, past[row], ids))
            cache.note(first + row, past[row], new, new.swapaxes(2, 3))
        return Logits(np.stack(answers), np.ones((len(tokens), 1, self.positions), np.float32))

    def step(self, cache: Cache, tokens: list[int], past: list[int]) -> Logits:
        self.gate.wait()
        self.runs.append(len(tokens))
        answers = [self._answer(cache, row, past[row], [token]) for row, token in enumerate(tokens)]
        new = np.broadcast_to(
            np.array(tokens, np.float32)[None, :, None, None, None], (2, len(tokens), 1, 1, 1)
        )
        cache.note_step(past, new, new)
        return Logits(np.stack(answers), np.ones((len(tokens), 1, self.positions), np.float32))

    def forget_bindings(self) -> None:
        """There are none."""

    def logits(self, window: int, tokens: list[int]) -> np.ndarray:
        """What follows `tokens`, prompt included, in a window."""
        random = np.random.default_rng([window, *tokens])
        logits = random.normal(size=self.vocabulary_size).astype(np.float32) * 2
        logits[self._end] += self._end_bonus
        return logits

    def _answer(self, cache: Cache, slot: int, past: int, ids: list[int]) -> np.ndarray:
        keys, values = cache.self_keys[:, slot, 0, 0, :past], cache.self_values[:, slot, 0, :past, 0]
        windows = {*cache.cross_keys[:, slot].flat, *cache.cross_values[:, slot].flat}
        assert np.array_equal(keys, values) and np.array_equal(keys[0], keys[1]), "the caches disagree"
        assert len(windows) == 1, "the window's caches disagree"
        return self.logits(int(windows.pop()), [*map(int, keys[0]), *ids])


def encoded(window: int) -> np.ndarray:
    """What the encoder would make of a window, by its number."""
    return np.full((ToyGraphs.positions, 2), window, np.float32)


def toy_engine(vocabulary: Vocabulary, graphs: ToyGraphs | None = None, **options: float) -> Engine:
    """An engine over the toy decoder; close it."""
    return Engine(
        graphs or ToyGraphs(vocabulary),  # type: ignore[arg-type]
        vocabulary,
        EngineOptions(**options),  # type: ignore[arg-type]
    )
