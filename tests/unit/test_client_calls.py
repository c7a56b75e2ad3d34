"""What the client asks and answers, over a server that is a dictionary of functions."""

from __future__ import annotations

import asyncio
import warnings

import numpy as np
import pytest

from tests.unit.client_pipelines import EMBEDDING, SENTIMENT, fake, vector
from tritonzoo import Client
from tritonzoo.client import FakeTransport, Letter, Pipeline, Sentiment, Tensor, TextTruncated
from tritonzoo.client import rows as rows_module
from tritonzoo.errors import InvalidInputError, NotFoundError, ServerFaultError


def test_many_texts_go_in_batches_of_the_servers_size_and_come_back_in_order():
    transport = fake()
    texts = [chr(97 + i) * (i + 1) for i in range(10)]
    vectors = Client(transport=transport).embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [vector(text.encode()) for text in texts]
    assert sorted(len(inputs["text"]) for _, inputs in transport.requests) == [2, 4, 4]


def test_large_pictures_travel_in_small_company():
    transport = fake()
    pictures = [b"PNG" + bytes([97 + i]) + b"\0" * (3 * 2**20 if i == 1 else 2**20) for i in range(4)]
    letters = Client(transport=transport).handwriting(pictures)
    assert [letter.label for letter in letters] == ["a", "b", "c", "d"]
    assert sorted(len(inputs["image"]) for _, inputs in transport.requests) == [1, 1, 2]


def test_one_text_gives_one_row_and_no_texts_give_none_of_the_right_width():
    client = Client(transport=fake())
    assert client.embed("abc").tolist() == [vector(b"abc")]
    assert client.embed([]).shape == (0, 2)
    assert client.embed(text for text in ("a", "bc")).shape == (2, 2)


def test_the_width_of_no_texts_is_the_declared_one_where_the_server_declares_it():
    fixed = Pipeline("ensemble_embedding", EMBEDDING.inputs, (Tensor("embedding", "FP32", (384,)),), 4)
    transport = FakeTransport({fixed: lambda inputs: {}})
    assert Client(transport=transport).embed([]).shape == (0, 384)
    assert transport.requests == []


def test_one_in_one_out_many_in_many_out(tmp_path):
    client = Client(transport=fake())
    (tmp_path / "q.png").write_bytes(b"PNGq")
    assert client.sentiment("good") == Sentiment("positive", 0.75, (0.25, 0.75))
    assert [answer.label for answer in client.sentiment(["good", "bad"])] == ["positive", "negative"]
    letter = client.handwriting(tmp_path / "q.png")
    assert isinstance(letter, Letter)
    assert (letter.label, letter.score, sum(letter.probabilities)) == ("q", 1.0, 1.0)
    assert [answer.label for answer in client.handwriting([str(tmp_path / "q.png"), b"PNGz"])] == ["q", "z"]
    assert client.sentiment([]) == []


@pytest.mark.parametrize("row", [0, 3, 5, 9])
def test_a_refused_text_is_named_by_its_row(row):
    texts = ["fine"] * 10
    texts[row] = ""
    with pytest.raises(InvalidInputError) as refusal:
        Client(transport=fake()).embed(texts)
    assert refusal.value.row == row
    assert refusal.value.sentence == "text is empty; send at least one character"
    assert str(refusal.value) == f"input {row}: text is empty; send at least one character"


def test_a_lone_input_that_is_refused_has_no_row():
    for call in (Client(transport=fake()).embed, Client(transport=fake()).sentiment):
        with pytest.raises(InvalidInputError) as refusal:
            call("")
        assert refusal.value.row is None
        assert str(refusal.value) == "text is empty; send at least one character"


def test_the_others_are_answered_where_exceptions_are_returned():
    client = Client(transport=fake())
    answers = client.handwriting(
        [b"PNGa", b"junk", "gone.png", b"PNGd", b"PNGe", b"PNGf"], return_exceptions=True
    )
    assert [getattr(answer, "label", None) for answer in answers] == ["a", None, None, "d", "e", "f"]
    assert [answers[1].row, answers[2].row] == [1, 2]
    assert "not a PNG" in answers[1].sentence
    assert "no file 'gone.png'" in answers[2].sentence
    vectors = client.embed(["a", "", "ccc"], return_exceptions=True)
    assert vectors[0].tolist() == vector(b"a")
    assert isinstance(vectors[1], InvalidInputError)
    assert vectors[2].tolist() == vector(b"ccc")


