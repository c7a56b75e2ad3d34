"""A file that came in a request: its raw bytes, or base64 text of them, told apart by content."""

from __future__ import annotations

import base64
import binascii
import re

from tritonzoo.runtime.errors import InvalidInput

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= \t\r\n"
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_DATA_URL = re.compile(rb"\s*data:[^,]{0,200};base64,", re.IGNORECASE)


def file_bytes(data: bytes, what: str) -> bytes:
    """The bytes of the file in `data`, which holds them as they are or as base64 text.

    Base64 may be standard or URL-safe (RFC 4648), broken over lines, unpadded, or the body of a
    `data:...;base64,` URL. Files of pictures and sound always hold bytes outside the base64 alphabet,
    so content decides and the caller need not say which it sent.

    what: the tensor's name, for the error's sentence.
    Raises InvalidInput when there are no bytes, or base64 text that does not decode.
    """
    if not data.strip():
        raise InvalidInput(f"{what} is empty; send the bytes of a file, or base64 text of them")
    url = _DATA_URL.match(data)
    text = data[url.end() :] if url else data
    if text.translate(None, _BASE64_ALPHABET):  # something outside the alphabet is left: not base64
        if url:
            raise InvalidInput(
                f"{what} is a data URL whose body is not base64; encode the file's bytes again"
            )
        return data
    digits = b"".join(text.split()).translate(_URL_SAFE_TO_STANDARD).rstrip(b"=")
    try:
        decoded = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        raise InvalidInput(
            f"{what} is base64 text of {len(digits)} digits that does not decode: part of it is missing or "
            "changed; encode the file's bytes again"
        ) from None
    if not decoded:
        raise InvalidInput(f"{what} is a data URL with no body; put the file's base64 text after the comma")
    return decoded
