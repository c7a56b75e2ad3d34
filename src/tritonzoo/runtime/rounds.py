"""Answers that are given within `execute`: Triton hands a request over, round by round, until it is answered.

    sequence_batching {
      iterative_sequence: true
      max_sequence_idle_microseconds: 3600000000
      oldest { max_candidate_sequences: 64 }  # requests at work at once
    }

Triton calls this an iterative sequence: a request that is released with RESCHEDULE goes back to the end of
the queue. So every request that is at work stays in Triton's own hands. When the process dies, Triton answers
each with an error (one a second, for it waits that long for the dead process each time); when the server
stops, it waits for them; and nothing is sent or asked from another thread, where a caller who leaves could
end the server.

What it costs: a round takes 0.4 ms of a processor and passes the inputs through shared memory again. So a
round that has nothing to tell lasts a little, the longer the larger the inputs, and others wait for it. An
answer that is ready hurries the rounds before its own; where many are at work that would be most of what a
core can do, so there they still last a little. And Triton's statistics count each round as an inference of
the model.

Triton numbers these sequences itself, from 1. A caller who sends a `sequence_id` could meet another's, so the
inputs are compared in each round: such a caller is refused, and gets nothing of the other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tritonzoo.runtime.errors import CancelledError, InvalidInput
from tritonzoo.runtime.reply import Desk
from tritonzoo.runtime.request import Request

ROUND_S = 0.008  # how long a request that stands alone holds up one that comes
CIRCLE_S = 0.06  # in which everybody has a turn where many are at work
LEAST_ROUND_S = 0.002
FEW = 4  # at work: the rounds before an answer that is ready last no time at all
PASSED_BYTES_PER_S = 200e6  # of inputs: a tenth of what passing them on can do
LONGEST_ROUND_S = 0.25
BEAT_S, IDLE_BEAT_S = 0.05, 0.5
LOST_BEATS = 10  # without a turn at which Triton had nothing for this process: it has dropped the request
LOST_TURNS = 3  # of another since one's own; in a queue that is first in, first out, two are too many

_START, _END = 1, 2  # TRITONSERVER_REQUEST_FLAG_SEQUENCE_START and _END of tritonserver.h
_NUMBERED = "this model numbers its requests itself: leave out sequence_id, sequence_start and sequence_end"


class Rounds:
    """The requests at work, by the number that Triton gave each. `execute` is called by one thread alone."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._pb = desk, desk.pb
        self._at_work: dict[int | str, _Work] = {}
        self._lock = threading.Lock()  # over adding to them and taking from them
        self._news = threading.Condition()
        self._beat = 0  # see `_look_for_lost`
        self._turn = 0  # of all so far
        self._is_executing = False
        self._hurried = 0  # rounds at most that are still to be hurried
        self._stopped = threading.Event()
        threading.Thread(target=self._look_for_lost, name="lost requests", daemon=True).start()

    def execute(self, triton_requests: Sequence[Any]) -> list[Any] | None:
        """One round; a response or None for each request, or None where responses are sent (decoupled)."""
        self._is_executing = True
        try:
            responses = [self._round(triton_request) for triton_request in triton_requests]
        finally:
            self._is_executing = False
        return None if self._desk.is_decoupled else responses

    def finalize(self) -> None:
        """Nobody asks any more for what is still at work."""
        self._stopped.set()
        for work in self._at_work.values():
            work.give_up()

    def _round(self, triton_request: Any) -> Any:
        key = triton_request.correlation_id()
        work = self._at_work.get(key)
        try:
            if work is None:
                work = self._begun(key, triton_request)
                if len(self._at_work) > 1:
                    return self._again(triton_request, work)  # whoever came along begins before anybody waits
            else:
                self._check(key, work, triton_request)
        except Exception as error:  # noqa: BLE001  text that is none: this request's error alone
            return self._sent_last(triton_request, self._desk.refusal(error))
        self._wait(work)
        if work.has_news():
            return self._handed_over(key, work, triton_request)
        return self._again(triton_request, work)

    def _begun(self, key: int | str, triton_request: Any) -> _Work:
        flags = triton_request.flags()
        if not flags & _START or flags & _END:
            raise InvalidInput(_NUMBERED)
        work = _Work(triton_request, self._told, self._beat)
        with self._lock:
            self._at_work[key] = work
        self._desk.begin(work.request, work)
        return work

    def _check(self, key: int | str, work: _Work, triton_request: Any) -> None:
        """Raise unless it is the request that has this number, come again."""
        if triton_request.flags() & _START:
            work.is_driven_out = True  # Triton has begun the sequence anew: no more rounds for its own
            raise InvalidInput(_NUMBERED)
        if not work.request.is_same_as(Request(triton_request)):
            raise InvalidInput(_NUMBERED)
        if work.is_driven_out:
            self._forget(key)
            work.give_up()
            raise CancelledError(
                "another caller took this request's number as its sequence_id; send it again"
            )

    def _wait(self, work: _Work) -> None:
        turns = len(self._at_work)
        pause_s = max(LEAST_ROUND_S, min(ROUND_S, CIRCLE_S / turns), work.least_round_s)
        with self._news:
            if turns <= FEW:
                self._news.wait_for(self._hurries, pause_s)
            else:
                self._news.wait_for(work.has_news, LEAST_ROUND_S if self._hurries() else pause_s)
            self._hurried = max(0, self._hurried - 1)

    def _hurries(self) -> bool:
        """Whether the turn of somebody who has an answer is waited for, and no circle has passed in vain."""
        with self._lock:
            return self._hurried > 0 and any(work.has_news() for work in self._at_work.values())

    def _told(self) -> None:
        """By a thread at work: there is something to hand over, and its turn is at most a circle away."""
        with self._news:
            self._hurried = len(self._at_work) + 1
            self._news.notify_all()

    def _handed_over(self, key: int | str, work: _Work, triton_request: Any) -> Any:
        for response, is_last in work.take():
            if is_last:
                self._forget(key)
                return self._sent_last(triton_request, response)
            triton_request.get_response_sender().send(response)
        return self._again(triton_request, work)

    def _sent_last(self, triton_request: Any, response: Any) -> Any:
        if not self._desk.is_decoupled:
            return response
        sender, final = triton_request.get_response_sender(), self._pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        if response is None:
            sender.send(flags=final)
        else:  # an error and the end in one: a caller who leaves at the error must not meet the end (`late`)
            sender.send(response, flags=final)
        return None

    def _again(self, triton_request: Any, work: _Work) -> None:
        if triton_request.is_cancelled():
            work.give_up()
        self._turn += 1
        work.turns.append(self._turn)
        work.turn_beat = self._beat
        triton_request.set_release_flags(self._pb.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)

    def _forget(self, key: int | str) -> None:
        with self._lock:
            del self._at_work[key]

    def _look_for_lost(self) -> None:
        """Those cancelled on their way back to the queue, or driven out by another of their number.

        Where others have turns, theirs tell. Beats tell of who is alone, and only those at which Triton had
        nothing for this process: while it is busy, frozen or starved, nobody can have a turn.
        """
        while not self._stopped.wait(BEAT_S if self._at_work else IDLE_BEAT_S):
            self._beat += not self._is_executing
            with self._lock:
                works = self._at_work.values()
                overtaken = max((work.turns[0] for work in works if len(work.turns) == LOST_TURNS), default=0)
                lost = {
                    key: work
                    for key, work in self._at_work.items()
                    if work.turn_beat < self._beat - LOST_BEATS or (work.turns and work.turns[-1] < overtaken)
                }
                for key, work in lost.items():
                    work.give_up()
                    if work.is_over:
                        del self._at_work[key]


