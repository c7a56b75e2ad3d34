"""A tokenizer of one variant and an encoder of another are told of before they are served."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trees import sound_tree
from tritonzoo.lock import Lock
from tritonzoo.repository import Repository
from tritonzoo.variants import mixed, variants_here

RECIPE = """
from tritonzoo.recipe import Recipe, Starter

recipe = Recipe(
    sources={%s},
    license="MIT",
    files={"tokenizer.json": "tokenizer.json"},
)
"""
BOTH = '"starter": Starter("small"), "full": Starter("large")'
ONE = '"starter": Starter("small")'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """The pipeline `quadruple` of two models, each with two variants."""
    repository = Repository(sound_tree(tmp_path))
    for name in ("double", "double_again"):
        (repository.model(name).folder / "recipe.py").write_text(RECIPE % BOTH)
    return repository


def hold(repository: Repository, **variants: str) -> None:
    for name, variant in variants.items():
        Lock(variant=variant).write(repository.model(name).lock_path)


def found(repository: Repository) -> list[str]:
    return mixed(repository, repository.models.values())


def test_the_variant_of_each_model_is_read_from_its_lock(repository: Repository) -> None:
    hold(repository, double="full")

    assert variants_here(repository, repository.model("quadruple")) == {"double": "full", "double_again": ""}


def test_two_variants_in_one_pipeline_are_told_of_with_the_remedy(repository: Repository) -> None:
    hold(repository, double="starter", double_again="full")

    assert found(repository) == [
        "quadruple mixes variants, which may not fit together: double is starter, double_again is full; "
        "tritonzoo pull double --variant full"
    ]


@pytest.mark.parametrize("variant", ["starter", "full"])
def test_one_variant_throughout_is_fine(repository: Repository, variant: str) -> None:
    hold(repository, double=variant, double_again=variant)

    assert found(repository) == []


def test_what_is_not_there_yet_is_no_mixture(repository: Repository) -> None:
    hold(repository, double="full")

    assert found(repository) == []


def test_a_model_with_but_one_variant_goes_with_any(repository: Repository) -> None:
    (repository.model("double").folder / "recipe.py").write_text(RECIPE % ONE)
    repository = Repository(repository.root)
    hold(repository, double="starter", double_again="full")

    assert found(repository) == []
