"""A recipe that cannot be is refused where it is written, with the remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tritonzoo.errors import RecipeError
from tritonzoo.recipe import Hub, Package, Recipe, Shapes, Starter, Tolerance
from tritonzoo.repository import Repository

DIGEST = "0" * 64
COMMIT = "0" * 40
REPOSITORY = Repository.find(Path(__file__).parent)
WITH_RECIPE = [model for model in REPOSITORY.models.values() if model.has_recipe]


def test_a_branch_is_no_revision() -> None:
    with pytest.raises(RecipeError, match=r"must be a commit.*not 'main'; a branch moves"):
        Hub("org/repo", revision="main", sha256={"model.safetensors": DIGEST})


@pytest.mark.parametrize("digest", ["", "abc", DIGEST.upper().replace("0", "G"), DIGEST + "0"])
def test_a_digest_has_64_hexadecimal_digits(digest: str) -> None:
    with pytest.raises(RecipeError, match="64 lower-case hexadecimal digits"):
        Package("name", "1.0", sha256=digest)


@pytest.mark.parametrize(
    ("low", "mid", "high"), [((0, 1), (1, 1), (2, 2)), ((2, 1), (1, 1), (2, 2)), ((1, 1), (4, 1), (2, 2))]
)
def test_a_profile_rises_from_min_to_max(
    low: tuple[int, ...], mid: tuple[int, ...], high: tuple[int, ...]
) -> None:
    with pytest.raises(RecipeError, match="min <= opt <= max must hold on every axis"):
        Shapes(low, mid, high)


def test_the_axes_that_vary_are_those_whose_min_and_max_differ() -> None:
    assert Shapes(min=(1, 80, 3), opt=(4, 80, 5), max=(8, 80, 9)).dynamic_axes == (0, 2)


def test_a_tolerance_has_a_reason() -> None:
    with pytest.raises(RecipeError, match="say why"):
        Tolerance(atol=1e-3, why=" ")


def test_a_recipe_has_a_starter() -> None:
    with pytest.raises(RecipeError, match="'starter' variant"):
        Recipe(sources={"full": Starter("x")}, license="MIT", files={"a": "a"})


def test_an_unknown_variant_lists_the_known_ones() -> None:
    recipe = Recipe(sources={"starter": Starter("x")}, license="MIT", files={"a": "a"})

    with pytest.raises(RecipeError, match="no variant 'huge'; there are: starter"):
        recipe.sources_of("huge")


@pytest.mark.parametrize("model", WITH_RECIPE, ids=lambda model: model.name)
def test_a_recipe_of_the_tree_says_what_its_config_says(model) -> None:
    recipe = model.recipe

    assert recipe.license
    if recipe.shapes:
        assert set(recipe.shapes) == {tensor.name for tensor in model.config.input}
        for shapes in recipe.shapes.values() if model.config.max_batch_size else ():
            assert shapes.max[0] == model.config.max_batch_size


def test_recipes_of_the_tree_import_without_torch() -> None:
    script = (
        "import sys; from tritonzoo.repository import Repository\n"
        "for model in Repository.find().models.values():\n"
        "    if model.has_recipe: model.recipe\n"
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY.root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
