"""Rows of different lengths in one batch: the answers are those that each would get alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.unit.answers import refused, served
from tests.unit.onnx_graphs import ATTENTION_CONFIG, VOCABULARY, attention, doubling, model_folder
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.grouped import makespan
from tritonzoo.runtime.onnx import session as session_module
from tritonzoo.runtime.ragged import GroupLimits, group_by_length
from tritonzoo.runtime.tensors import Array
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

BACKENDS = Path(__file__).parents[2] / "backends"
Tokens = dict[str, Array]


def tokens(rng: np.random.Generator, *lengths: int) -> Tokens:
    """One request with a row for each length, padded with noise, so that padding that counts is seen."""
    ids = rng.integers(1, VOCABULARY, (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("tree"), ATTENTION_CONFIG, attention())


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[LoadedModel]:
    with load_model(folder, backends=BACKENDS) as loaded:
        yield loaded


def test_each_row_gets_in_company_what_it_gets_alone_from_onnx_runtime_itself(
    model: LoadedModel, folder: Path
) -> None:
    rng = np.random.default_rng(1)
    requests = [tokens(rng, int(length)) for length in rng.integers(1, 40, 60)]
    requests += [tokens(rng, 5, 30, 2), tokens(rng, 9, 9)]
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    together = model.infer_batch(requests)
    for request, answer in zip(requests, together, strict=True):
        outputs = served(answer)
        embedding, states = session.run(["embedding", "states"], request)
        np.testing.assert_allclose(outputs["embedding"], embedding, atol=1e-5)
        marked = request["attention_mask"] == 1
        assert outputs["states"].shape == states.shape
        np.testing.assert_allclose(outputs["states"][marked], states[marked], atol=1e-5)


@pytest.fixture
def on_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "available_cores", lambda: 4)  # for two instances, Triton's default


def by_length(rng: np.random.Generator) -> list[Tokens]:
    """Two lengths so far apart that no run holds both, as many tokens of each."""
    return [*(tokens(rng, 400) for _ in range(2)), *(tokens(rng, 10) for _ in range(80))]


def threads_of_runs(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each run by the number of threads that its session has."""
    threads: list[int] = []
    backend = type(model.model)
    computed = backend._computed

    def watched(self: Any, session: Any, inputs: Any) -> Any:
        threads.append(session.get_session_options().intra_op_num_threads)
        return computed(self, session, inputs)

    monkeypatch.setattr(backend, "_computed", watched)
    return threads


