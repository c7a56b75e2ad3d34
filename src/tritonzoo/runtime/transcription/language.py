"""One language for a whole recording, detected in the first window that makes it plain."""

from __future__ import annotations

import threading

from tritonzoo.runtime.errors import CancelledError


class RecordingLanguage:
    """Agrees on a language between windows that are decoded side by side.

    Windows ask in turn: the first is decoded with detection, and so is the next one for as long as none
    was sure; those after it wait here, encoded already, and are then decoded in the agreed language.
    """

    def __init__(self, asked: str, threshold: float) -> None:
        """`asked` is the caller's choice, or empty; `threshold` the probability that counts as sure."""
        self._threshold = threshold
        self._agreed = asked
        self._best = (1.0 if asked else 0.0, asked)
        self._turn = 0  # the window that detects
        self._is_over = False
        self._changed = threading.Condition()

    def of_window(self, index: int) -> str:
        """The language to decode a window in; empty: detect it. Waits for the windows before.

        Raises CancelledError when `end` was called.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._agreed or self._turn >= index or self._is_over)
            if self._is_over:
                raise CancelledError("the transcription was given up")
            return self._agreed

    def learn(self, index: int, language: str, probability: float) -> None:
        """What window `index` turned out to be in."""
        with self._changed:
            if not self._agreed:
                self._best = max(self._best, (probability, language))
                if probability >= self._threshold:
                    self._agreed, self._best = language, (probability, language)
            self._turn = max(self._turn, index + 1)
            self._changed.notify_all()

    def end(self) -> None:
        """Let go of the windows that wait: there will be no more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @property
    def answer(self) -> tuple[str, float]:
        """The language of the recording and its probability; empty and 0 where nothing was said."""
        probability, language = self._best
        return language, probability
