"""Every error tritonzoo raises, in one tree.

    TritonZooError
    ├── RepositoryError      a folder of the tree cannot be read as a model
    ├── RecipeError          a recipe.py says something that cannot be
    ├── SourceError          weights cannot be had, or are not the ones that the recipe pins
    ├── ConversionError      an artifact could not be made
    └── ParityError          an artifact was made, but its answers differ from the source model's

Each says where, what, and how to mend it.
"""

from __future__ import annotations


class TritonZooError(Exception):
    """The root: whatever tritonzoo refuses or fails to do, in one sentence a person can act on."""


class RepositoryError(TritonZooError):
    """A folder of the tree cannot be read as a model or an ensemble."""


class RecipeError(TritonZooError):
    """A recipe.py says something that cannot be."""


class SourceError(TritonZooError):
    """Source weights cannot be had, or are not the ones that the recipe pins."""


class ConversionError(TritonZooError):
    """An artifact could not be made; the previous one is untouched."""


class ParityError(ConversionError):
    """An artifact was made, but its answers differ from the source model's by more than its tolerance."""
