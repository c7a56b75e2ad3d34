"""The tokenizer backend, with a small WordPiece vocabulary made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.unit.answers import refused, served
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

BACKENDS = Path(__file__).parents[2] / "backends"
CONFIG = """
backend: "tokenizer"
max_batch_size: 16
input { name: "text" data_type: TYPE_STRING dims: [ 1 ] }
output [
  { name: "input_ids"        data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask"   data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "truncated_tokens" data_type: TYPE_INT32 dims: [ 1 ] }
]
"""
WORDS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "a", "red", "letter", "##s", "b"]
ID = {word: number for number, word in enumerate(WORDS)}


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(ID, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ID["[SEP]"]), ("[CLS]", ID["[CLS]"]))
    return tokenizer


def tokenizer_model(
    folder: Path, config: str = CONFIG, tokenizer: Any = None, **parameters: str
) -> LoadedModel:
    (folder / "1").mkdir()
    (folder / "config.pbtxt").write_text(config)
    (tokenizer or wordpiece()).save(str(folder / "1" / "tokenizer.json"))
    return load_model(folder, backends=BACKENDS, parameters=parameters)


def ids(*words: str) -> list[int]:
    return [ID[word] for word in words]


def test_a_text_becomes_its_tokens_between_the_special_ones(tmp_path: Path) -> None:
    answer = tokenizer_model(tmp_path).infer(text=[["A red letters"]])
    assert answer["input_ids"].tolist() == [ids("[CLS]", "a", "red", "letter", "##s", "[SEP]")]
    assert answer["attention_mask"].tolist() == [[1] * 6]
    assert answer["truncated_tokens"].tolist() == [[0]]
    assert answer["input_ids"].dtype == np.int64
    assert answer["truncated_tokens"].dtype == np.int32


def test_rows_of_a_request_are_padded_to_its_longest_and_other_requests_are_not(tmp_path: Path) -> None:
    two, one = tokenizer_model(tmp_path).infer_batch([{"text": [["a"], ["a red b"]]}, {"text": [["b"]]}])
    assert served(two)["input_ids"].tolist() == [
        ids("[CLS]", "a", "[SEP]", "[PAD]", "[PAD]"),
        ids("[CLS]", "a", "red", "b", "[SEP]"),
    ]
    assert served(two)["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert served(one)["input_ids"].tolist() == [ids("[CLS]", "b", "[SEP]")]


@pytest.mark.parametrize("words", [1, 2, 3, 4, 7, 50])
def test_tokens_cut_off_are_counted_without_the_special_ones(tmp_path: Path, words: int) -> None:
    answer = tokenizer_model(tmp_path, max_length="5").infer(text=[["red " * words]])
    kept = min(words, 3)
    assert answer["input_ids"].tolist() == [ids("[CLS]", *["red"] * kept, "[SEP]")]
    assert answer["truncated_tokens"].tolist() == [[words - kept]]


def test_without_max_length_nothing_is_cut(tmp_path: Path) -> None:
    answer = tokenizer_model(tmp_path).infer(text=[["red " * 3000]])
    assert answer["input_ids"].shape == (1, 3002)


def test_truncation_and_padding_saved_in_tokenizer_json_do_not_apply_unasked(tmp_path: Path) -> None:
    tokenizer = wordpiece()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=8, pad_id=ID["[PAD]"], pad_token="[PAD]")
    answer = tokenizer_model(tmp_path, tokenizer=tokenizer).infer(text=[["a red b a"]])
    assert answer["input_ids"].shape == (1, 6)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([b""], "text is empty"),
        ([b" \n\t"], "text is empty"),
        (["\u200b\u200e"], "text holds nothing but invisible characters"),
        ([b"ok", b"abc\xff"], "row 1 of text is not UTF-8 at byte 3 (0xff); encode it as UTF-8"),
        ([b"a" * 101], "text has 101 bytes, more than the 100 that are allowed; send it in parts"),
    ],
)
def test_a_text_that_cannot_be_read_fails_alone(tmp_path: Path, rows: list[bytes | str], words: str) -> None:
    model = tokenizer_model(tmp_path, max_text_bytes="100")
    good, bad, also_good = model.infer_batch(
        [{"text": [["a"]]}, {"text": [[row] for row in rows]}, {"text": [["red b"]]}]
    )
    assert refused(bad).code == "INVALID_ARG"
    assert words in refused(bad).message
    assert served(good)["input_ids"].tolist() == [ids("[CLS]", "a", "[SEP]")]
    assert served(also_good)["input_ids"].tolist() == [ids("[CLS]", "red", "b", "[SEP]")]


def test_a_batch_of_nothing_but_mistakes_is_answered(tmp_path: Path) -> None:
    answers = tokenizer_model(tmp_path).infer_batch([{"text": [[b""]]}, {"text": [[b"\xff"]]}])
    assert [isinstance(answer, TritonRequestError) for answer in answers] == [True, True]


def test_token_type_ids_and_other_integer_types_come_as_the_configuration_declares(tmp_path: Path) -> None:
    config = CONFIG.replace("INT64", "INT32").replace("attention_mask", "token_type_ids")
    answer = tokenizer_model(tmp_path, config).infer(text=[["a"], ["a b"]])
    assert answer["token_type_ids"].tolist() == [[0] * 4] * 2
    assert answer["input_ids"].dtype == np.int32


@pytest.mark.parametrize(
    ("config", "parameters", "words"),
    [
        (
            CONFIG.replace("attention_mask", "mask"),
            {},
            "output mask is none of this backend's; it has input_ids",
        ),
        (CONFIG, {"max_length": "2"}, "2 of them special tokens"),
        (CONFIG, {"pad_token": "<none>"}, "tokenizer.json has no token '<none>'"),
        (CONFIG.replace("truncated_tokens", "token_type_ids"), {"max_length": "9"}, "add the output"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    tmp_path: Path, config: str, parameters: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        tokenizer_model(tmp_path, config, **parameters)
    assert words in str(raised.value)


def test_a_missing_vocabulary_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_text(CONFIG)
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json is missing; get it with `tritonzoo pull"):
        load_model(tmp_path, backends=BACKENDS)
