"""Every folder of the tree keeps its promises: found, never listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tritonzoo.repository import Model, Repository

REPOSITORY = Repository.find(Path(__file__).parent)
MODELS = list(REPOSITORY.models.values())
TENSOR_LINE = re.compile(r"^\s*{ name: .*dims: \[.*\](?:\s+optional: true)? }(,)?\s*(#\s*\S.*)?$")
VOCABULARY = {
    "text", "image", "audio", "waveform", "input_ids", "attention_mask", "embedding", "logits",
    "probabilities", "label", "score", "mel", "tokens", "pixels", "truncated_tokens", "segment_start_s",
    "segment_end_s", "context", "state", "next_context", "next_state", "speech_probability", "event",
    "event_s", "compression_ratio", "consumed_s", "dropped_reason", "dropped_start_s", "dropped_text",
    "duration_s", "encoded", "language", "language_probability", "mean_log_probability",
    "no_speech_probability", "read_s", "segment_compression_ratio", "segment_mean_log_probability",
    "segment_no_speech_probability", "segment_probability", "segment_stop_reason", "segment_temperature",
    "segment_text", "stop_reason", "temperature", "token_log_probability", "transcribed_s", "word_end_s",
    "word_probability", "word_segment", "word_start_s", "word_text",
}  # fmt: skip


def ids(model: Model) -> str:
    return model.name


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_a_readme_opens_with_the_folders_name(model: Model) -> None:
    assert (model.folder / "README.md").read_text("utf-8").startswith(f"# {model.name}\n")


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_every_tensor_line_ends_with_its_meaning(model: Model) -> None:
    lines = (model.folder / "config.pbtxt").read_text("utf-8").splitlines()
    tensors = [line for line in lines if re.match(r"^\s*{ name: ", line)]

    assert len(tensors) == len(model.config.input) + len(model.config.output), "one tensor a line"
    for line in tensors:
        match = TENSOR_LINE.match(line)
        assert match, line
        assert match[2], f"say what it is, and its unit: {line}"


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_tensors_have_the_trees_names(model: Model) -> None:
    names = {tensor.name for tensor in (*model.config.input, *model.config.output)}

    assert names <= VOCABULARY, f"new words for the vocabulary, or misspelt ones: {names - VOCABULARY}"


@pytest.mark.parametrize("model", [model for model in MODELS if not model.is_ensemble], ids=ids)
def test_the_number_of_instances_is_said_where_triton_would_make_two(model: Model) -> None:
    if model.config.backend == "onnxruntime":
        assert [group.count for group in model.config.instance_group] == [1]


@pytest.mark.parametrize("model", [model for model in MODELS if model.is_ensemble], ids=ids)
def test_an_ensembles_version_folder_is_committed(model: Model) -> None:
    assert (model.version_folder / ".gitkeep").is_file()


@pytest.mark.parametrize(
    "starter", sorted((REPOSITORY.root / "starters").iterdir()), ids=lambda path: path.name
)
def test_a_starter_says_where_its_data_is_from_and_how_good_it_is(starter: Path) -> None:
    readme = (starter / "README.md").read_text("utf-8")

    assert (starter / "train.py").is_file()
    assert "github.com/" in readme
    assert re.search(r"[Ll]icen[cs]e", readme)
    assert re.search(r"\d\d(\.\d+)? ?%", readme), "its accuracy, measured"
    weights = [path for path in starter.rglob("*") if path.suffix == ".safetensors"]
    assert 0 < sum(path.stat().st_size for path in weights) < 5_000_000
