"""Refuse answers that could not become a backend."""

from tritonzoo.scaffold.answers import refuse_unusable

refuse_unusable(
    name="{{ cookiecutter.name }}",
    title="""{{ cookiecutter.title }}""",
    max_batch_size=("{{ cookiecutter.max_batch_size }}", 0),
)
refuse_unusable(name="{{ cookiecutter.example }}", title="""{{ cookiecutter.title }}""")
