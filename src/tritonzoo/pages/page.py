"""One pipeline's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tritonzoo.pages import calls, proofs
from tritonzoo.pages.markdown import code, table
from tritonzoo.pages.parameters import parameters, shown
from tritonzoo.pages.steps import diagram
from tritonzoo.pages.tensors import Described, inputs, outputs
from tritonzoo.pages.weights import in_short, link, told, weights
from tritonzoo.repository import Model, Repository

FOLDER = Path("docs") / "pipelines"

_SENT = (
    "Triton's own clients carry whole numbers, true, false and text, so send a fraction as text. A name that"
    " is not here is refused, and so is a value that does not fit."
)
_MADE = (
    "<!-- made by `tritonzoo docs` of the tree: change config.pbtxt, recipe.py, the code or the samples, not"
    " this page -->"
)


def path_of(repository: Repository, pipeline: Model) -> Path:
    """Where the page lies."""
    return repository.root / FOLDER / f"{pipeline.name}.md"


def page_of(repository: Repository, pipeline: Model) -> str:
    """The whole page."""
    parts = [
        f"# {pipeline.name}",
        _MADE,
        f"{pipeline.title}.",
        "\n".join(_facts(repository, pipeline)),
        "## Takes\n\n" + _tensors("input", inputs(pipeline)),
        "## Gives\n\n" + _tensors("output", outputs(pipeline)),
        _parameters(pipeline),
        _calls(repository, pipeline),
        _steps(repository, pipeline),
        _weights(repository, pipeline),
        _exactness(repository, pipeline),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _facts(repository: Repository, pipeline: Model) -> Iterator[str]:
    config, here = pipeline.config, path_of(repository, pipeline)
    if pipeline.answers_once:
        yield "- One request, one answer: `infer` over gRPC and HTTP, or `/generate`."
    elif config.model_transaction_policy.decoupled:
        yield "- One request, any number of answers: a gRPC stream or `/generate_stream`."
    else:
        yield "- A sequence of requests, one answer each: the first says START, the last END."
    if config.max_batch_size > 0:
        yield f"- A request holds 1 to {config.max_batch_size} rows; those of several clients are merged."
    elif pipeline.answers_once:
        yield "- A request stands for one thing: there is no batch axis."
    configuration = link(pipeline.folder / "config.pbtxt", here)
    sources = [f"[config.pbtxt]({configuration})"]
    readme = pipeline.folder / "README.md"
    if readme.is_file():
        sources.append(f"more about it: [README]({link(readme, here)})")
    yield f"- Declared in {', '.join(sources)}."


def _tensors(side: str, tensors: Iterable[Described]) -> str:
    rows = [
        (
            code(tensor.name) + (", optional" if tensor.is_optional else ""),
            tensor.data_type,
            f"[{', '.join(tensor.shape)}]",
            tensor.meaning,
        )
        for tensor in tensors
    ]
    return table((side, "type", "shape", "what it is"), rows)


def _parameters(pipeline: Model) -> str:
    asked = parameters(pipeline)
    if not asked:
        return ""
    rows = [
        (code(name), each.kind, _default(shown(each.default)), each.means) for name, each in asked.items()
    ]
    return "\n\n".join(
        [
            "## Request parameters",
            f"{_where_sent(pipeline)} {_SENT}",
            table(("parameter", "must be", "default", "meaning"), rows),
        ]
    )


def _where_sent(pipeline: Model) -> str:
    body = "under `parameters` in a JSON body."
    if pipeline.answers_once:
        return f"Beside the inputs: as `parameters={{...}}` of `Client.infer`, or {body}"
    if pipeline.config.model_transaction_policy.decoupled:
        return f"Beside the inputs, {body}"
    return f"With the first request of a sequence, {body}"


def _default(text: str) -> str:
    return code(text) if text else ""


def _calls(repository: Repository, pipeline: Model) -> str:
    shell, python = calls.shell(repository, pipeline), calls.python(repository, pipeline)
    parts = []
    if shell:
        parts.append(f"From a shell, over HTTP:\n\n```sh\n{shell}\n```")
    if python:
        parts.append(f"From Python, over gRPC (`http://{calls.HTTP}` for HTTP):\n\n```python\n{python}\n```")
    return "\n\n".join(["## Call it", *parts]) if parts else ""


def _steps(repository: Repository, pipeline: Model) -> str:
    here = path_of(repository, pipeline)
    rows = []
    for name in pipeline.members:
        member = repository.model(name)
        config = member.config
        rows.append(
            (
                f"[{name}]({link(member.folder, here)}/)",
                member.title,
                config.backend or config.platform,
                str(config.max_batch_size) if config.max_batch_size else "no batch axis",
            )
        )
    header = ("model", "what it does", "backend", "rows at once")
    return f"## Steps\n\n{diagram(pipeline)}\n\n{table(header, rows)}"


def _weights(repository: Repository, pipeline: Model) -> str:
    here, found = path_of(repository, pipeline), weights(repository, pipeline)
    if not found:
        return ""
    rows = [
        (
            code(each.model.name),
            each.variant,
            ", ".join(told(repository, source, here) for source in each.sources),
            each.licence,
        )
        for each in found
    ]
    text = "## Weights and licence\n\n" + table(("model", "variant", "weights", "licence"), rows)
    fuller = dict.fromkeys(each.model.name for each in found if each.variant == "full")
    if fuller:
        command = f"tritonzoo convert {' '.join(fuller)} --variant full"
        text += f"\n\n`{command}` changes from the starter to the full weights; the contract stays."
    return text


def _exactness(repository: Repository, pipeline: Model) -> str:
    here = path_of(repository, pipeline)
    lines = [
        f"- {said.weights}: {said.measured} ([how]({link(said.readme, here)}))"
        for said in in_short(repository, pipeline)
    ]
    if (pipeline.folder / "golden.npz").is_file():
        lines.append(
            f"- `tritonzoo golden {pipeline.name} --url {calls.GRPC}` holds served answers to those of the"
            " source, recorded in golden.npz"
        )
    parts = ["\n".join(lines)] if lines else []
    known = proofs.proved(repository.root)
    for model in repository.closure([pipeline.name]):
        if model.name in known:
            rows = [tuple(row[column] for column in proofs.SHOWN) for row in known[model.name]]
            parts.append(f"{code(model.name)}:\n\n{table(proofs.SHOWN, rows)}")
    if not parts:
        return ""
    if any(model.name in known for model in repository.closure([pipeline.name])):
        guide = link(repository.root / proofs.GUIDE, here)
        parts.append(
            "Differences are from the source model's answers; what the columns mean, and on which machine the"
            f" speeds were taken, is in [conversion.md]({guide})."
        )
    return "\n\n".join(["## How good, how exact", *parts])
