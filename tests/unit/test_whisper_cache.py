"""The caches: rows keep what they have read when they move, are copied, or the buffers grow and shrink."""

from __future__ import annotations

import numpy as np

from tritonzoo.runtime.whisper.cache import Cache, CacheShape

SHAPE = CacheShape(layers=2, heads=3, size=4, positions=5, dtype=np.dtype(np.float32))


def filled(cache: Cache, slot: int, tokens: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    keys = random.normal(size=(2, 3, 4, tokens)).astype(np.float32)
    values = random.normal(size=(2, 3, tokens, 4)).astype(np.float32)
    cache.note(slot, 0, keys, values)
    cache.cross_keys[:, slot] = seed
    cache.cross_values[:, slot] = seed
    return keys, values


def holds(cache: Cache, slot: int, keys: np.ndarray, values: np.ndarray, window: int) -> bool:
    tokens = keys.shape[-1]
    return (
        np.array_equal(cache.self_keys[:, slot, :, :, :tokens], keys)
        and np.array_equal(cache.self_values[:, slot, :, :tokens], values)
        and bool(
            (cache.cross_keys[:, slot] == window).all() and (cache.cross_values[:, slot] == window).all()
        )
    )


def test_rows_keep_their_tokens_when_there_is_more_room_and_less() -> None:
    cache = Cache(SHAPE, max_rows=3, max_tokens=448)
    first, second = filled(cache, 0, 60, 1), filled(cache, 1, 7, 2)
    generation = cache.generation
    cache.reserve(400, rows=2)
    assert cache.tokens == 448 and cache.generation > generation
    assert holds(cache, 0, *first, 1) and holds(cache, 1, *second, 2)
    cache.reserve(60, rows=2)
    assert cache.tokens == 64
    assert holds(cache, 0, *first, 1) and holds(cache, 1, *second, 2)


def test_room_is_not_taken_and_given_back_around_a_border() -> None:
    cache = Cache(SHAPE, max_rows=3, max_tokens=448)
    cache.reserve(65, rows=1)
    generation = cache.generation
    for tokens in (65, 66, 100, 128, 70):
        cache.reserve(tokens, rows=1)
    assert cache.generation == generation


def test_a_row_is_copied_with_its_window_and_a_beam_without() -> None:
    cache = Cache(SHAPE, max_rows=3, max_tokens=448)
    kept = filled(cache, 2, 9, 5)
    cache.copy(2, 0, 9)
    assert holds(cache, 0, *kept, 5)
    other = filled(cache, 1, 4, 6)
    cache.copy_tokens(1, 0, 4)
    assert np.array_equal(cache.self_keys[:, 0, :, :, :4], other[0])
    assert (cache.cross_keys[:, 0] == 5).all()


def test_one_step_writes_each_row_at_its_own_place() -> None:
    cache = Cache(SHAPE, max_rows=3, max_tokens=448)
    keys = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 1)).astype(np.float32)
    cache.note_step([3, 10], keys, keys.swapaxes(3, 4))
    for row, place in enumerate((3, 10)):
        assert np.array_equal(cache.self_keys[:, row, :, :, place], keys[:, row, :, :, 0])
        assert np.array_equal(cache.self_values[:, row, :, place], keys[:, row, :, :, 0])
    assert np.count_nonzero(cache.self_keys) == keys.size


def test_a_row_of_whisper_small_costs_what_the_documentation_says() -> None:
    small = CacheShape(layers=12, heads=12, size=64, positions=1500, dtype=np.dtype(np.float32))
    assert round(small.cross_bytes_per_row / 1e6) == 111
    assert round(small.self_bytes_per_row(448) / 1e6) == 33


def test_released_memory_reads_as_nothing_written() -> None:
    cache = Cache(SHAPE, max_rows=2, max_tokens=448)
    filled(cache, 1, 5, 3)
    cache.release()
    assert not cache.cross_keys.any() and not cache.self_values.any()
    filled(cache, 1, 5, 4)
    assert (cache.cross_values[:, 1] == 4).all()
