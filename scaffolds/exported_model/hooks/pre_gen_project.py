"""Refuse answers that could not become a model."""

from tritonzoo.scaffold.answers import refuse_unusable

refuse_unusable(
    name="{{ cookiecutter.name }}",
    title="""{{ cookiecutter.title }}""",
    inputs="{{ cookiecutter.inputs }}",
    size=("{{ cookiecutter.size }}", 1),
    classes=("{{ cookiecutter.classes }}", 2),
    max_batch_size=("{{ cookiecutter.max_batch_size }}", 0),
)
