"""The client and `tritonzoo infer` against the served tree, over gRPC and over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tritonzoo import AsyncClient, Client
from tritonzoo.client import Letter, Sentiment, TextTruncated
from tritonzoo.errors import InvalidInputError, NotFoundError, TimedOutError

TEXTS = [f"{number} ships sailed past the lighthouse" + " again" * (number % 7) for number in range(70)]
LIKED, DISLIKED = "a good film, warm and wonderful", "a dreadful and boring mess"


@pytest.fixture(params=["grpc", "http"])
def url(request, triton) -> str:
    return {"grpc": triton.grpc_url, "http": triton.http_url}[request.param]


@pytest.fixture
def client(url):
    with Client(url) as client:
        client.wait_ready()
        yield client


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    """A vertical stroke and a foot: an l to a person."""
    image = Image.new("L", (120, 160), 255)
    ImageDraw.Draw(image).line((60, 20, 60, 130, 75, 140), fill=0, width=8)
    path = tmp_path_factory.mktemp("pictures") / "l.png"
    image.save(path)
    return path


def test_the_pipelines_are_named_and_described(client):
    assert {"ensemble_embedding", "ensemble_sentiment", "ensemble_handwriting"} <= set(client.pipelines())
    assert not {"sentence_tokenizer", "sentiment_label"} & set(client.pipelines())
    described = client.describe("ensemble_embedding")
    assert str(described.inputs[0]) == "text BYTES [1]"
    assert described.max_batch_size > 1


def test_embeddings_come_back_in_order_with_unit_length(client):
    vectors = client.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(TEXTS)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    for row in (0, 31, 69):
        assert np.abs(vectors[row] - client.embed(TEXTS[row])[0]).max() < 1e-5
    assert client.embed([]).shape == (0, vectors.shape[1])


def test_both_protocols_give_the_same_embeddings(triton):
    with Client(triton.grpc_url) as over_grpc, Client(triton.http_url) as over_http:
        assert np.abs(over_grpc.embed(TEXTS) - over_http.embed(TEXTS)).max() < 1e-5


def test_a_text_longer_than_the_model_takes_is_answered_with_a_warning(client):
    with pytest.warns(TextTruncated) as caught:
        vectors = client.embed(["short", "long " * 3000])
    assert vectors.shape[0] == 2
    assert list(caught[0].message.truncated) == [1]
    assert 2000 < caught[0].message.truncated[1] < 3000


def test_sentiment_says_what_a_reader_would(client):
    answers = client.sentiment([LIKED, DISLIKED])
    assert [answer.label for answer in answers] == ["positive", "negative"]
    for answer in (*answers, client.sentiment(LIKED)):
        assert isinstance(answer, Sentiment)
        assert answer.score == max(answer.probabilities)
        assert sum(answer.probabilities) == pytest.approx(1, abs=1e-5)


def test_handwriting_takes_a_path_or_bytes_alike(client, picture):
    letter = client.handwriting(picture)
    assert isinstance(letter, Letter)
    assert "a" <= letter.label <= "z"
    assert letter.score == max(letter.probabilities)
    from_name, from_bytes = client.handwriting([str(picture), picture.read_bytes()])
    for other in (from_name, from_bytes):
        assert other.label == letter.label
        assert other.probabilities == pytest.approx(letter.probabilities, abs=1e-5)


def test_a_refused_text_is_named_by_its_row_and_the_others_can_be_had(client):
    texts = [*TEXTS[:40], "", *TEXTS[40:]]
    with pytest.raises(InvalidInputError, match="empty") as refusal:
        client.embed(texts)
    assert refusal.value.row == 40
    answers = client.embed(texts, return_exceptions=True)
    assert [row for row, answer in enumerate(answers) if isinstance(answer, InvalidInputError)] == [40]


def test_a_refused_picture_leaves_the_others_answered(client, picture):
    letters = client.handwriting([picture, b"dear diary", picture], return_exceptions=True)
    assert isinstance(letters[1], InvalidInputError)
    assert letters[1].row == 1
    assert letters[0].label == letters[2].label


def test_errors_are_the_same_over_both_protocols(triton):
    told = []
    for url in (triton.grpc_url, triton.http_url):
        with Client(url) as client:
            with pytest.raises(NotFoundError) as unknown:
                client.infer("ensemble_sentimant", {"text": "a"})
            with pytest.raises(InvalidInputError) as wrong:
                client.infer("ensemble_sentiment", {"text": [["two", "texts"]]})
            told.append((str(unknown.value), str(wrong.value)))
    assert told[0] == told[1]
    assert "did you mean 'ensemble_sentiment'?" in told[0][0]
    assert "ensemble_embedding" in told[0][0]
    assert "shape" in told[0][1]


def test_a_time_out_is_kept(url):
    long = ["word " * 200] * 64  # hundreds of milliseconds of work
    with Client(url, timeout_s=0.01) as client, pytest.raises(TimedOutError, match=r"within 0\.01 s"):
        client.embed(long)


def test_one_client_serves_many_threads(client):
    alone = client.embed(TEXTS)
    with ThreadPoolExecutor(32) as pool:
        together = np.concatenate(list(pool.map(client.embed, TEXTS)))
    assert np.abs(together - alone).max() < 1e-5


async def test_one_async_client_has_many_calls_under_way(url):
    async with AsyncClient(url) as client:
        await client.wait_ready()
        alone = await client.embed(TEXTS)
        together = await asyncio.gather(*map(client.embed, TEXTS))
        assert np.abs(np.concatenate(together) - alone).max() < 1e-5
        assert (await client.sentiment(LIKED)).label == "positive"


def tritonzoo_infer(url: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run the command; return its exit code and what it wrote to standard output."""
    command = [Path(sys.executable).with_name("tritonzoo"), "infer", "--url", url, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


def test_the_command_reads_standard_input_line_by_line(url):
    code, written = tritonzoo_infer(
        url, "ensemble_sentiment", "-", "--json", stdin=f"{LIKED}\n\n{DISLIKED}\n".encode()
    )
    answers = [json.loads(line)["outputs"]["label"] for line in written.splitlines()]
    assert (code, answers) == (0, ["positive", "negative"])


def test_the_command_answers_what_it_can_and_its_exit_code_says_that_one_failed(url, picture, tmp_path):
    not_one = tmp_path / "not_one.png"
    not_one.write_text("dear diary")
    code, written = tritonzoo_infer(
        url, "ensemble_handwriting", str(not_one), str(picture), "-", "--json", stdin=png_of_a_stroke()
    )
    lines = [json.loads(line) for line in written.splitlines()]
    assert code == 1
    assert lines[0]["kind"] == "InvalidInputError"
    assert all("a" <= line["outputs"]["label"] <= "z" for line in lines[1:])
    assert len(lines) == 3


def png_of_a_stroke() -> bytes:
    image = Image.new("RGB", (80, 80), "white")
    ImageDraw.Draw(image).line((40, 10, 40, 70), fill="black", width=6)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
