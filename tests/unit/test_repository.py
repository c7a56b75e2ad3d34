"""Folders become models; what cannot be read is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trees import MEMBER, sound_tree, write_model
from tritonzoo.errors import RepositoryError
from tritonzoo.repository import Repository, parse_config


def test_every_folder_with_a_config_is_found_under_its_own_name(tmp_path: Path) -> None:
    repository = Repository.find(sound_tree(tmp_path))

    assert list(repository.models) == ["double", "double_again", "quadruple"]
    assert list(repository.pipelines) == ["quadruple"]
    assert repository.model("quadruple").members == ("double", "double_again")
    assert repository.model("double").title == "Double a number"


def test_the_tree_is_found_from_a_folder_inside_it(tmp_path: Path) -> None:
    inside = sound_tree(tmp_path) / "model_repository" / "double" / "1"

    assert Repository.find(inside).root == tmp_path.resolve()


def test_outside_a_tree_the_error_says_what_a_tree_is(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="a folder with model_repository and ensembles"):
        Repository.find(tmp_path)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="there are: double, double_again, quadruple"):
        Repository(sound_tree(tmp_path)).model("triple")


def test_an_ensemble_brings_its_members_before_itself(tmp_path: Path) -> None:
    closure = Repository(sound_tree(tmp_path)).closure(["quadruple"])

    assert [model.name for model in closure] == ["double", "double_again", "quadruple"]


def test_ensembles_in_a_circle_are_refused_with_the_circle(tmp_path: Path) -> None:
    sound_tree(tmp_path)
    config = (tmp_path / "ensembles" / "quadruple" / "config.pbtxt").read_text()
    write_model(tmp_path / "ensembles" / "octuple", config.replace('"double"', '"quadruple"'))
    (tmp_path / "ensembles" / "quadruple" / "config.pbtxt").write_text(
        config.replace('"double"', '"octuple"')
    )

    with pytest.raises(RepositoryError, match="octuple -> quadruple -> octuple"):
        Repository(tmp_path).closure(["octuple"])


def test_the_same_name_in_both_repositories_is_refused(tmp_path: Path) -> None:
    write_model(sound_tree(tmp_path) / "ensembles" / "double", MEMBER)

    with pytest.raises(RepositoryError, match="has the same name; rename one"):
        _ = Repository(tmp_path).models


def test_a_config_that_does_not_parse_is_said_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text('backend: "python"\nmax_batch: 4\n')

    with pytest.raises(RepositoryError, match=r"config\.pbtxt:2:1: .*max_batch"):
        parse_config(path)


def test_a_pipeline_in_python_names_what_it_calls_and_a_stream_is_no_single_answer(tmp_path: Path) -> None:
    root = sound_tree(tmp_path)
    calls = 'parameters { key: "calls" value { string_value: "double, double_again" } }\n'
    write_model(root / "ensembles" / "twice", MEMBER + calls)
    write_model(root / "ensembles" / "stream", MEMBER + "model_transaction_policy { decoupled: true }\n")
    write_model(
        root / "ensembles" / "chat", MEMBER.replace("dynamic_batching {}", "sequence_batching { oldest {} }")
    )
    rounds = "sequence_batching { iterative_sequence: true oldest {} }"  # Triton's own: each request is one
    write_model(root / "ensembles" / "rounds", MEMBER.replace("dynamic_batching {}", rounds))
    repository = Repository(root)

    assert repository.model("twice").members == ("double", "double_again")
    assert [model.name for model in repository.closure(["twice"])] == ["double", "double_again", "twice"]
    assert list(repository.pipelines) == ["quadruple", "rounds", "twice"]
    assert list(repository.streams) == ["chat", "stream"]
