"""Refuse answers that could not become a pipeline."""

import json

from tritonzoo.scaffold.answers import refuse_unusable

answers = json.loads(r""" {{ cookiecutter | tojson }} """)
refuse_unusable(name=answers["name"], title=answers["title"])
