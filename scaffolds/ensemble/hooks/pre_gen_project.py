"""Refuse answers that could not become a pipeline."""

from tritonzoo.scaffold.answers import refuse_unusable

refuse_unusable(name="{{ cookiecutter.name }}", title="""{{ cookiecutter.title }}""")
