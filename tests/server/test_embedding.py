"""The embedding pipeline against sentence-transformers on the same weights, alone and in company."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from tests.server.sentences import mixed
from tritonzoo import Client
from tritonzoo.repository import Repository
from tritonzoo.sources import fetch

TEXTS = mixed(200, longest_words=250)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """What sentence-transformers says: (200, 384), unit length."""
    from sentence_transformers import SentenceTransformer

    repository = Repository.find()
    (source,) = repository.model("sentence_transformer").recipe.sources_of("starter")
    model = SentenceTransformer(str(fetch(source, repository.root)), device="cpu")
    return model.encode(TEXTS, batch_size=16, normalize_embeddings=True, convert_to_numpy=True)


@pytest.fixture(scope="module")
def alone(triton) -> np.ndarray:
    """Each text in a request of its own, one after another."""
    with Client(triton.grpc_url) as client:
        return np.concatenate([client.embed([text]) for text in TEXTS])


@contextmanager
def company(url: str, clients: int, seed: int) -> Iterator[None]:
    """So many other clients that send other lengths all the while."""
    done = threading.Event()

    def send(index: int) -> None:
        texts = mixed(40, longest_words=60, seed=seed + index)
        with Client(url) as client:
            while not done.is_set():
                for text in texts:
                    if done.is_set():
                        return
                    client.embed([text])

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(send, index) for index in range(clients)]
        try:
            yield
        finally:
            done.set()
        for future in running:
            future.result()


def counters(metrics_url: str, model: str) -> tuple[int, int]:
    """(inferences, executions) of a model so far, by Triton's own metrics."""
    with urllib.request.urlopen(metrics_url, timeout=10) as response:
        lines = response.read().decode().splitlines()

    def value(family: str) -> int:
        return sum(
            int(float(line.rsplit(" ", 1)[1]))
            for line in lines
            if line.startswith(f'{family}{{model="{model}"')
        )

    return value("nv_inference_count"), value("nv_inference_exec_count")


def test_embeddings_are_those_of_sentence_transformers(alone: np.ndarray, reference: np.ndarray) -> None:
    cosine = (alone * reference).sum(axis=1) / np.linalg.norm(reference, axis=1)

    assert alone.shape == (200, 384)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    assert cosine.min() >= 0.9999, f"worst is text {cosine.argmin()}: {cosine.min():.6f}"


def test_company_does_not_change_an_answer(triton, alone: np.ndarray) -> None:
    with company(triton.grpc_url, clients=64, seed=1), Client(triton.grpc_url, timeout_s=120) as client:
        crowded = np.concatenate([client.embed([text]) for text in TEXTS[::10]])

    assert np.abs(crowded - alone[::10]).max() <= 1e-5


def test_one_call_with_many_texts_gives_the_same_as_many_calls(triton, alone: np.ndarray) -> None:
    with Client(triton.grpc_url, timeout_s=120) as client:
        together = client.embed(TEXTS)

    assert np.abs(together - alone).max() <= 1e-5


def test_clients_that_send_different_lengths_share_batches(triton) -> None:
    before = counters(triton.metrics_url, "sentence_transformer")
    with ThreadPoolExecutor(64) as pool, Client(triton.grpc_url, timeout_s=120) as client:
        list(pool.map(lambda text: client.embed([text]), mixed(1_000, longest_words=60, seed=7)))
    inferences, executions = (
        after - was
        for after, was in zip(counters(triton.metrics_url, "sentence_transformer"), before, strict=True)
    )

    assert inferences == 1_000
    assert executions / inferences <= 0.35


def test_a_text_beyond_the_limit_is_cut_and_said_to_be(triton) -> None:
    with Client(triton.grpc_url) as client:
        answer = client.infer("ensemble_embedding", {"text": [["short"], ["word " * 1_000]]})

    assert answer["truncated_tokens"].ravel().tolist() == [0, 1_000 + 2 - 256]
