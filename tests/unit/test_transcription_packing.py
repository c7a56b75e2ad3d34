"""Speech packed into windows: nothing lost, nothing twice, times that map back."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.transcription.packing import FRAME_SAMPLES, Packer, PackingOptions, packed
from tritonzoo.runtime.transcription.tape import Tape
from tritonzoo.runtime.transcription.windows import SAMPLE_RATE, Span, Window

S = SAMPLE_RATE


def windows_of(
    spans: list[Span], length: int, options: PackingOptions | None = None, probabilities=None
) -> list[Window]:
    """Pack spans of a recording in which every sample is its own place (exact in float64)."""
    audio, certain = Tape(np.float64), Tape()
    audio.append(np.arange(length, dtype=np.float64))
    certain.append(np.ones(length // FRAME_SAMPLES + 1) if probabilities is None else probabilities)
    return list(packed(spans, Packer(options or PackingOptions(), audio, certain)))


def random_spans(seed: int, length: int) -> list[Span]:
    draw = random.Random(seed)
    longest = draw.choice([1.0, 5.0, 25.0, 90.0])
    pause = draw.choice([0.1, 0.5, 3.0, 60.0])
    spans, place = [], 0
    while True:
        start = place + (0 if draw.random() < 0.1 else round(draw.uniform(0.03, pause) * S))
        end = start + round(draw.uniform(0.05, longest) * S)
        if end > length:
            return spans
        spans.append(Span(start, end))
        place = end


@pytest.mark.parametrize("seed", range(12))
def test_all_speech_is_in_one_windows_own_part_and_no_window_is_too_long(seed):
    length = 600 * S
    spans = random_spans(seed, length)
    windows = windows_of(spans, length)

    assert all(window.waveform.size <= 29.1 * S for window in windows)
    for window in windows:
        assert window.waveform.size == sum(piece.length for piece in window.pieces)
        assert all(a.end < b.start for a, b in zip(window.pieces, window.pieces[1:], strict=False))
    assert all(a.owned.end == b.owned.start for a, b in itertools.pairwise(windows))
    heard = np.zeros(length // 10, bool)
    for window in windows:
        for piece in window.pieces:
            start, end = max(piece.start, window.owned.start), min(piece.end, window.owned.end)
            heard[start // 10 : end // 10] = True
    for span in spans:
        assert heard[span.start // 10 + 1 : span.end // 10 - 1].all()


@pytest.mark.parametrize("seed", range(12))
def test_a_time_in_a_window_maps_to_the_sample_that_stands_there(seed):
    length = 400 * S
    for window in windows_of(random_spans(seed, length), length):
        for span in window.speech:
            inside = int(np.searchsorted(window.waveform, span.start))
            placed = window.place(inside / S, inside / S + 0.05)
            assert abs(placed.start - span.start) <= 1


def test_an_early_start_moves_over_a_pause_that_was_left_out():
    spans = [Span(S, 3 * S), Span(100 * S, 102 * S)]
    (window,) = windows_of(spans, 110 * S)
    # 0.5 s of margin, 2 s, half a second of pause on either side, 2 s, 0.5 s
    assert window.duration_s == 6.0
    early = window.place(2.6, 5.0)  # begins where the first speech ended
    assert (early.start, early.end) == (round(99.9 * S), round(101.5 * S))
    late = window.place(1.0, 3.4)  # ends where the second begins
    assert (late.start, late.end) == (round(1.5 * S), round(3.1 * S))


def test_a_word_does_not_begin_in_the_tail_of_the_one_before_a_pause():
    (window,) = windows_of([Span(S, 2 * S), Span(round(2.4 * S), 3 * S)], 5 * S)
    # Whisper's own times: from just before the first speech ends, over the pause, to the end of the second
    placed = window.place(1.93 - 0.5, 3.0 - 0.5)
    assert (placed.start, placed.end) == (round(2.3 * S), 3 * S)
    both = window.place(1.0 - 0.5, 3.0 - 0.5)  # a segment that has both keeps both
    assert (both.start, both.end) == (S, 3 * S)


def test_short_pauses_stay_as_they_are():
    spans = [Span(S, 3 * S), Span(round(3.9 * S), 6 * S)]
    (window,) = windows_of(spans, 10 * S)
    assert window.pieces == (Span(S // 2, round(6.5 * S)),)
    assert not window.needs_words


def test_a_window_ends_at_the_longest_pause_of_its_last_third():
    spans = [Span(round(t * S), round((t + 1.8) * S)) for t in range(0, 40, 2)]  # pauses of 0.2 s
    spans[11] = Span(spans[11].start, round(23.3 * S))  # one of 0.7 s at 23.3 s
    first, _second = windows_of(spans, 40 * S)
    assert first.owned.end == round((23.3 + 24) / 2 * S)


def test_speech_without_a_pause_is_cut_where_the_vad_is_least_sure_and_heard_on_both_sides():
    probabilities = np.full(80 * S // FRAME_SAMPLES, 0.99)
    dip = round(24.0 * S) // FRAME_SAMPLES
    probabilities[dip - 4 : dip + 5] = 0.6
    windows = windows_of([Span(0, 60 * S)], 60 * S, probabilities=probabilities)
    cut = windows[0].owned.end
    assert abs(cut - 24 * S) < 0.1 * S
    assert windows[0].pieces[-1].end == cut + S
    assert windows[1].pieces[0].start == cut - S
    assert all(window.needs_words for window in windows)
    # a word on the cut is told once, by the window that has its middle
    word = Span(cut - 3000, cut + 1000)
    assert [window.owns(word) for window in windows[:2]] == [True, False]


def test_pieces_that_the_vad_itself_cut_are_one_stretch_of_speech():
    whole = windows_of([Span(0, 20 * S)], 30 * S)
    parts = windows_of([Span(0, 7 * S), Span(7 * S, 20 * S)], 30 * S)
    assert [w.pieces for w in parts] == [w.pieces for w in whole]


def test_a_short_pause_before_speech_that_fits_a_window_is_preferred_to_a_cut():
    spans = [Span(0, 10 * S), Span(round(10.2 * S), 36 * S)]
    windows = windows_of(spans, 40 * S)
    assert [window.needs_words for window in windows] == [False, False]
    assert windows[0].pieces[-1].end == windows[1].pieces[0].start == round(10.1 * S)


def test_options_out_of_bounds_name_the_bounds():
    with pytest.raises(InvalidInput, match="window_s is 40; it must be from 5 to 29"):
        PackingOptions(window_s=40)
