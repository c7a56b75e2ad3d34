"""What is sent to each pipeline: its real samples, short and long, and requests that are wrong.

The pool is made once and each of it is sent before anything is watched, so nothing larger comes later.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tritonzoo.bench.inputs import inputs_of
from tritonzoo.client.description import Pipeline
from tritonzoo.client.recordings import recording_file
from tritonzoo.client.tensors import as_arrays
from tritonzoo.client.transport import Array
from tritonzoo.repository import Repository
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform
from tritonzoo.samples import samples

Kind = Literal["once", "streamed", "live"]  # one answer; several; chunks of a live stream

TEXTS = 24  # of each pipeline that takes text
WORDS = (2, 400)  # the longest has more tokens than the starter's encoder takes, so some are cut
CUTS = 8  # of sound, beside the files as they are
SECONDS = (0.5, 60.0)
LIVE_SECONDS = (0.5, 12.0)  # of a stream, which is sent as fast as it is answered
CHUNK_S = (0.05, 0.5)  # of a live stream


@dataclass(frozen=True)
class Asked:
    """One request, or the chunks of one live stream."""

    name: str
    inputs: Mapping[str, Array]
    chunks: Sequence[NDArray[np.float32]] = ()  # of a live stream: `waveform`, one after the other

    @property
    def bytes(self) -> int:
        """That are sent."""
        sizes = (
            array.nbytes if array.dtype != object else sum(map(len, array.flat)) for array in self._arrays
        )
        return sum(sizes)

    @property
    def _arrays(self) -> Sequence[Array]:
        return [*self.inputs.values(), *self.chunks]


@dataclass(frozen=True)
class Pool:
    """What may be sent to one pipeline."""

    good: Sequence[Asked]
    bad: Sequence[Asked]


@dataclass(frozen=True)
class Sources:
    """The samples of the whole tree, by the tensor that they go into."""

    texts: Sequence[str]
    sound: NDArray[np.float32]  # all recordings, one after the other
    recordings: Sequence[tuple[str, bytes]]

    @classmethod
    def of(cls, tree: Repository) -> Sources:
        """Read data_samples/."""
        found = [sample for pipeline in tree.pipelines.values() for sample in samples(tree, pipeline)]
        recordings = [
            (sample.path.name, sample.path.read_bytes())
            for sample in found
            if sample.tensor == "audio" and sample.path is not None
        ]
        sound = [waveform(content) for _, content in recordings]
        return cls(
            texts=[sample.text for sample in found if sample.text],
            sound=np.concatenate(sound) if sound else np.zeros(SAMPLE_RATE_HZ, np.float32),
            recordings=recordings,
        )


def pool(pipeline: Pipeline, sources: Sources, kind: Kind, seed: int) -> Pool:
    """The requests for one pipeline.

    Raises BenchError where neither the tree's samples nor data_samples/<pipeline> fit it.
    """
    draw = random.Random(f"{seed} {pipeline.name}")
    if kind == "live":
        good = [
            Asked(f"{sound.size / SAMPLE_RATE_HZ:.1f} s", {}, list(_chunks(sound, draw)))
            for sound in _cuts(sources.sound, LIVE_SECONDS, draw)
        ]
        return Pool(good, [Asked("a chunk of no stream", {"waveform": np.zeros(512, np.float32)})])
    main = next((name for name in ("text", "audio") if pipeline.input(name) is not None), "")
    values: Iterator[tuple[str, Mapping[str, object]]]
    if main == "text" and sources.texts:
        texts = _texts(sources.texts, draw)
        values = (
            (f"text {number}, {len(text.split())} words", {"text": text})
            for number, text in enumerate(texts, 1)
        )
    elif main == "audio" and sources.recordings:
        values = itertools.chain(
            ((name, {"audio": content}) for name, content in sources.recordings),
            (
                (f"{sound.size / SAMPLE_RATE_HZ:.1f} s", {"waveform": sound})
                for sound in (_cuts(sources.sound, SECONDS, draw) if pipeline.input("waveform") else ())
            ),
        )
    else:
        values = ((one.name, one.values) for one in inputs_of(pipeline, None, None))
    good = [Asked(name, as_arrays(pipeline, value)) for name, value in values]
    if kind == "streamed":  # over HTTP in JSON, which the client spares samples: they go as a WAV file
        good = [
            Asked(asked.name, recording_file(asked.inputs["waveform"]))
            if "waveform" in asked.inputs
            else asked
            for asked in good
        ]
    return Pool(good, list(_bad(pipeline, kind, good)))


def _bad(pipeline: Pipeline, kind: Kind, good: Sequence[Asked]) -> Iterator[Asked]:
    """The caller's mistakes: one that any pipeline refuses, and wrong contents of texts and files."""
    if kind == "once":  # over a gRPC stream Triton says this without its status
        yield Asked("an unknown input", {**good[0].inputs, "nobody_knows_this": np.zeros(1, np.float32)})
    wrong = {
        "text": {"empty": b"", "blank": b" \n\t", "no UTF-8": b"caf\xe9 noir"},
        "image": {"empty": b"", "no picture": b"Dear diary, today I drew an a.\n"},
        "audio": {"empty": b"", "no sound": b"Dear diary, today I sang an a.\n" * 40},
    }
    for tensor, contents in wrong.items():
        if pipeline.input(tensor) is not None:
            for name, content in contents.items():
                yield Asked(name, as_arrays(pipeline, {tensor: content}))


def _texts(lines: Sequence[str], draw: random.Random) -> Iterator[str]:
    words = [word for line in lines for word in line.split()]
    for count in _spread(*WORDS, TEXTS):
        start = draw.randrange(len(words))
        yield " ".join(itertools.islice(itertools.cycle(words), start, start + round(count)))


def _cuts(
    sound: NDArray[np.float32], between_s: tuple[float, float], draw: random.Random
) -> Iterator[NDArray[np.float32]]:
    for seconds in _spread(*between_s, CUTS):
        size, start = round(seconds * SAMPLE_RATE_HZ), draw.randrange(sound.size)
        yield np.resize(np.roll(sound, -start), size)


def _chunks(sound: NDArray[np.float32], draw: random.Random) -> Iterator[NDArray[np.float32]]:
    """All of it in pieces of any length."""
    start = 0
    while start < sound.size:
        size = round(draw.uniform(*CHUNK_S) * SAMPLE_RATE_HZ)
        yield sound[start : start + size]
        start += size


def _spread(least: float, most: float, count: int) -> Iterator[float]:
    """Evenly on a logarithmic scale, both ends in it."""
    step = math.log(most / least) / (count - 1)
    return (least * math.exp(step * index) for index in range(count))