@pytest.mark.usefixtures("on_two_cores")
def test_groups_of_like_cost_run_side_by_side_on_a_core_each(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    with load_model(folder, backends=BACKENDS) as model:
        threads = threads_of_runs(model, monkeypatch)
        requests = by_length(rng)
        together = model.infer_batch(requests)
        assert len(threads) > 1 and set(threads) == {1}
        threads.clear()
        model.infer_batch([tokens(rng, 10), tokens(rng, 10)])  # one group
        model.infer_batch([tokens(rng, 400), tokens(rng, 1)])  # one has nearly all the work
        assert set(threads) == {2}
        for request, answer in zip(requests[::20], together[::20], strict=True):
            alone = model.infer(**request)
            np.testing.assert_allclose(served(answer)["embedding"], alone["embedding"], atol=1e-5)


@pytest.mark.usefixtures("on_two_cores")
def test_groups_run_one_after_the_other_where_that_is_wished_or_no_second_session_opens(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wished = ATTENTION_CONFIG + ' parameters { key: "group_per_core" value { string_value: "0" } }'
    requests = by_length(np.random.default_rng(9))
    with load_model(model_folder(tmp_path, wished, attention()), backends=BACKENDS) as model:
        threads = threads_of_runs(model, monkeypatch)
        assert all(served(answer) for answer in model.infer_batch(requests))
        assert set(threads) == {2}

    def refuse(*_: Any, **__: Any) -> Any:
        raise ConfigurationError("no memory")

    with caplog.at_level("WARNING", "triton"), load_model(folder, backends=BACKENDS) as model:
        threads = threads_of_runs(model, monkeypatch)
        monkeypatch.setitem(type(model.model)._opened_per_core.__globals__, "open_session", refuse)
        for _ in range(2):
            assert all(served(answer) for answer in model.infer_batch(requests))
    assert set(threads) == {2}
    warned = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert len(warned) == 1 and "groups run one after the other: no memory" in warned[0]


@pytest.mark.parametrize(
    ("costs", "workers", "done"), [([], 2, 0), ([5], 2, 5), ([1, 7, 2, 6], 2, 8), ([3, 3, 3], 2, 6)]
)
def test_the_dearest_that_is_left_goes_to_who_is_done_first(
    costs: list[int], workers: int, done: int
) -> None:
    assert makespan(costs, workers) == done


def test_states_of_tokens_that_the_caller_padded_are_zero(model: LoadedModel) -> None:
    answer = model.infer(**tokens(np.random.default_rng(2), 3, 12))
    assert (answer["states"][0, 3:] == 0).all()
    assert (answer["states"][0, :3] != 0).any(axis=1).all()


def test_the_order_of_requests_does_not_change_a_bit_of_any_answer(model: LoadedModel) -> None:
    rng = np.random.default_rng(3)
    requests = [tokens(rng, int(length)) for length in rng.permutation(np.arange(1, 41))]
    shuffle = rng.permutation(len(requests))
    straight = model.infer_batch(requests)
    shuffled = model.infer_batch([requests[place] for place in shuffle])
    for place, answer in zip(shuffle, shuffled, strict=True):
        assert served(answer)["embedding"].tobytes() == served(straight[place])["embedding"].tobytes()


def test_padding_that_arrives_with_a_request_is_not_computed(folder: Path) -> None:
    with load_model(folder, backends=BACKENDS) as model:
        model.infer(**tokens(np.random.default_rng(4), 2, 2, 2, 40))
        assert model.model._counters.counted().padded_elements == 2 + 2 + 2 + 40


def test_only_the_request_with_a_token_outside_the_vocabulary_fails(model: LoadedModel) -> None:
    rng = np.random.default_rng(5)
    requests = [tokens(rng, 6) for _ in range(5)]
    requests[3]["input_ids"][0, 2] = 10 * VOCABULARY
    answers = model.infer_batch(requests)
    failed = [place for place, answer in enumerate(answers) if isinstance(answer, TritonRequestError)]
    assert failed == [3]
    error = refused(answers[3])
    assert error.code == "INVALID_ARG"
    assert "[1, 6]" in error.message
    assert "idx=500 must be within" in error.message
    assert "/" not in error.message


@pytest.mark.parametrize(
    ("ids_shape", "mask", "words"),
    [
        ((1, 5), np.ones((1, 4), np.int64), "input_ids has 5 and attention_mask has 4"),
        ((2, 3), np.array([[1, 1, 0], [0, 0, 0]]), "row 1 of attention_mask is all zeros"),
        ((1, 0), np.ones((1, 0), np.int64), "input_ids and attention_mask are empty"),
    ],
)
def test_tokens_that_do_not_fit_their_mask_are_refused_beside_a_good_request(
    model: LoadedModel, ids_shape: tuple[int, int], mask: Array, words: str
) -> None:
    bad = {"input_ids": np.ones(ids_shape, np.int64), "attention_mask": mask}
    good = tokens(np.random.default_rng(6), 4)
    error, answer = model.infer_batch([bad, good])
    assert refused(error).code == "INVALID_ARG"
    assert words in refused(error).message
    served(answer)


def test_a_model_that_pads_nothing_runs_requests_of_one_shape_once(tmp_path: Path) -> None:
    config = (
        'backend: "onnxruntime" max_batch_size: 8'
        ' input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }'
        ' output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
    )
    folder = model_folder(tmp_path, config, doubling(shape=("batch", "n")))
    with load_model(folder, backends=BACKENDS) as model:
        requests = [{"x": np.full((1, n), n, np.float32)} for n in (2, 3, 2, 2, 3)]
        answers = model.infer_batch(requests)
        assert model.model._counters.counted().runs == 2
        for request, answer in zip(requests, answers, strict=True):
            np.testing.assert_array_equal(served(answer)["y"], 2 * request["x"])


def test_a_model_without_a_batch_axis_answers_each_request(tmp_path: Path) -> None:
    config = (
        'backend: "onnxruntime"'
        ' input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }'
        ' output { name: "y" data_type: TYPE_FP32 dims: [ -1, 3 ] }'
    )
    with load_model(model_folder(tmp_path, config, doubling()), backends=BACKENDS) as model:
        answers = model.infer_batch([{"x": np.ones((rows, 3), np.float32)} for rows in (1, 4)])
        assert [served(answer)["y"].shape for answer in answers] == [(1, 3), (4, 3)]


def test_groups_hold_every_row_once_and_stay_within_their_limits() -> None:
    lengths = np.random.default_rng(7).integers(1, 300, 500)
    limits = GroupLimits(run_cost_elements=64, max_rows=16, max_elements=1000)
    groups = group_by_length(lengths, limits)
    assert sorted(np.concatenate(groups)) == list(range(500))
    for group in groups:
        assert len(group) <= 16
        assert len(group) == 1 or len(group) * lengths[group].max() <= 1000


def test_no_other_way_to_part_the_rows_by_length_costs_less() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        lengths = rng.integers(0, 40, 9)
        limits = GroupLimits(int(rng.integers(0, 60)), int(rng.integers(1, 6)), int(rng.integers(20, 150)))
        found = tuple(len(group) for group in group_by_length(lengths, limits))
        assert cost(found, lengths, limits) == min(cost(sizes, lengths, limits) for sizes in parted(9))


def cost(sizes: tuple[int, ...], lengths: Array, limits: GroupLimits) -> float:
    """Of the rows, longest first, in groups of these sizes; infinite where one is beyond the limits."""
    descending = np.maximum(np.sort(lengths)[::-1], 1).tolist()
    total, start = 0.0, 0
    for size in sizes:
        elements = size * descending[start]
        if size > limits.max_rows or (size > 1 and elements > limits.max_elements):
            return math.inf
        total, start = total + limits.run_cost_elements + elements, start + size
    return total


def parted(rows: int) -> Iterator[tuple[int, ...]]:
    """Every way to part so many rows, in order, into groups: their sizes."""
    if rows == 0:
        yield ()
    for size in range(1, rows + 1):
        for rest in parted(rows - size):
            yield (size, *rest)


def test_where_a_run_costs_nothing_only_rows_of_one_length_share_one() -> None:
    groups = group_by_length(np.array([4, 7, 4, 9, 7, 7]), GroupLimits(0, 16, 1000))
    assert [group.tolist() for group in groups] == [[3], [1, 4, 5], [0, 2]]


def test_a_row_longer_than_a_group_may_be_still_runs() -> None:
    groups = group_by_length(np.array([5, 5000]), GroupLimits(64, 16, 1000))
    assert [group.tolist() for group in groups] == [[1], [0]]
