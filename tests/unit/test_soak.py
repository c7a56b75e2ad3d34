"""What a soak says of figures that are known: what grows, drifts or fails is found, and what does not is not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.unit.client_pipelines import DOUBLE, SENTIMENT
from tritonzoo.bench import apache
from tritonzoo.bench.resources import Processor
from tritonzoo.client.transport import Array, ParameterValue, SequencePlace
from tritonzoo.errors import BenchError, InvalidInputError, ServerFaultError, TritonZooError
from tritonzoo.repository import Repository
from tritonzoo.soak.clients import Answered, Clients, Tally, differs
from tritonzoo.soak.figures import PipelineFigures, SoakFigures, windows_ms
from tritonzoo.soak.judge import Check, judge, parts
from tritonzoo.soak.options import SoakOptions
from tritonzoo.soak.plot import plot
from tritonzoo.soak.requests import LIVE_SECONDS, SECONDS, WORDS, Asked, Pool, Sources, pool
from tritonzoo.soak.run import kind_of
from tritonzoo.soak.table import print_soak
from tritonzoo.soak.watch import Sample

MB = 10**6
SPAN = (100.0, 280.0)
TREE = Repository(Path(__file__).parents[2])


def steady(count: int = 90) -> list[Sample]:
    """A server that takes the same all the time, apart from its breath."""
    samples = []
    for index in range(count):
        breath = (index % 7 - 3) * MB
        samples.append(
            Sample(
                at_s=SPAN[0] + (index + 0.5) * 180 / count,
                memory_bytes={
                    "tritonserver": 100 * MB + breath,
                    "encoder_0_0": 400 * MB,
                    "labels_0_0": 20 * MB,
                },
                handles={"tritonserver": 80 + index % 3},
                threads={"tritonserver": 60},
                shm_bytes=30 * 2**20,
                shm_files=12,
                used=Processor(index * 4.0, index * 0.3, index * 4.3),
            )
        )
    return samples


def served() -> dict[str, Tally]:
    answered = [Answered(f"text {second % 5}", SPAN[0] + second, 0.05) for second in range(180)]
    return {"ensemble_words": Tally(answered)}


def found(
    samples: list[Sample], tallies: dict[str, Tally] | None = None, restarts: int = 0
) -> dict[str, Check]:
    checks = judge(samples, tallies or served(), {"encoder": restarts}, SPAN)
    return {check.what: check for check in checks}


def broken(checks: Mapping[str, Check]) -> set[str]:
    return {check.what for check in checks.values() if check.is_kept is False}


def test_a_server_that_only_breathes_keeps_every_bound() -> None:
    assert all(check.is_kept for check in found(steady()).values())


def test_what_grows_in_the_first_third_is_settling() -> None:
    samples = steady()
    for index in range(30):
        samples[index] = replace(samples[index], memory_bytes={"tritonserver": index * MB}, shm_bytes=0)

    assert broken(found(samples)) == set()


def test_a_leak_is_found_and_the_process_named() -> None:
    samples = [
        replace(one, memory_bytes={**one.memory_bytes, "encoder_0_0": 400 * MB + index * MB})
        for index, one in enumerate(steady())
    ]

    checks = found(samples)

    assert broken(checks) == {"memory", "memory of one process"}
    assert "encoder_0_0" in checks["memory of one process"].found


def test_a_leak_in_a_small_process_is_not_lost_in_the_sum() -> None:
    samples = [
        replace(one, memory_bytes={**one.memory_bytes, "labels_0_0": 20 * MB + index * MB // 5})
        for index, one in enumerate(steady())
    ]

    checks = found(samples)

    assert broken(checks) == {"memory of one process"}
    assert "labels_0_0" in checks["memory of one process"].found


def breathing(leak_mb: float) -> list[Sample]:
    """A process whose memory swings by 30 MB, and grows by so much from look to look."""
    return [
        replace(
            one,
            memory_bytes={
                **one.memory_bytes,
                "vad_0_0": 100 * MB + (index * 13 % 31) * MB + int(index * leak_mb * MB),
            },
        )
        for index, one in enumerate(steady())
    ]


def test_a_process_may_breathe_and_not_leak() -> None:
    assert broken(found(breathing(0.0))) == set()
    assert "memory of one process" in broken(found(breathing(1.5)))


def test_single_moments_decide_nothing() -> None:
    samples = steady()
    samples[70] = replace(samples[70], memory_bytes={"tritonserver": 5_000 * MB}, shm_files=99)

    assert broken(found(samples)) == set()


@pytest.mark.parametrize(
    ("what", "grown"),
    [
        ("shared memory", lambda one: replace(one, shm_bytes=one.shm_bytes * 1.11)),
        ("files in shared memory", lambda one: replace(one, shm_files=one.shm_files + 1)),
        ("open handles", lambda one: replace(one, handles={"tritonserver": 100})),
        ("threads", lambda one: replace(one, threads={"tritonserver": 70})),
    ],
)
def test_what_must_not_grow_is_watched(what: str, grown) -> None:
    samples = steady()
    samples[75:] = [grown(one) for one in samples[75:]]

    assert broken(found(samples)) == {what}


def test_an_error_a_dead_process_and_a_silent_pipeline_each_break_the_first_bound() -> None:
    failing = served()
    failing["ensemble_words"].fail("boom")
    silent = {**served(), "ensemble_mute": Tally()}

    assert broken(found(steady(), failing)) == {"errors"}
    assert broken(found(steady(), restarts=1)) == {"errors"}
    assert "ensemble_mute" in found(steady(), silent)["errors"].found


def slowed(factor: float) -> dict[str, Tally]:
    answered = [
        Answered(one.asked, one.start_s, one.took_s * (factor if one.start_s > 220 else 1))
        for one in served()["ensemble_words"].answered
    ]
    return {"ensemble_words": Tally(answered)}


def test_latency_that_drifts_is_found() -> None:
    assert broken(found(steady(), slowed(1.7))) == {"latency drift"}
    assert broken(found(steady(), slowed(1.3))) == set()


def test_latency_is_not_judged_where_other_programs_were_at_work() -> None:
    busy = [replace(one, used=replace(one.used, machine_s=one.used.machine_s * 1.5)) for one in steady()]

    assert found(busy, slowed(1.7))["latency drift"].is_kept is None


def test_a_mix_that_grows_heavier_is_no_drift() -> None:
    """Each request is held against itself: more long ones in the last third say nothing."""
    short = [Answered("short", SPAN[0] + second, 0.01) for second in (*range(59), 175, 176, 177)]
    long = [Answered("long", SPAN[0] + second, 1.0) for second in (1, 2, 3, *range(121, 179))]

    checks = found(steady(), {"ensemble_words": Tally(short + long)})

    assert checks["latency drift"].found.startswith("x 1.00")


def test_parts_are_medians_of_the_time_after_the_first_third() -> None:
    values = [(float(second), float(second)) for second in range(90)]

    assert parts(values, (0.0, 90.0)) == [37, 52, 67, 82]


def test_a_soak_that_is_too_short_to_say_anything_is_refused() -> None:
    with pytest.raises(BenchError, match=r"give 0\.5 or more"):
        SoakOptions(minutes=0.1)


# -- what is sent --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources() -> Sources:
    pytest.importorskip("soxr", reason="soxr is not installed; pip install 'tritonzoo[serve]'")
    return Sources.of(TREE)


@pytest.mark.parametrize(
    "model", [*TREE.pipelines.values(), *TREE.streams.values()], ids=lambda one: one.name
)
def test_every_pipeline_of_the_tree_is_asked_rightly_and_wrongly(sources, model) -> None:
    made = pool(apache.described(model), sources, kind_of(model), seed=0)

    assert len(made.good) >= 5
    assert made.bad
    assert len({one.name for one in made.good}) == len(made.good)


def test_texts_and_sound_are_of_every_length(sources) -> None:
    texts = pool(SENTIMENT, sources, "once", seed=0).good
    sound = pool(apache.described(TREE.model("ensemble_vad")), sources, "once", seed=0).good
    live = pool(apache.described(TREE.model("vad_stream")), sources, "live", seed=0).good

    words = [len(str(one.inputs["text"].item().decode()).split()) for one in texts]
    assert (min(words), max(words)) == WORDS
    seconds = [one.inputs["waveform"].size / 16_000 for one in sound if "waveform" in one.inputs]
    assert (min(seconds), max(seconds)) == pytest.approx(SECONDS)
    assert max(sum(map(len, one.chunks)) for one in live) / 16_000 == pytest.approx(LIVE_SECONDS[1])


def test_the_same_seed_makes_the_same_requests(sources) -> None:
    one, again, other = (pool(SENTIMENT, sources, "once", seed=seed).good for seed in (1, 1, 2))

    assert all(np.array_equal(a.inputs["text"], b.inputs["text"]) for a, b in zip(one, again, strict=True))
    assert any(
        not np.array_equal(a.inputs["text"], b.inputs["text"]) for a, b in zip(one, other, strict=True)
    )


# -- clients -------------------------------------------------------------------------------------------


class Doubling:
    """Doubles a number; refuses negative ones, fails at 13, is slow at 7, and in time forgets arithmetic."""

    def __init__(self, forgets_after: int = 10**9) -> None:
        self.asked: list[float] = []
        self.cancelled = 0
        self.under_way = self.most_under_way = 0
        self.closed = 0
        self._forgets_after = forgets_after

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, ParameterValue],
        sequence: SequencePlace | None = None,
    ) -> dict[str, Array]:
        x = float(inputs["x"][0])
        self.asked.append(x)
        if x < 0:
            raise InvalidInputError("negative")
        if x == 13 and len(self.asked) > 3:
            raise ServerFaultError("unlucky")
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(10 if x == 7 and len(self.asked) > 1 else 0.001)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        return {"y": inputs["x"] * 2 + (len(self.asked) > self._forgets_after)}

    async def stream(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> AsyncGenerator[dict[str, Array]]:
        try:
            for part in range(3):
                await asyncio.sleep(0.001)
                yield {"part": np.array([part]), "y": inputs["x"]}
        finally:
            self.closed += 1


def numbers(*good: float, bad: tuple[float, ...] = (-1.0,)) -> Pool:
    good_ones, bad_ones = ([Asked(f"{x:g}", {"x": np.array([float(x)])}) for x in xs] for xs in (good, bad))
    return Pool(good_ones, bad_ones)


async def soaked(server: Doubling, kind, pool: Pool, **options: float) -> Tally:
    clients = Clients("double", kind, pool, [server], SoakOptions(**{"minutes": 1, "clients": 4, **options}))
    await clients.learn()
    running = asyncio.create_task(clients.run())
    await asyncio.sleep(0.4)
    clients.stop()
    await asyncio.wait_for(running, 5)
    return clients.tally


async def test_the_largest_request_comes_from_all_clients_at_once_before_anything_is_watched() -> None:
    server = Doubling()
    large = Asked("large", {"x": np.array([2.0, 3.0])})
    clients = Clients("double", "once", Pool([*numbers(1).good, large], []), [server], SoakOptions(clients=5))

    await clients.burst()

    assert server.asked == [2.0] * 10
    assert server.most_under_way == 5
    assert (large.bytes, Asked("live", {}, [np.zeros(3, np.float32)] * 2).bytes) == (16, 24)
    assert Asked("text", {"text": np.array([[b"four"]], object)}).bytes == 4


async def test_right_answers_and_refusals_are_counted_and_no_error_is() -> None:
    tally = await soaked(Doubling(), "once", numbers(1, 2, 3), leaving=0.0, bad=0.3)

    assert len(tally.answered) > 20
    assert tally.counts["refused"] > 5
    assert not tally.errors


async def test_an_answer_that_changes_is_an_error() -> None:
    tally = await soaked(Doubling(forgets_after=30), "once", numbers(1, 2, 3), leaving=0.0)

    assert len(tally.answered) < 30
    assert tally.errors[0].endswith("not the answer of the beginning: y is off by 1")


async def test_a_request_that_fails_is_an_error_with_its_words() -> None:
    tally = await soaked(Doubling(), "once", numbers(1, 13), leaving=0.0)

    assert "ServerFaultError: unlucky" in tally.errors


async def test_one_who_leaves_is_gone_and_no_error() -> None:
    server = Doubling()

    tally = await soaked(server, "once", numbers(7), leaving=1.0, bad=0.0)

    assert tally.counts["left"] > 3
    assert server.cancelled == tally.counts["left"]
    assert not tally.errors


async def test_one_who_leaves_a_stream_closes_it_after_the_first_answer() -> None:
    server = Doubling()
    bad = Pool(numbers(1).good, [])

    tally = await soaked(server, "streamed", bad, leaving=1.0, bad=0.0)

    assert tally.counts["left"] > 2
    assert server.closed >= tally.counts["left"]


async def test_a_wrong_request_that_is_answered_stops_the_soak_before_it_begins() -> None:
    with pytest.raises(TritonZooError, match="answered 5, which should be refused"):
        await soaked(Doubling(), "once", numbers(1, bad=(5.0,)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"a": np.array([1.0005]), "b": np.array([b"x"], object)}, ""),
        ({"a": np.array([1.1]), "b": np.array([b"x"], object)}, "a is off by 0.1"),
        ({"a": np.array([1.0]), "b": np.array([b"z"], object)}, "b is"),
        ({"a": np.array([1.0, 2.0]), "b": np.array([b"x"], object)}, "a has shape (2,)"),
        ({"a": np.array([1.0])}, "b has shape None"),
    ],
)
def test_answers_differ_by_more_than_rounding(answer, words: str) -> None:
    expected = {"a": np.array([1.0]), "b": np.array([b"x"], object)}

    told = differs([expected], [answer])

    assert words in told
    assert bool(told) == bool(words)
    assert differs([expected], []) == "0 answers and not 1"


# -- what is shown -------------------------------------------------------------------------------------


def figures(samples: list[Sample], tallies: dict[str, Tally]) -> SoakFigures:
    return SoakFigures(
        date="2025-01-01T00:00:00+00:00",
        options={"minutes": 3, "clients": 4},
        environment="P",
        seconds=180.0,
        pipelines={name: PipelineFigures.of(tally, SPAN) for name, tally in tallies.items()},
        checks=judge(samples, tallies, {}, SPAN),
        samples=[replace(one, at_s=one.at_s - SPAN[0]) for one in samples],
    )


def test_the_table_has_every_pipeline_every_check_and_the_first_errors() -> None:
    tallies = served()
    tallies["ensemble_words"].counts = Counter(refused=3, left=2)
    tallies["ensemble_words"].fail("boom [1]")
    console = Console(record=True, width=120)

    print_soak(figures(steady(), tallies), console)

    told = console.export_text()
    assert ["ensemble_words", "180", "3", "2", "1", "50", "50", "1.00"] in [
        line.split() for line in told.splitlines()
    ]
    assert ["✗", "errors", "1", "0"] in [line.split() for line in told.splitlines()]
    assert "ensemble_words: boom [1]" in told


def test_the_table_fits_a_log_of_eighty_columns_and_cuts_nothing_off() -> None:
    tally = replace(served()["ensemble_words"], counts=Counter(refused=767, left=738))
    tallies = {"ensemble_transcription": tally}
    console = Console(record=True, width=80)

    print_soak(figures(steady(), tallies), console)

    told = console.export_text()
    assert "…" not in told
    assert any({"ensemble_transcription", "767", "738"} <= set(line.split()) for line in told.splitlines())


def test_the_verdict_is_saved_with_every_sample(tmp_path: Path) -> None:
    good, bad = figures(steady(), served()), figures(steady(), {"ensemble_mute": Tally()})

    good.save(tmp_path / "soak.json")

    saved = json.loads((tmp_path / "soak.json").read_text())
    assert (good.is_kept, bad.is_kept) == (True, False)
    assert len(saved["samples"]) == 90
    assert saved["pipelines"]["ensemble_words"]["p50_ms"] == 50


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; pip install 'tritonzoo[bench]'")
    one = figures(steady(), served())
    latencies = {"ensemble_words": windows_ms(served()["ensemble_words"].answered, SPAN, 30)}

    plot(one.samples, one.seconds, latencies, tmp_path / "soak.png")

    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert latencies["ensemble_words"] == pytest.approx([50] * 30)


def test_a_pipeline_of_numbers_without_samples_says_what_it_wants(sources) -> None:
    with pytest.raises(BenchError, match="data_samples"):
        pool(DOUBLE, sources, "once", seed=0)


def test_how_far_a_recording_was_read_is_the_machine_s_pace_and_no_answer() -> None:
    expected = {"read_s": np.array([8.0], np.float32), "transcribed_s": np.array([5.0], np.float32)}
    assert differs([expected], [{**expected, "read_s": np.array([24.0], np.float32)}]) == ""
    assert "transcribed_s is off by 1" in differs(
        [expected], [{**expected, "transcribed_s": np.array([6.0], np.float32)}]
    )
