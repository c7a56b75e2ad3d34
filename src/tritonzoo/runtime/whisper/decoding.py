"""One window at work: its prompt, its attempts at rising temperature, and what comes of it.

It knows nothing of slots and graphs. The engine hands it the logits of its rows and is told how these branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.whisper.beam import BeamSearch, Continuation
from tritonzoo.runtime.whisper.fallback import compression_ratio, needs_another_attempt
from tritonzoo.runtime.whisper.hypothesis import Hypothesis
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.rules import TokenRules
from tritonzoo.runtime.whisper.sampling import highest, log_normalizer, sample
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

FRAMES_PER_S = 50  # of the encoder's positions


@dataclass(eq=False)
class Row:
    """One row of the batch: what it has read, and what it reads next."""

    decoding: Decoding
    pending: list[int]  # tokens to read at the next run
    past: int = 0  # tokens read before
    hypothesis: Hypothesis | None = None  # None while it reads its prompt
    slot: int = -1


@dataclass(frozen=True)
class Branch:
    """How a row goes on: which row it comes from, how much of that is kept, what it reads next."""

    source: Row
    past: int
    pending: list[int]
    hypothesis: Hypothesis | None


@dataclass(frozen=True)
class Outcome:
    """What was decoded of a window."""

    hypothesis: Hypothesis
    language: str  # code; empty for an English-only checkpoint
    language_probability: float
    no_speech_probability: float  # 0 where no_speech_threshold is None, for it is not measured then
    temperature: float
    compression_ratio: float
    stop_reason: str  # "stop", "length" or "cancelled"

    @classmethod
    def nothing(cls) -> Outcome:
        """The answer to whoever cancels."""
        return cls(Hypothesis(), "", 0.0, 0.0, 0.0, 0.0, "cancelled")


@dataclass(frozen=True)
class Heard:
    """Logits and attention of one row after a run. The arrays are the caller's, to be written over."""

    row: Row
    logits: Array  # (vocabulary)
    attention: Array  # (heads, positions)


