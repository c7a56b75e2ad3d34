"""faster-whisper, or transformers, behind the thinnest HTTP server: neither brings one of its own.

    python serve.py faster-whisper MODEL PORT --compute-type int8 --workers 1 --threads 2
    python serve.py faster-whisper MODEL PORT --compute-type int8 --batch 8
    python serve.py transformers MODEL PORT --threads 2

With --batch, requests that wait are given to faster-whisper's `BatchedInferencePipeline` together, each as
one clip of one recording; without it, each goes to `WhisperModel.transcribe` by itself, as its users call it.

POST /transcribe?tokens=64 takes a WAV file of 16 kHz mono of up to 30 s and writes exactly so many tokens.
Runs in an environment of its own (requirements.txt).
"""

from __future__ import annotations

import argparse
import io
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import soundfile
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

Transcribe = Callable[[Any, int], dict[str, Any]]


def faster_whisper(model: str, compute_type: str, workers: int, threads: int, batch: int) -> Transcribe:
    """Greedy, no timestamps, no fallback, the end of text forbidden: the same work as ours."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    whisper = WhisperModel(
        model, device="cpu", compute_type=compute_type, cpu_threads=threads, num_workers=workers
    )
    # The end of text and the timestamps, which would part the text and begin windows anew.
    specials = range(whisper.hf_tokenizer.token_to_id("<|endoftext|>"), whisper.hf_tokenizer.get_vocab_size())

    def options(tokens: int) -> dict[str, Any]:
        return {
            "language": "en",
            "beam_size": 1,
            "temperature": 0.0,
            "without_timestamps": True,
            "condition_on_previous_text": False,
            "compression_ratio_threshold": None,
            "log_prob_threshold": None,
            "no_speech_threshold": None,
            "suppress_tokens": list(specials),
            # CTranslate2 halves the length that it is given, which has the four tokens of the prompt.
            "max_new_tokens": 2 * (tokens + 1) - 4,
            "vad_filter": False,
        }

    def alone(samples: Any, tokens: int) -> dict[str, Any]:
        segments, _ = whisper.transcribe(samples, **options(tokens))
        return {"tokens": sum(len(segment.tokens) for segment in segments)}

    def together(recordings: list[Any], tokens: int) -> list[int]:
        """The tokens of each recording, all of them clips of one."""
        clips, start = [], 0
        for samples in recordings:
            clips.append({"start": start / 16_000, "end": (start + len(samples)) / 16_000})
            start += len(samples)
        segments, _ = BatchedInferencePipeline(whisper).transcribe(
            np.concatenate(recordings), clip_timestamps=clips, batch_size=batch, **options(tokens)
        )
        counts = [0] * len(recordings)
        for segment in segments:
            counts[int(segment.start // clips[0]["end"])] += len(segment.tokens)
        return counts

    return batched(together, batch) if batch else alone


def batched(together: Callable[[list[Any], int], list[int]], most: int) -> Transcribe:
    """Requests that wait are transcribed at once, up to `most`; those that come meanwhile come next."""
    waiting: queue.Queue[tuple[Any, int, Future[int]]] = queue.Queue()

    def work() -> None:
        while True:
            taken = [waiting.get()]
            while len(taken) < most and not waiting.empty():
                taken.append(waiting.get())
            try:
                counts = together([samples for samples, _, _ in taken], taken[0][1])
            except Exception as error:  # noqa: BLE001  each caller is told
                for _, _, answer in taken:
                    answer.set_exception(error)
                continue
            for (_, _, answer), count in zip(taken, counts, strict=True):
                answer.set_result(count)

    threading.Thread(target=work, daemon=True).start()

    def transcribe(samples: Any, tokens: int) -> dict[str, Any]:
        answer: Future[int] = Future()
        waiting.put((samples, tokens, answer))
        return {"tokens": answer.result()}

    return transcribe


def transformers(model: str, threads: int) -> Transcribe:
    """`generate` in float32, one request at a time."""
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.set_num_threads(threads)
    extractor = WhisperFeatureExtractor()
    whisper = WhisperForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
    # The end of text and the timestamps, which would begin windows anew.
    specials = list(range(whisper.generation_config.eos_token_id, whisper.config.vocab_size))
    lock = threading.Lock()

    def transcribe(samples: Any, tokens: int) -> dict[str, Any]:
        with lock, torch.no_grad():
            features = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features
            written = whisper.generate(
                features,
                language="en",
                task="transcribe",
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                suppress_tokens=specials,
            )
        return {"tokens": int(written.shape[-1])}

    return transcribe


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=["faster-whisper", "transformers"])
    parser.add_argument("model")
    parser.add_argument("port", type=int)
    parser.add_argument("--compute-type", default="float32")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=0, help="requests together at most; 0: each by itself")
    arguments = parser.parse_args()
    if arguments.engine == "transformers":
        transcribe = transformers(arguments.model, arguments.threads)
    else:
        transcribe = faster_whisper(
            arguments.model, arguments.compute_type, arguments.workers, arguments.threads, arguments.batch
        )
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/transcribe")
    async def post(request: Request, tokens: int) -> dict[str, Any]:
        samples, _ = soundfile.read(io.BytesIO(await request.body()), dtype="float32")
        return await run_in_threadpool(transcribe, np.ascontiguousarray(samples), tokens)

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
