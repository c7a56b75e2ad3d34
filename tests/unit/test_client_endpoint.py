"""Addresses as people write them."""

from __future__ import annotations

import pytest

from tritonzoo.client.endpoint import Endpoint


@pytest.mark.parametrize(
    ("url", "protocol", "means"),
    [
        ("localhost:8001", None, "grpc://localhost:8001"),
        ("localhost", None, "grpc://localhost:8001"),
        ("localhost", "http", "http://localhost:8000"),
        ("127.0.0.1:9000", "http", "http://127.0.0.1:9000"),
        ("grpc://host:1", None, "grpc://host:1"),
        ("grpc://host", "grpc", "grpc://host:8001"),
        ("grpcs://host:1", None, "grpcs://host:1"),
        ("http://host", None, "http://host:8000"),
        ("https://host/triton/", None, "https://host:443/triton"),
        ("http://[::1]:8000", None, "http://[::1]:8000"),
    ],
)
def test_an_address_says_its_protocol_and_the_rest_is_usual(url, protocol, means):
    assert str(Endpoint.parse(url, protocol)) == means


@pytest.mark.parametrize(
    ("url", "protocol", "complaint"),
    [
        ("http://host:1", "grpc", "says http and protocol says grpc"),
        ("ftp://host", None, "scheme 'ftp'"),
        ("host:port", None, "cannot be read"),
        ("host:99999", None, "cannot be read"),
        ("", None, "not host:port"),
        ("http://host?x=1", None, "not host:port"),
        ("grpc://host:1/path", None, "has a path"),
        ("host:1", "rest", "give 'grpc' or 'http'"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_with_an_example_or_the_choices(url, protocol, complaint):
    with pytest.raises(ValueError, match=complaint):
        Endpoint.parse(url, protocol)