class Decoding:
    """Everything about one window but its caches."""

    def __init__(self, vocabulary: Vocabulary, options: DecodingOptions, scratch: Array) -> None:
        """`scratch` (vocabulary) is written over whenever this decodes. Raises InvalidInput."""
        vocabulary.check(options)
        self._vocabulary, self.options, self._scratch = vocabulary, options, scratch
        self._rules = TokenRules(vocabulary, options)
        self._before = vocabulary.before_start(options)
        self._frames = max(1, round(options.duration_s * 2 * FRAMES_PER_S) // 2)
        self._language_token: int | None = None
        self._language, self._language_probability = "", 1.0
        self._no_speech_probability = 0.0
        self._detects = bool(vocabulary.languages) and not options.language
        if vocabulary.languages and options.language:
            self._language = options.language
            self._language_token = vocabulary.language_token(options.language)
        elif not vocabulary.languages:
            self._language = "en"
        answer_tokens = vocabulary.positions - self.prompt_length
        self._most_tokens = min(options.max_new_tokens or answer_tokens, answer_tokens)
        if options.min_new_tokens > self._most_tokens:
            raise InvalidInput(
                f"min_new_tokens is {options.min_new_tokens}, and after this prompt there is room for"
                f" {self._most_tokens}; ask for fewer or shorten the prompt"
            )
        self._attempt = 0
        self._outcomes: list[Outcome] = []  # of the attempts that are over
        self._first: tuple[Array, Array] | None = None  # logits and attention where every attempt begins
        self._beam: BeamSearch | None = None
        self._random = np.random.default_rng()
        self.rows = [Row(self, self._first_reading())]

    @property
    def prompt_length(self) -> int:
        """Tokens before the answer."""
        languages = 2 if self._vocabulary.languages else 0
        return len(self._before) + 1 + languages + (not self.options.timestamps)

    @property
    def most_rows(self) -> int:
        """Rows that it may need at once."""
        return self.options.beam_size if 0 in self.options.temperatures else 1

    def advance(self, heard: Sequence[Heard]) -> list[Branch] | Outcome:
        """How the rows go on after a run in which each of them was read, or what came of it all."""
        row = heard[0].row
        if row.hypothesis is not None:
            return self._go_on(heard)
        next_reading = self._listen(heard[0])
        return self._begin(heard[0]) if next_reading is None else [next_reading]

    def cancelled(self) -> Outcome:
        """What a window is answered that nobody waits for any more."""
        return self._outcome(Hypothesis(), "cancelled")

    def _first_reading(self) -> list[int]:
        start = self._vocabulary.start
        if self._detects:
            # Whisper hears the language without the text before: that says in which language it was.
            return [start]
        if self.options.no_speech_threshold is not None:
            return [*self._before, start]
        return [*self._before, start, *self._after_start()]

    def _after_start(self) -> list[int]:
        return self._vocabulary.after_start(self.options, self._language_token)

    def _listen(self, heard: Heard) -> Branch | None:
        """Learn what the logits at <|startoftranscript|> tell. What to read next; None: the answer begins."""
        row, vocabulary = heard.row, self._vocabulary
        if self._detects and self._language_token is None:
            self._hear_language(heard.logits)
            if self._before and self.options.no_speech_threshold is None:
                return Branch(row, 0, [*self._before, vocabulary.start, *self._after_start()], None)
            if self._before:
                return Branch(row, 0, [*self._before, vocabulary.start], None)
        if row.past == len(self._before) + 1:
            logits = heard.logits
            normalizer = log_normalizer(logits, self._scratch)
            self._no_speech_probability = float(np.exp(logits[vocabulary.no_speech] - normalizer))
        if row.past == self.prompt_length:
            return None
        return Branch(row, row.past, self._after_start(), None)

    def _hear_language(self, logits: Array) -> None:
        codes, tokens = zip(*self._vocabulary.languages.items(), strict=True)
        chosen = logits[list(tokens)].astype(np.float64)
        best = int(chosen.argmax())
        self._language, self._language_token = codes[best], tokens[best]
        self._language_probability = float(1 / np.exp(chosen - chosen[best]).sum())

    def _begin(self, heard: Heard) -> list[Branch] | Outcome:
        """Start the attempt whose turn it is, after the prompt."""
        if self._first is None and self._attempt + 1 < len(self.options.temperatures):
            self._first = heard.logits.copy(), heard.attention.copy()
        temperature = self.options.temperatures[self._attempt]
        self._random = np.random.default_rng((self.options.seed, self._attempt))
        self._beam = None
        if temperature == 0 and self.options.beam_size > 1:
            self._beam = BeamSearch(
                self.options.beam_size,
                self.options.patience,
                self.options.length_penalty,
                self._vocabulary.end,
            )
        heard.row.hypothesis = Hypothesis()
        return self._go_on([heard])

    def _go_on(self, heard: Sequence[Heard]) -> list[Branch] | Outcome:
        if self._beam is not None:
            return self._widen(self._beam, heard)
        (only,) = heard
        hypothesis = _of(only.row)
        token, log_probability = self._one_token(only, hypothesis)
        hypothesis.extend(token, log_probability, self._kept(only), self._vocabulary.end)
        if hypothesis.is_ended or len(hypothesis.tokens) >= self._most_tokens:
            return self._end_attempt(hypothesis, only.row)
        return [Branch(only.row, only.row.past, [token], hypothesis)]

    def _one_token(self, heard: Heard, hypothesis: Hypothesis) -> tuple[int, float]:
        logits, temperature = heard.logits, self.options.temperatures[self._attempt]
        self._rules.apply(logits, hypothesis.tokens)
        likeliest = int(logits.argmax())
        if not np.isfinite(logits[likeliest]):
            raise InvalidInput("every token is forbidden; take some out of suppress_tokens")
        token = likeliest if temperature == 0 else sample(logits, temperature, self._random)
        return token, float(logits[token]) - log_normalizer(logits, self._scratch)

    def _widen(self, beam: BeamSearch, heard: Sequence[Heard]) -> list[Branch] | Outcome:
        """One step of beam search over all rows."""
        continuations = []
        for index, each in enumerate(heard):
            hypothesis, logits = _of(each.row), each.logits
            self._rules.apply(logits, hypothesis.tokens)
            normalizer = log_normalizer(logits, self._scratch)
            for token in highest(logits, beam.beam_size + 1).tolist():
                log_probability = float(logits[token]) - normalizer
                if np.isfinite(log_probability):
                    total = hypothesis.log_probability + log_probability
                    continuations.append(Continuation(index, token, log_probability, total))
        if not continuations:
            raise InvalidInput("every token is forbidden; take some out of suppress_tokens")
        kept = [self._kept(each) for each in heard]

        def grown(continuation: Continuation) -> Hypothesis:
            parent, attention = _of(heard[continuation.beam].row), kept[continuation.beam]
            return parent.extended(
                continuation.token, continuation.log_probability, attention, self._vocabulary.end
            )

        going, ending = beam.choose(continuations)
        beam.finished += [grown(continuation) for continuation in ending]
        branches = []
        for continuation in going:
            source = heard[continuation.beam].row
            branches.append(Branch(source, source.past, [continuation.token], grown(continuation)))
        running = [_of(branch) for branch in branches]
        if beam.is_over or not running or len(running[0].tokens) >= self._most_tokens:
            return self._end_attempt(beam.best(running), heard[0].row)
        return branches

    def _end_attempt(self, hypothesis: Hypothesis, row: Row) -> list[Branch] | Outcome:
        """The outcome, or the first token of another attempt at the next temperature."""
        is_full = not hypothesis.is_ended and len(hypothesis.tokens) >= self._most_tokens
        outcome = self._outcome(hypothesis, "length" if is_full else "stop")
        self._outcomes.append(outcome)
        if not needs_another_attempt(
            outcome.compression_ratio,
            hypothesis.mean_log_probability,
            outcome.no_speech_probability,
            self.options,
        ):
            return outcome
        if self._first is None or self._attempt + 1 == len(self.options.temperatures):
            return self._best_outcome()
        self._attempt += 1
        logits, attention = self._first
        row.past = self.prompt_length
        return self._begin(Heard(row, logits.copy(), attention))

    def _best_outcome(self) -> Outcome:
        """The likeliest attempt of those that do not repeat themselves, or of all, where each was given up.

        As faster-whisper has it; openai/whisper keeps the last attempt, which was sampled most wildly.
        """
        most = self.options.compression_ratio_threshold
        plain = [each for each in self._outcomes if most is None or each.compression_ratio <= most]
        return max(plain or self._outcomes, key=lambda each: each.hypothesis.mean_log_probability)

    def _outcome(self, hypothesis: Hypothesis, stop_reason: str) -> Outcome:
        return Outcome(
            hypothesis=hypothesis,
            language=self._language,
            language_probability=self._language_probability,
            no_speech_probability=self._no_speech_probability,
            temperature=self.options.temperatures[self._attempt],
            compression_ratio=compression_ratio(self._vocabulary.text(hypothesis.tokens)),
            stop_reason=stop_reason,
        )

    def _kept(self, heard: Heard) -> Array | None:
        """The attention that words are timed by, in a copy: the next run writes over it."""
        if not self.options.word_timestamps:
            return None
        return heard.attention[:, : self._frames].astype(np.float32)


def _of(has: Row | Branch) -> Hypothesis:
    """The hypothesis of a row that has read its prompt."""
    assert has.hypothesis is not None
    return has.hypothesis