def test_a_text_that_was_cut_is_warned_of_by_row_and_number_of_tokens_at_the_callers_line():
    with pytest.warns(TextTruncated) as caught:
        Client(transport=fake()).embed(["short"] * 5 + ["x" * 27, "x" * 23])
    (warning,) = caught
    assert warning.message.truncated == {5: 7, 6: 3}
    assert "2 of 7 texts" in str(warning.message)
    assert "text 5 lost 7 tokens, text 6 lost 3 tokens" in str(warning.message)
    assert warning.filename == __file__


def test_a_text_that_fits_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(transport=fake()).embed(["short"])


def test_a_warning_names_five_texts_and_counts_the_rest():
    assert "text 4 lost 1 tokens and 3 more;" in str(TextTruncated(dict.fromkeys(range(8), 1), 8))


def test_infer_takes_and_gives_named_arrays_with_the_servers_dtypes():
    transport = fake()
    client = Client(transport=transport)
    assert client.infer("double", {"x": [1, 2]})["y"].tolist() == [2.0, 4.0]
    assert transport.requests[-1][1]["x"].dtype == np.float32
    assert client.infer("ensemble_sentiment", {"text": "good"})["label"].tolist() == [[b"positive"]]


def test_pipelines_are_ensembles_and_what_is_named_like_one():
    assert Client(transport=fake()).pipelines() == [
        "ensemble_embedding",
        "ensemble_sentiment",
        "ensemble_handwriting",
    ]


def test_an_unknown_pipeline_is_told_with_those_there_are_and_the_one_that_may_be_meant():
    with pytest.raises(NotFoundError) as error:
        Client(transport=fake()).infer("ensemble_sentimnet", {"text": "a"})
    assert "did you mean 'ensemble_sentiment'?" in str(error.value)
    assert "pipelines ensemble_embedding, ensemble_sentiment, ensemble_handwriting" in str(error.value)
    with pytest.raises(NotFoundError) as error:
        Client(transport=fake()).describe("ensemble_vad")
    assert "did you mean" not in str(error.value)


@pytest.mark.parametrize("rows", [1, 3])
def test_an_answer_that_lacks_a_row_or_an_output_is_the_servers_fault(rows):
    short = {"label": np.array([[b"a"]] * rows, object), "score": np.ones((rows, 1), np.float32)}
    with pytest.raises(ServerFaultError, match="without probabilities"):
        Client(transport=FakeTransport({SENTIMENT: lambda inputs: short})).sentiment(["a", "b"])
    whole = {**short, "probabilities": np.ones((rows, 2), np.float32)}
    with pytest.raises(ServerFaultError, match=f"asked for 2 rows and gave {rows}"):
        Client(transport=FakeTransport({SENTIMENT: lambda inputs: whole})).sentiment(["a", "b"])


def test_a_server_that_comes_back_with_another_batch_size_is_asked_anew():
    transport = fake()
    client = Client(transport=transport)
    client.embed(["a"])
    smaller = Pipeline(EMBEDDING.name, EMBEDDING.inputs, EMBEDDING.outputs, max_batch_size=1)
    answer = transport.pipelines[EMBEDDING]

    def strict(inputs):
        if len(inputs["text"]) > 1:
            raise InvalidInputError("inference request batch-size must be <= 1")
        return answer(inputs)

    transport.pipelines = {smaller: strict}
    assert client.embed(["a", "bb"]).tolist() == [vector(b"a"), vector(b"bb")]
    transport.requests.clear()
    client.embed(["a", "bb", "ccc"])
    assert [len(inputs["text"]) for _, inputs in transport.requests] == [1, 1, 1]


def test_rows_of_an_unbatched_pipeline_are_requests_of_their_own():
    unbatched = Pipeline("p", EMBEDDING.inputs, (Tensor("n", "INT32", (1,)),), max_batch_size=0)
    shapes = []

    async def request(inputs):
        shapes.append(inputs["text"].shape)
        return {"n": np.array([len(inputs["text"][0])])}

    values = [b"a", b"bb", b"ccc"]
    rows = asyncio.run(
        rows_module.ask_rows(request, unbatched, "text", values, in_flight=2, return_exceptions=False)
    )
    assert [row["n"].item() for row in rows] == [1, 2, 3]
    assert shapes == [(1,)] * 3
