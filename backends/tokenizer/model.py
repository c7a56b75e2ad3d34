"""Turn text into token ids with a vocabulary: a model's folder holds a config.pbtxt and 1/tokenizer.json.

Input: text BYTES (rows, 1), UTF-8.
Outputs, those that config.pbtxt declares: input_ids, attention_mask, token_type_ids (rows, tokens), rows
of one request padded to its longest; truncated_tokens (rows, 1), the count of tokens cut off, 0 for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.tensors import Array

# Outputs to the fields of a tokenizers.Encoding.
_ENCODING_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
_OUTPUTS = (*_ENCODING_FIELDS, "truncated_tokens")
_USUAL_PAD_TOKENS = ("[PAD]", "<pad>")
_ONE_MIB = 1 << 20


class TritonPythonModel(PythonModel):
    """One vocabulary; the texts of all requests of a batch are encoded in one call."""

    def setup(self) -> None:
        """Load the vocabulary and hold the configuration against it."""
        path = self.version_folder / (self.config["default_model_filename"] or "tokenizer.json")
        if not path.is_file():
            raise ConfigurationError(f"{path} is missing; get it with `tritonzoo pull {self.name}`")
        self._check_outputs()
        self._tokenizer = Tokenizer.from_file(str(path))
        self._fill = {"input_ids": self._find_pad_id(), "attention_mask": 0, "token_type_ids": 0}
        self._max_text_bytes = self.parameter("max_text_bytes", _ONE_MIB)
        self._tokenizer.no_padding()
        self._special_tokens = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        max_length = self.parameter("max_length", 0)
        if max_length == 0:
            self._tokenizer.no_truncation()
        elif max_length <= self._special_tokens:
            raise ConfigurationError(
                f"parameter 'max_length' is {max_length}, {self._special_tokens} of them special tokens;"
                " allow more, or write 0 for no limit"
            )
        else:
            self._tokenizer.enable_truncation(max_length)

    def infer_batch(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """Encode every readable text of the batch together; a request with an unreadable one fails alone."""
        texts: list[str] = []
        spans: list[slice | InvalidInput] = []
        for request in requests:
            try:
                readable = self._read(request["text"])
            except InvalidInput as error:
                spans.append(error)
            else:
                spans.append(slice(len(texts), len(texts) + len(readable)))
                texts += readable
        encodings = self._tokenizer.encode_batch_fast(texts)
        return [span if isinstance(span, InvalidInput) else self._answer(encodings[span]) for span in spans]

    def _read(self, text: Array) -> list[str]:
        """The texts of one request, or InvalidInput naming the row."""
        readable = []
        for row, content in enumerate(text[:, 0]):
            what = _named(row, len(text))
            if len(content) > self._max_text_bytes:
                raise InvalidInput(
                    f"{what} has {len(content)} bytes, more than the {self._max_text_bytes} that are allowed;"
                    " send it in parts"
                )
            try:
                decoded = content.decode()
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"{what} is not UTF-8 at byte {error.start} (0x{content[error.start]:02x});"
                    " encode it as UTF-8"
                ) from None
            if not decoded or decoded.isspace():
                raise InvalidInput(f"{what} is empty; send at least one word")
            readable.append(decoded)
        return readable

    def _answer(self, encodings: Sequence[Encoding]) -> Answer | InvalidInput:
        """The rectangle of one request."""
        lengths = [len(encoding) for encoding in encodings]
        if min(lengths) <= self._special_tokens:
            what = _named(lengths.index(min(lengths)), len(lengths))
            return InvalidInput(f"{what} holds nothing but invisible characters; send at least one word")
        outputs: dict[str, Array] = {}
        for name, spec in self.outputs.items():
            if name == "truncated_tokens":
                cut = [[self._cut_tokens(encoding)] for encoding in encodings]
                outputs[name] = np.array(cut, dtype=spec.dtype)
                continue
            rectangle = np.full((len(encodings), max(lengths)), self._fill[name], dtype=spec.dtype)
            for row, (encoding, length) in enumerate(zip(encodings, lengths, strict=True)):
                rectangle[row, :length] = getattr(encoding, _ENCODING_FIELDS[name])
            outputs[name] = rectangle
        return outputs

    def _cut_tokens(self, encoding: Encoding) -> int:
        """Tokens of the text beyond max_length; every overflowing part brings its own special tokens."""
        return sum(len(part) - self._special_tokens for part in encoding.overflowing)

    def _check_outputs(self) -> None:
        unknown = sorted(self.outputs.keys() - set(_OUTPUTS))
        if unknown:
            raise ConfigurationError(
                f"output {', '.join(unknown)} is none of this backend's; it has {', '.join(_OUTPUTS)}"
            )
        if self.parameter("max_length", 0) and "truncated_tokens" not in self.outputs:
            raise ConfigurationError(
                "parameter 'max_length' cuts texts, so the caller must be told; add the output"
                ' { name: "truncated_tokens" data_type: TYPE_INT32 dims: [ 1 ] }'
            )

    def _find_pad_id(self) -> int:
        """From the parameter 'pad_token', else from tokenizer.json."""
        named = self.parameter("pad_token", "")
        if not named and self._tokenizer.padding is not None:
            return int(self._tokenizer.padding["pad_id"])
        for token in (named,) if named else _USUAL_PAD_TOKENS:
            pad_id = self._tokenizer.token_to_id(token)
            if pad_id is not None:
                return int(pad_id)
        raise ConfigurationError(
            f"tokenizer.json has no token '{named}'"
            if named
            else "tokenizer.json names no padding token;"
            " name a token of its vocabulary in the parameter 'pad_token'"
        )


def _named(row: int, rows: int) -> str:
    return "text" if rows == 1 else f"row {row} of text"
