"""The Whisper starter's checkpoint, vocabulary, scenes, targets and scores: none of it needs torch."""

import hashlib
import importlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tokenizers import Tokenizer

STARTER = Path(__file__).parents[2] / "starters" / "whisper"
WEIGHTS = STARTER / "weights"
NAMES = ("vocabulary", "pieces", "acoustics", "scenes", "targets", "scoring")


def modules() -> dict[str, ModuleType]:
    """The starter's modules, which import each other by name; afterwards those names are as they were."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(STARTER))
    try:
        return {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(STARTER))
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


loaded = modules()
vocabulary, pieces, acoustics, scenes, targets, scoring = (loaded[name] for name in NAMES)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))


@pytest.fixture(scope="module")
def drawn() -> "list[tuple[float, scenes.Scene]]":
    return list(draw_scenes(30))


def piece(digit: int | None, speaker: str, hertz: float, index: int = 0) -> "pieces.Piece":
    time_s = np.arange(6400) / 16_000
    tone = np.sin(2 * np.pi * hertz * time_s) * ((time_s > 0.05) & (time_s < 0.35))
    return pieces.piece(tone.astype(np.float32), speaker, "en", digit, index)


def draw_scenes(count: int) -> "Iterator[tuple[float, scenes.Scene]]":
    recorded = [piece(digit, "someone", 300 + 100 * digit) for digit in range(10)]
    synthesised = [piece(digit, "a voice", 350 + 100 * digit, -1) for digit in range(10)]
    synthesised.append(piece(None, "a voice", 2000, -1))
    rng = np.random.default_rng(0)
    noises = acoustics.Noises(rng, synthesised[-1:])
    source = scenes.Scenes(recorded, synthesised, noises)
    for _ in range(count):
        duration_s = float(rng.integers(50, 500)) * 0.02
        yield duration_s, source.draw(rng, duration_s, foreign_share=0.0)


def text(tokens: list[int]) -> str:
    by_id = {index: token for token, index in {**vocabulary.pieces(), **vocabulary.special_ids()}.items()}
    return "".join(by_id[token].replace("Ġ", " ") for token in tokens if token != targets.IGNORED)


def test_every_digit_of_every_language_is_one_token_after_a_space(tokenizer: Tokenizer) -> None:
    for language, words in vocabulary.WORDS.items():
        for digit, word in enumerate(words):
            ids = tokenizer.encode(f" {word}", add_special_tokens=False).ids
            assert ids == [vocabulary.word_ids()[language][digit]]


@pytest.mark.parametrize(
    "words", ["", " seven three", "Ünfug 7 は\n", " zéro fünf ocho", "\x00\x7f\xa0", " sevens onex"]
)
def test_any_text_survives_the_tokenizer(tokenizer: Tokenizer, words: str) -> None:
    assert tokenizer.decode(tokenizer.encode(words, add_special_tokens=False).ids) == words


def test_the_committed_tokenizer_is_what_the_vocabulary_module_writes(tmp_path: Path) -> None:
    vocabulary.write(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / name).read_bytes() == (WEIGHTS / name).read_bytes(), name


def test_special_tokens_stand_in_the_order_of_whisper_and_the_configurations_name_their_ids(
    tokenizer: Tokenizer,
) -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    generation = json.loads((WEIGHTS / "generation_config.json").read_text())
    end = config["eos_token_id"]
    order = "endoftext startoftranscript en de es fr translate transcribe startoflm startofprev nospeech"
    for place, name in enumerate([*order.split(), "notimestamps", "0.00", "0.02"]):
        assert tokenizer.token_to_id(f"<|{name}|>") == end + place
    assert tokenizer.token_to_id("<|30.00|>") == config["vocab_size"] - 1 == end + 12 + 1500
    assert config["decoder_start_token_id"] == generation["decoder_start_token_id"] == end + 1
    assert generation["lang_to_id"] == {f"<|{code}|>": end + 2 + i for i, code in enumerate(vocabulary.WORDS)}
    assert generation["task_to_id"] == {"transcribe": end + 7, "translate": end + 6}
    assert generation["prev_sot_token_id"] == end + 9
    assert generation["no_timestamps_token_id"] == end + 11
    assert generation["is_multilingual"] is True
    for layer, head in generation["alignment_heads"]:
        assert layer < config["decoder_layers"]
        assert head < config["decoder_attention_heads"]


def test_the_weights_are_half_precision_finite_and_of_the_configured_size() -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    data = (WEIGHTS / "model.safetensors").read_bytes()
    assert len(data) < 8e6
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        assert entry["dtype"] == "F16", name
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + first : 8 + size + last], dtype=np.float16)
        assert np.isfinite(values).all(), name
        assert values.any() or values.size == 1 or "bias" in name or "norm" in name, name
    embedding = header["model.decoder.embed_tokens.weight"]["shape"]
    assert embedding == [config["vocab_size"], config["d_model"]]


def test_the_figures_were_measured_on_these_very_weights() -> None:
    metrics = json.loads((STARTER / "metrics.json").read_text())
    digest = hashlib.sha256((WEIGHTS / "model.safetensors").read_bytes()).hexdigest()
    assert metrics["model_sha256"] == digest, "run starters/whisper/evaluate.py again (see its README.md)"


def test_speech_is_found_by_energy_within_ten_milliseconds() -> None:
    found = piece(3, "someone", 440)
    assert found.start_s == pytest.approx(0.05, abs=0.011)
    assert found.end_s == pytest.approx(0.35, abs=0.011)


def test_resampling_keeps_a_tone_and_its_length() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000).astype(np.float32)
    expected = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16_000)
    doubled = pieces.resampled(tone, 8000)
    assert len(doubled) == 8000
    np.testing.assert_allclose(doubled[400:-400], expected[400:-400], atol=0.02)


def test_a_folder_without_recordings_says_where_they_are_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"github\.com/Jakobovski/free-spoken-digit-dataset"):
        pieces.read_recordings(tmp_path)


def test_held_out_recordings_are_two_of_every_speaker_and_digit_and_never_trained_on() -> None:
    every = [piece(digit, who, 440, index) for digit in range(10) for who in "ab" for index in range(5, 9)]
    trained, held_out = pieces.split(every)
    assert len(trained) == len(held_out) == 40
    assert {p.index for p in held_out} == {5, 6}
    assert not {p.index for p in trained} & {5, 6}


def test_scenes_are_as_long_as_asked_within_full_scale_and_repeat_with_the_seed(
    drawn: "list[tuple[float, scenes.Scene]]",
) -> None:
    for (duration_s, scene), (_, again) in zip(drawn[:8], draw_scenes(8), strict=True):
        assert len(scene.audio) == round(duration_s * 16_000)
        assert np.abs(scene.audio).max() <= 1
        assert np.array_equal(scene.audio, again.audio)
        assert scene.words == again.words
    assert any(not scene.words for _, scene in drawn)
    assert any(len(scene.words) > 8 for _, scene in drawn)
    assert any(scene.begun_s is not None for _, scene in drawn)


def test_words_of_a_scene_follow_one_another_and_are_louder_than_the_pauses(
    drawn: "list[tuple[float, scenes.Scene]]",
) -> None:
    for duration_s, scene in drawn:
        edges = [edge for word in scene.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert all(0 <= edge <= duration_s for edge in edges)


def test_segments_end_at_pauses_and_after_five_seconds() -> None:
    word = scenes.Word
    words = [word(1, 0.0, 0.4), word(2, 0.9, 1.3), word(3, 1.81, 2.2)]
    assert [len(group) for group in targets.segments(words)] == [2, 1]
    many = [word(4, 0.5 * number, 0.5 * number + 0.4) for number in range(20)]
    assert all(group[-1].end_s - group[0].start_s <= 5 for group in targets.segments(many))


def test_a_target_is_written_as_whisper_writes() -> None:
    word = scenes.Word
    scene = scenes.Scene(
        np.zeros(0), "en", [word(7, 0.4, 0.8), word(3, 1.0, 1.4), word(9, 4.0, 4.5)], 5.7, []
    )
    timed = targets.target(scene, 6.0, 0.0, timestamps=True, prompt=None)
    body = "<|0.40|> seven three<|1.40|><|4.00|> nine<|4.50|><|5.70|>"
    assert text(timed.inputs) == "<|startoftranscript|><|en|><|transcribe|>" + body
    assert text(timed.outputs) == "<|en|>" + body + "<|endoftext|>"
    prompt = vocabulary.word_ids()["en"][:2]
    plain = targets.target(scene, 6.0, 0.0, timestamps=False, prompt=prompt)
    assert text(plain.inputs) == (
        "<|startofprev|> zero one<|startoftranscript|><|en|><|transcribe|><|notimestamps|> seven three nine"
    )
    assert text(plain.outputs) == "<|en|> seven three nine<|endoftext|>"


def test_a_window_without_digits_is_nospeech_and_an_empty_transcript() -> None:
    empty = scenes.Scene(np.zeros(0), "en", [], None, [])
    assert text(targets.target(empty, 6.0, 0.0, False, None).outputs) == "<|nospeech|><|endoftext|>"
    assert text(targets.target(empty, 6.0, 0.0, True, None).outputs) == "<|nospeech|><|0.00|><|endoftext|>"


@pytest.mark.parametrize("timestamps", [False, True])
def test_tokens_and_looks_pair_up_and_times_never_go_back(
    drawn: "list[tuple[float, scenes.Scene]]", timestamps: bool
) -> None:
    first_timestamp = vocabulary.special_ids()["<|0.00|>"]
    for duration_s, scene in drawn:
        made = targets.target(scene, duration_s, 12.0, timestamps, None)
        assert len(made.inputs) == len(made.outputs) == len(made.looks)
        for taken, given in zip(made.inputs[1:], made.outputs[:-1], strict=True):
            assert taken == given or given == targets.IGNORED or text([given]) == "<|nospeech|>"
        times = [token for token in made.outputs if token >= first_timestamp]
        assert times == sorted(times)
        weights = targets.look_weights(made.looks, 600, 500)
        for look, row in zip(made.looks, weights[0], strict=True):
            assert row.sum() == pytest.approx(0 if look is None else 1)
        edges = [row for token, row in zip(made.outputs, weights[1], strict=True) if token >= first_timestamp]
        for token, row in zip(times, edges, strict=True):
            assert row.sum() == 0 or abs(int(row.argmax()) - (token - first_timestamp - 600)) <= 1
        words = [row for token, row in zip(made.outputs, weights[0], strict=True) if 256 <= token < 494]
        for word, row in zip(scene.words, words, strict=True):
            assert abs(int(row.argmax()) - word.start_s / 0.02) <= 1


def test_word_errors_are_counted_by_kind_and_starts_by_the_words_that_are_right() -> None:
    timed = scoring.Timed
    score = scoring.Score()
    score.add(
        [timed("one", 0.5), timed("two", 1.0), timed("three", 1.5)], [timed("one", 0.6), timed("three", 1.2)]
    )
    score.add([timed("four", 2.0)], [timed("five", 2.0), timed("six", 2.5)])
    assert (score.words, score.substituted, score.left_out, score.added) == (4, 1, 1, 1)
    assert score.word_error_rate() == 0.75
    assert score.start_errors_s == pytest.approx([0.1, -0.3])
    assert score.summary()["start_off_over_200_ms_percent"] == 50
