"""The typed client: `Client` waits, `AsyncClient` awaits; both over gRPC or HTTP."""

from tritonzoo.client.asynchronous import AsyncClient
from tritonzoo.client.blocking import Client
from tritonzoo.client.description import Pipeline, Tensor
from tritonzoo.client.fake import FakeTransport
from tritonzoo.client.results import Letter, Sentiment, TextTruncated

__all__ = [
    "AsyncClient",
    "Client",
    "FakeTransport",
    "Letter",
    "Pipeline",
    "Sentiment",
    "Tensor",
    "TextTruncated",
]
