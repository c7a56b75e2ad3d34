"""Refuse answers that could not become a backend."""

import json

from tritonzoo.scaffold.answers import refuse_unusable

answers = json.loads(r""" {{ cookiecutter | tojson }} """)
refuse_unusable(
    name=answers["name"],
    title=answers["title"],
    backend=answers["name"],
    max_batch_size=(answers["max_batch_size"], 0),
)
refuse_unusable(name=answers["example"], title=answers["title"])