class _Work:
    """One request at work: the way back of its thread, and what the thread may ask."""

    def __init__(self, triton_request: Any, told: Callable[[], None], turn_beat: int) -> None:
        self.request = Request(triton_request, self)
        self.request.keep()
        self.least_round_s = min(LONGEST_ROUND_S, self.request.payload_bytes / PASSED_BYTES_PER_S)
        self.turn_beat = turn_beat  # of the latest turn
        self.turns: deque[int] = deque(maxlen=LOST_TURNS)  # the latest, by their number among all turns
        self.is_over = False
        self.is_driven_out = False
        self._told = told
        self._responses: deque[tuple[Any, bool]] = deque()  # and whether it is the last; None: just the end
        self._caller_left = False

    def send(self, response: Any) -> None:
        self._responses.append((response, False))
        self._told()

    def end(self, response: Any = None, *, caller_left: bool = False) -> None:
        self._responses.append((response, True))
        self.is_over = True
        self._told()

    def is_cancelled(self) -> bool:
        return self._caller_left

    def give_up(self) -> None:
        self._caller_left = True

    def has_news(self) -> bool:
        return bool(self._responses)

    def take(self) -> Iterator[tuple[Any, bool]]:
        """The responses so far, and of each whether it is the last."""
        while self._responses:
            yield self._responses.popleft()
