"""Transcribe many recordings side by side, each written when it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from tritonzoo.client import Client, StreamedSegment, Transcription
from tritonzoo.client.transcription import STREAM
from tritonzoo.errors import CallError, InvalidInputError, UnavailableError
from tritonzoo.progress import console
from tritonzoo.transcribe.progress import AudioProgress
from tritonzoo.transcribe.recordings import Recording, duration_s, recordings, write_whole

WRITERS: dict[str, Callable[[Transcription], str]] = {
    "srt": Transcription.to_srt,
    "vtt": Transcription.to_vtt,
    "json": Transcription.to_json,
    "tsv": Transcription.to_tsv,
    "txt": Transcription.to_txt,
}
SEGMENT_TIMEOUT_S = 600.0  # from one segment to the next; silence has none


@dataclass(frozen=True)
class TranscribeOptions:
    """What `tritonzoo transcribe` was told.

    Attributes:
        formats: of WRITERS; one file each.
        output: the folder to write to; None: beside each recording.
        jobs: recordings at work at once.
        force: also those whose files are there already.
        language, task, prompt, word_timestamps, vad: as in `Client.transcribe`.
    """

    formats: tuple[str, ...] = ("srt",)
    output: Path | None = None
    jobs: int = 2
    force: bool = False
    language: str | None = None
    task: str = "transcribe"
    prompt: str | None = None
    word_timestamps: bool = False
    vad: bool = True

    def __post_init__(self) -> None:
        unknown = [each for each in self.formats if each not in WRITERS]
        if unknown or not self.formats:
            named = unknown[0] if unknown else ""
            raise InvalidInputError(f"there is no format {named!r}; there are {', '.join(WRITERS)}")
        if self.task not in ("transcribe", "translate"):
            raise InvalidInputError(f"there is no task {self.task!r}; there are transcribe, translate")
        if self.jobs < 1:
            raise InvalidInputError(f"jobs is {self.jobs}; give 1 or more")


def transcribe(
    sources: Sequence[Path],
    options: TranscribeOptions,
    *,
    url: str = "localhost:8001",
    client: Client | None = None,
) -> bool:
    """Transcribe files and folders of them; True when every recording is written.

    A recording that fails is reported and does not stop the others; one whose files are there already is
    skipped, so an interrupted run goes on where it was. Raises CallError where no server answers.
    """
    found = recordings(sources, options.formats, options.output)
    waiting = [each for each in found if options.force or not each.is_done]
    if len(waiting) < len(found):
        console.print(
            f"{len(found) - len(waiting)} of {len(found)} are written already (--force does them again)"
        )
    if not waiting:
        return True
    client = client or Client(url, timeout_s=SEGMENT_TIMEOUT_S)
    client.describe(STREAM)  # one clear error in place of one for each recording
    run = _Run(client, options)
    failed = run.all_of(waiting)
    done = len(waiting) - len(failed)
    console.print(f"{done} of {len(waiting)} recordings transcribed, {run.seconds:.0f} s of audio")
    return not failed


class _Run:
    """The recordings of one call of the command."""

    def __init__(self, client: Client, options: TranscribeOptions) -> None:
        self._client, self._options = client, options
        self._stopped = threading.Event()
        self.seconds = 0.0  # of audio, transcribed

    def all_of(self, waiting: Sequence[Recording]) -> list[Recording]:
        """The recordings that failed."""
        failed = []
        durations_s = [duration_s(each.path) for each in waiting]
        with AudioProgress(durations_s) as bar:
            pool = ThreadPoolExecutor(self._options.jobs)
            try:
                futures = {
                    pool.submit(self._one, each, number, durations_s[number], bar): each
                    for number, each in enumerate(waiting)
                }
                for future in as_completed(futures):
                    recording = futures[future]
                    try:
                        self.seconds += future.result()
                    except (CallError, OSError) as error:
                        failed.append(recording)
                        bar.print(f"[red]✗[/] {escape(str(recording.path))}: {escape(str(error))}")
                        if isinstance(error, UnavailableError):
                            raise
            finally:  # also Ctrl-C: what is at work ends at its next segment, and writes nothing
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
        return failed

    def _one(self, recording: Recording, number: int, known_s: float | None, bar: AudioProgress) -> float:
        """Transcribe one recording (`known_s` long, if known) and write its files; gives its seconds."""
        options = self._options
        segments: list[StreamedSegment] = []
        stream = self._client.transcribe_stream(
            recording.path,
            language=options.language,
            task="translate" if options.task == "translate" else "transcribe",
            prompt=options.prompt,
            word_timestamps=options.word_timestamps,
            vad=options.vad,
        )
        with bar.recording(number, recording.path.name), closing(stream):
            for segment in stream:
                if self._stopped.is_set():
                    return 0.0
                segments.append(segment)
                bar.at(number, segment.transcribed_s, segment.read_s)
        transcript = Transcription.from_segments(segments, known_s)
        for path, kind in zip(recording.outputs, options.formats, strict=True):
            write_whole(path, WRITERS[kind](transcript))
        return transcript.duration_s
