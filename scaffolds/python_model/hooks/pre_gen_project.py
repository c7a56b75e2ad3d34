"""Refuse answers that could not become a model."""

import json

from tritonzoo.scaffold.answers import refuse_unusable

answers = json.loads(r""" {{ cookiecutter | tojson }} """)
refuse_unusable(
    name=answers["name"],
    title=answers["title"],
    inputs=answers["inputs"],
    max_batch_size=(answers["max_batch_size"], 0),
)
