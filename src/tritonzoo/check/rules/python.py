"""Rules about a Python model's 1/model.py: it is parsed, never imported."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.python_source import (
    MODEL_CLASS,
    PythonSource,
    derives_from,
    is_runtime_model,
    method,
)
from tritonzoo.check.rule import models, rule

_CALLED_WITH = {"initialize": ("args",), "execute": ("requests",), "finalize": ()}
_ANSWERING = ("infer", "infer_request", "infer_batch", "execute")


def python_models(folder: Folder) -> bool:
    """Models of the Python backend whose model.py is there."""
    return models(folder) and folder.config.backend == "python" and folder.source is not None


def _parsed(folder: Folder) -> tuple[PythonSource, ast.ClassDef | None]:
    assert folder.source is not None
    return folder.source, folder.source.class_named(MODEL_CLASS)


@rule(on=python_models)
def python_syntax(folder: Folder) -> Iterator[Fault]:
    """Every Python file of a model parses, on Python 3.10 too.

    The embedded server runs it on this Python, NVIDIA's 24.10 image on 3.10.
    """
    assert folder.source is not None
    others = (
        path for path in sorted(folder.model.version_folder.rglob("*.py")) if path != folder.source.path
    )
    for source in (folder.source, *map(PythonSource.read, others)):
        if source.error is not None:
            yield Fault(
                Place(source.path, source.error.lineno or 1, source.error.offset or 1),
                f"does not parse: {source.error.msg}",
                "correct it; it must run on Python 3.10",
            )


@rule(on=python_models)
def python_class(folder: Folder) -> Iterator[Fault]:
    """A Python model defines `TritonPythonModel`."""
    source, _ = _parsed(folder)
    if not source.binds(MODEL_CLASS):
        classes = (
            [node.name for node in source.module.body if isinstance(node, ast.ClassDef)]
            if source.module
            else []
        )
        yield Fault(
            Place(source.path, 1, 1),
            f"defines no class {MODEL_CLASS}" + (f" (there is {', '.join(classes)})" if classes else ""),
            f"write class {MODEL_CLASS}(PythonModel)",
        )


@rule(on=python_models)
def python_answers(folder: Folder) -> Iterator[Fault]:
    """`TritonPythonModel` has a method that answers: `infer`, or `execute` where it derives from nothing."""
    source, node = _parsed(folder)
    if node is None:
        return
    wanted = _ANSWERING if is_runtime_model(source, node) else ("execute",)
    is_plain = not node.bases or is_runtime_model(source, node)
    if is_plain and not any(method(node, name) for name in wanted) and not _has_other_names(node, wanted):
        yield Fault(
            Place(source.path, node.lineno, node.col_offset + 1),
            f"{MODEL_CLASS} has no method {wanted[0]}",
            f"define {wanted[0]}",
        )


@rule(on=python_models)
def python_base_unknown(folder: Folder) -> Iterator[Fault]:
    """What `TritonPythonModel` derives from is imported, or defined before it."""
    source, node = _parsed(folder)
    for base in node.bases if node is not None else ():
        if isinstance(base, ast.Name) and not source.binds(base.id) and not hasattr(builtins, base.id):
            yield Fault(
                Place(source.path, base.lineno, base.col_offset + 1),
                f"{MODEL_CLASS} derives from {base.id}, which nothing defines",
                "import it, or correct the name: from tritonzoo.runtime.model import PythonModel",
            )


@rule(on=python_models)
def python_triton_calls(folder: Folder) -> Iterator[Fault]:
    """`initialize` takes the arguments, `execute` the requests, `finalize` nothing: so Triton calls them."""
    source, node = _parsed(folder)
    for name, given in _CALLED_WITH.items() if node is not None else ():
        function = method(node, name) if node is not None else None
        if function is not None and not function.decorator_list and not _takes(function, len(given)):
            yield Fault(
                Place(source.path, function.lineno, function.col_offset + 1),
                f"Triton calls {name}({', '.join(given)}), and this takes ({ast.unparse(function.args)})",
                f"write def {name}({', '.join(('self', *given))})",
            )


def _takes(function: ast.FunctionDef | ast.AsyncFunctionDef, count: int) -> bool:
    """Whether a method can be called with so many arguments, besides the object itself."""
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    fits = needed <= count + 1 and (count + 1 <= positional or arguments.vararg is not None)
    return fits and all(default is not None for default in arguments.kw_defaults)


def _has_other_names(node: ast.ClassDef, wanted: tuple[str, ...]) -> bool:
    """Whether the class gets such a name by an assignment or an import."""
    return any(
        isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store) and item.id in wanted
        for item in ast.walk(node)
    )


@rule(on=python_models)
def python_decoupled(folder: Folder) -> Iterator[Fault]:
    """A `PythonModel` is not decoupled; a `ConcurrentModel` may be.

    The first gives each request one answer, and refuses to load.
    """
    source, node = _parsed(folder)
    decoupled = folder.config.model_transaction_policy.decoupled
    if decoupled and node is not None and is_runtime_model(source, node):
        yield folder.fault(
            f"is decoupled, and its {MODEL_CLASS} is a PythonModel, which gives each request one answer",
            "derive it from ConcurrentModel, or remove model_transaction_policy",
            "model_transaction_policy",
        )


@rule(on=python_models, severity=Severity.WARNING)
def python_unanswered(folder: Folder) -> Iterator[Fault]:
    """A pipeline on `ConcurrentModel` that answers once is an iterative sequence.

    The requests that its process has at work when it dies, killed for memory say, are otherwise never
    answered: their callers wait until their own time limits. As an iterative sequence each gets an error
    (docs/pbtxt.md, "Iterative sequences"). Members need it not, their callers are told by
    `ConcurrentModel.call`; a caller's own sequences cannot have it.
    """
    source, node = _parsed(folder)
    config = folder.config
    if not folder.model.is_pipeline or node is None or config.HasField("sequence_batching"):
        return
    is_concurrent = derives_from(source, node, "tritonzoo.runtime.concurrent", "ConcurrentModel")
    if is_concurrent and not config.model_transaction_policy.decoupled:
        yield folder.fault(
            "leaves its callers without an answer when its process dies: it is a ConcurrentModel, which"
            " answers after execute has returned",
            "add sequence_batching { iterative_sequence: true max_sequence_idle_microseconds: 3600000000"
            " oldest { max_candidate_sequences: 64 } }"
            + (", in place of dynamic_batching" if config.HasField("dynamic_batching") else ""),
            "dynamic_batching" if config.HasField("dynamic_batching") else "backend",
        )


@rule(on=python_models)
def python_signature(folder: Folder) -> Iterator[Fault]:
    """The arguments of `infer` are the inputs of config.pbtxt; those of optional inputs have a default.

    `PythonModel` refuses to load otherwise.
    """
    source, node = _parsed(folder)
    infer = method(node, "infer") if node is not None and is_runtime_model(source, node) else None
    if infer is None or infer.args.kwarg is not None:
        return
    positional = [*infer.args.posonlyargs, *infer.args.args][1:]
    defaults = dict(zip(reversed(positional), reversed(infer.args.defaults), strict=False))
    keyword = dict(zip(infer.args.kwonlyargs, infer.args.kw_defaults, strict=True))
    given = {argument.arg: argument for argument in (*positional, *keyword)}
    place = Place(source.path, infer.lineno, infer.col_offset + 1)
    if given.keys() != folder.inputs.keys():
        yield Fault(
            place,
            f"infer takes {', '.join(given) or 'nothing'}, and the inputs of config.pbtxt are "
            f"{', '.join(folder.inputs)}",
            "give both the same names",
        )
        return
    for name, tensor in folder.inputs.items():
        argument = given[name]
        if tensor.optional and argument not in defaults and keyword.get(argument) is None:
            yield Fault(
                Place(source.path, argument.lineno, argument.col_offset + 1),
                f"the input {name!r} is optional in config.pbtxt, and infer needs it",
                f"give it a default: {name}=None",
            )


@rule(on=python_models)
def python_outputs(folder: Folder) -> Iterator[Fault]:
    """What `infer` returns has the outputs of config.pbtxt, no more and no fewer.

    Looked at where it is written out: `return {"label": ..., "score": ...}`.
    """
    source, node = _parsed(folder)
    infer = method(node, "infer") if node is not None and is_runtime_model(source, node) else None
    for statement in _returns(infer) if infer is not None else ():
        value = statement.value
        if not isinstance(value, ast.Dict):
            continue
        names = {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
        if len(names) == len(value.keys) and names != folder.outputs.keys():
            yield Fault(
                Place(source.path, statement.lineno, statement.col_offset + 1),
                f"answers {', '.join(sorted(names)) or 'nothing'}, and the outputs of config.pbtxt are "
                f"{', '.join(folder.outputs)}",
                "give both the same names",
            )


def _returns(function: ast.AST) -> Iterator[ast.Return]:
    """The return statements of a function, not of those inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _returns(child)
