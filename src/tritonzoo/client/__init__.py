"""The typed client: `Client` waits, `AsyncClient` awaits; both over gRPC or HTTP."""

from tritonzoo.client.asynchronous import AsyncClient
from tritonzoo.client.blocking import Client
from tritonzoo.client.description import Pipeline, Tensor
from tritonzoo.client.fake import FakeTransport
from tritonzoo.client.results import Letter, Sentiment, TextTruncated
from tritonzoo.client.transcription import Segment, StreamedSegment, Transcription, Word
from tritonzoo.client.vad import AsyncSpeechStream, Speech, SpeechEvent, SpeechStream, VoiceActivity

__all__ = [
    "AsyncClient",
    "AsyncSpeechStream",
    "Client",
    "FakeTransport",
    "Letter",
    "Pipeline",
    "Segment",
    "Sentiment",
    "Speech",
    "SpeechEvent",
    "SpeechStream",
    "StreamedSegment",
    "Tensor",
    "TextTruncated",
    "Transcription",
    "VoiceActivity",
    "Word",
]
