"""One load put on the server, and what was seen of it, window by window."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tritonzoo.bench import perf_analyzer
from tritonzoo.bench.accuracy import Accuracy, accuracy, measured_output, told
from tritonzoo.bench.calls import Caller, Made
from tritonzoo.bench.figures import Point, Window
from tritonzoo.bench.generator import Call, Generator
from tritonzoo.bench.inputs import Input
from tritonzoo.bench.latency import Latency
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.resources import Processor, memory_bytes, processor
from tritonzoo.bench.target import Target
from tritonzoo.bench.triton_statistics import Counts, counts, difference
from tritonzoo.client.description import Pipeline
from tritonzoo.client.tensors import as_arrays
from tritonzoo.client.triton import TritonTransport
from tritonzoo.errors import BenchError
from tritonzoo.runtime.counters import Counted, read_counters

MOST_TRIED = 64  # inputs that are sent once before any load


@dataclass(frozen=True)
class Reading:
    """Everything that counts upwards, at one moment."""

    at_s: float  # of time.perf_counter
    steps: Mapping[str, Counts]
    processor: Processor
    padding: Mapping[str, Counted]


class Measurement:
    """The requests to one pipeline, and the server that they go to."""

    def __init__(
        self,
        target: Target,
        transport: TritonTransport,
        caller: Caller,
        pipeline: Pipeline,
        inputs: Sequence[Input],
        options: BenchOptions,
    ) -> None:
        self._target = target
        self._transport = transport
        self._caller = caller
        self._inputs = inputs
        self._options = options
        self._output = measured_output(pipeline) if any(one.label is not None for one in inputs) else ""
        self._pipeline = pipeline
        self._tensors = [as_arrays(pipeline, one.values) for one in inputs]
        self._requests = [caller.make(pipeline.name, one, options.parameters) for one in self._tensors]

    @property
    def requests(self) -> Sequence[Made]:
        """As they are sent."""
        return self._requests

    async def try_each(self) -> None:
        """Send the first inputs once: wrong ones are told before the load, and the server is warm after.

        Raises BenchError with the server's own sentence.
        """
        for one, request in list(zip(self._inputs, self._requests, strict=True))[:MOST_TRIED]:
            reply = await self._caller.send(request)
            if reply.error:
                raise BenchError(f"{one.name}: {reply.error}; mend this input, or take it away")

    async def under(self, load: Load) -> Point:
        """Warm up under the load, then measure one window after the other without a pause."""
        kept = [one.label is not None for one in self._inputs]
        generator = Generator(self._caller, self._requests, kept, self._options.seed)
        running = asyncio.create_task(generator.run(load, self._options.arrivals))
        await _while(running, self._options.warmup_s)
        readings, memory = [await self.read()], []
        for _ in range(self._options.repeats):
            await _while(running, self._options.seconds)
            readings.append(await self.read())
            memory.append(await self.memory_bytes())
        generator.stop()
        await running
        windows = [
            self._window(load, generator.calls, *span, after)
            for span, after in zip(itertools.pairwise(readings), memory, strict=True)
        ]
        errors = [call.reply.error for call in generator.calls if call.reply.error]
        return Point(load, windows, errors[0] if errors else "")

    async def by_perf_analyzer(self, load: Load) -> Point:
        """The same, loaded by perf_analyzer; what Triton counts includes what it sends to warm up."""
        program, pipeline = perf_analyzer.find(), self._pipeline
        data = perf_analyzer.input_data(pipeline, self._tensors)
        windows = []
        for _ in range(self._options.repeats):
            before = await self.read()
            run = await perf_analyzer.run(
                program, pipeline.name, self._target.endpoint, load, self._options, data
            )
            after = await self.read()
            lasted_s, used = after.at_s - before.at_s, after.processor - before.processor
            steps = difference(after.steps, before.steps)
            asked = max(len(run.latencies_s), steps.get(pipeline.name, Counts()).requests)
            windows.append(
                Window(
                    seconds=run.seconds,
                    answered=len(run.latencies_s),
                    errors=0,  # one ends perf_analyzer
                    latency=Latency.of(run.latencies_s),
                    steps=steps,
                    padding=_waste(after.padding, before.padding),
                    cpu_s_per_request=None if used.server_s is None else used.server_s / asked,
                    memory_bytes=await self.memory_bytes(),
                    generator_cores=used.generator_s / lasted_s,
                    other_cores=None if used.others_s is None else used.others_s / lasted_s,
                )
            )
        return Point(load, windows)

    async def read(self) -> Reading:
        """All counters now."""
        steps = counts(await self._transport.statistics())
        pids = self._target.pids() if self._target.pids is not None else None
        folder = self._target.counters_folder
        padding = read_counters(folder) if folder is not None else {}
        return Reading(time.perf_counter(), steps, processor(pids), padding)

    async def memory_bytes(self) -> int | None:
        """Of the server's processes; in a thread, for it takes milliseconds that the load would notice."""
        if self._target.pids is None:
            return None
        return await asyncio.to_thread(memory_bytes, self._target.pids())

    def _window(
        self, load: Load, calls: Sequence[Call], before: Reading, after: Reading, memory: int | None
    ) -> Window:
        seconds = after.at_s - before.at_s
        done = [call for call in calls if before.at_s < call.done_s <= after.at_s]
        due = [call for call in calls if before.at_s < call.due_s <= after.at_s]
        # Who waits for answers is measured by those that came; what comes by itself, by all that was due.
        of_load = done if load.kind == "concurrency" else due
        answered = [call for call in done if not call.reply.error]
        used = after.processor - before.processor
        audio = [self._inputs[call.input].audio_s for call in answered]
        known = [one for one in audio if one is not None]
        return Window(
            seconds=seconds,
            answered=len(answered),
            errors=sum(bool(call.reply.error) for call in of_load),
            latency=Latency.of(call.latency_s for call in of_load if not call.reply.error),
            steps=difference(after.steps, before.steps),
            padding=_waste(after.padding, before.padding),
            cpu_s_per_request=used.server_s / len(answered)
            if answered and used.server_s is not None
            else None,
            memory_bytes=memory,
            audio_s_per_s=sum(known) / seconds if known else None,
            accuracy=self._accuracy(answered),
            generator_cores=used.generator_s / seconds,
            other_cores=None if used.others_s is None else used.others_s / seconds,
        )

    def _accuracy(self, calls: Sequence[Call]) -> Accuracy | None:
        labelled = [(self._inputs[call.input].label, call) for call in calls]
        return accuracy(
            self._output,
            [
                (label, told(self._caller.read(call.reply)[self._output]))
                for label, call in labelled
                if label is not None
            ],
        )


async def _while(running: asyncio.Task[None], seconds: float) -> None:
    """Let the load run; what ends it early is raised."""
    done, _ = await asyncio.wait([running], timeout=seconds)
    if done:
        await running
        raise AssertionError("the load ended before it was told to")


def _waste(after: Mapping[str, Counted], before: Mapping[str, Counted]) -> dict[str, float]:
    """Of the models that pad at all, those that ran."""
    ran = {name: now - before.get(name, Counted()) for name, now in after.items()}
    return {name: one.waste for name, one in ran.items() if one.real_elements}
