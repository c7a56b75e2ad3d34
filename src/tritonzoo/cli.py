"""The command line: `tritonzoo pull convert check serve infer bench ...`. Parsing only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tritonzoo.errors import TritonZooError
from tritonzoo.progress import console

app = typer.Typer(
    help="Serve whole AI pipelines, not bare models, on NVIDIA Triton.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Names = Annotated[list[str] | None, typer.Argument(help="Models; none means all.", show_default=False)]
Variant = Annotated[str, typer.Option(help="Which of the recipe's sources: starter or full.")]
Force = Annotated[bool, typer.Option("--force", help="Make it again even if it is there.")]
HttpPort = Annotated[int, typer.Option(help="Port for HTTP.")]
GrpcPort = Annotated[int, typer.Option(help="Port for gRPC.")]
Url = Annotated[str, typer.Option(help="Where: HOST:PORT (gRPC), grpc://... or http://...")]
MetricsPort = Annotated[int, typer.Option(help="Port for Prometheus metrics.")]


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Our own errors are a sentence and exit code 1, without a traceback; anything else is a defect."""
    try:
        yield
    except TritonZooError as error:
        console.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a list separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@app.command()
def pull(names: Names = None, variant: Variant = "starter", force: Force = False) -> None:
    """Fetch and verify the weights and files that the recipes name."""
    from tritonzoo.build import pull_all

    with _told_plainly():
        pull_all(names or [], variant, force=force)


@app.command()
def convert(
    names: Names = None,
    variant: Variant = "starter",
    precision: Annotated[
        str,
        typer.Option(
            help="Separated by commas: fp32, fp16, int8; for TensorRT also best; qdq is int8 for it."
        ),
    ] = "fp32",
    to: Annotated[str, typer.Option(help="onnx or tensorrt.")] = "onnx",
    fixed: Annotated[bool, typer.Option("--fixed", help="TensorRT: fix every axis but the batch.")] = False,
    buckets: Annotated[
        str, typer.Option(help="TensorRT: a profile for each length, such as 32,64,256.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="TensorRT: print the commands, build nothing.")
    ] = False,
    force: Force = False,
) -> None:
    """Export models to ONNX, or build TensorRT plans, and keep what answers as its source model does."""
    from tritonzoo.build import convert_all, plan_all
    from tritonzoo.tensorrt.of_model import PlanShapes

    if to not in ("onnx", "tensorrt"):
        raise typer.BadParameter("it is onnx or tensorrt", param_hint="--to")
    with _told_plainly():
        if to == "tensorrt":
            shapes = PlanShapes(fixed, tuple(int(length) for length in _listed(buckets)))
            plan_all(names or [], variant, _listed(precision), shapes, dry_run=dry_run)
        else:
            convert_all(names or [], variant, _listed(precision), force=force)


@app.command()
def ledger(
    names: Names = None,
    into: Annotated[
        Path | None, typer.Option(help="Write the tables into this page, between its markers.")
    ] = None,
) -> None:
    """Show how far each artifact's answers are from its source model's, and how fast it is."""
    from tritonzoo.ledger_table import print_ledger, write_ledger

    with _told_plainly():
        if into is None:
            print_ledger(names or [])
        else:
            write_ledger(names or [], into)


@app.command()
def golden(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models and pipelines; none means all.", show_default=False)
    ] = None,
    url: Annotated[str, typer.Option(help="A server to ask the pipelines of, such as localhost:8001.")] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Ask the source models, and write the golden.npz files anew.")
    ] = False,
) -> None:
    """Hold artifacts, and served pipelines, to their sources' answers in golden.npz; no torch needed."""
    from tritonzoo.golden.table import record_all, verify_all

    with _told_plainly():
        if record:
            record_all(names or [])
        elif not verify_all(names or [], url):
            raise typer.Exit(1)


@app.command()
def check(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sarif: Annotated[
        bool, typer.Option("--sarif", help="SARIF 2.1.0, for editors and pull requests.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
) -> None:
    """Check the whole tree, offline: configs, graphs, ensembles end to end, recipes, proofs."""
    from tritonzoo.check.run import Form, run
    from tritonzoo.repository import Repository

    if json and sarif:
        raise typer.BadParameter("it is one or the other", param_hint="--json --sarif")
    form = Form.JSON if json else Form.SARIF if sarif else Form.TEXT
    with _told_plainly():
        if not run(Repository.find(), form, strict=strict):
            raise typer.Exit(1)


@app.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail and show what is stale.")
    ] = False,
) -> None:
    """Write each pipeline's page, docs/pipelines/<pipeline>.md, and the tables that name them."""
    from tritonzoo.pages.command import docs as run
    from tritonzoo.repository import Repository

    with _told_plainly():
        if not run(Repository.find(), check=check):
            raise typer.Exit(1)


@app.command()
def derive(profile: Annotated[str, typer.Argument(help="Such as cpu-int8 or gpu-tensorrt-fp16.")]) -> None:
    """Write each configs/<profile>.pbtxt, which Triton picks with --model-config-name=<profile>."""
    from tritonzoo.profiles import derive as write
    from tritonzoo.repository import Repository

    with _told_plainly():
        for path in write(Repository.find().models.values(), profile):
            console.print(path, soft_wrap=True)


@app.command()
def serve(
    http_port: HttpPort = 8000,
    grpc_port: GrpcPort = 8001,
    metrics_port: MetricsPort = 8002,
    pipelines: Annotated[
        str, typer.Option(help="Only these, separated by commas, with what they need; default: all.")
    ] = "",
    profile: Annotated[
        str, typer.Option(help="Where and at which precision: cpu-fp32, cpu-int8, or auto, the fastest.")
    ] = "cpu-fp32",
    allow_unproved: Annotated[
        str, typer.Option(help="Models to serve although their artifact is not proved, separated by commas.")
    ] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once it is ready; see status, stop.")
    ] = False,
) -> None:
    """Serve the tree on the embedded Triton until Ctrl-C."""
    from tritonzoo.embedded import Ports, ServeOptions
    from tritonzoo.repository import Repository
    from tritonzoo.serve import serve as run

    with _told_plainly():
        options = ServeOptions(
            Repository.find().root,
            Ports(http_port, grpc_port, metrics_port),
            _listed(pipelines),
            profile,
            allow_unproved=_listed(allow_unproved),
        )
        run(options, is_detached=detach)


@app.command()
def status() -> None:
    """Show what is being served."""
    from tritonzoo.serve import print_status

    with _told_plainly():
        if not print_status():
            raise typer.Exit(1)


@app.command()
def stop(
    http_port: Annotated[int | None, typer.Option(help="Which server, if there are several.")] = None,
) -> None:
    """Answer what is in flight, then end the server."""
    from tritonzoo.serve import stop as end

    with _told_plainly():
        end(http_port)


@app.command()
def infer(
    pipeline: Annotated[str, typer.Argument(help="Which pipeline, such as ensemble_sentiment.")],
    inputs: Annotated[list[str], typer.Argument(help="Texts, files, or - for standard input.")],
    url: Url = "localhost:8001",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, numbers in full.")] = False,
) -> None:
    """Send inputs to a pipeline and print its answers."""
    from tritonzoo.infer import infer as call

    with _told_plainly():
        if not call(pipeline, inputs, url=url, as_json=json):
            raise typer.Exit(1)


@app.command()
def transcribe(
    sources: Annotated[list[Path], typer.Argument(help="Recordings, and folders of them.")],
    formats: Annotated[
        str, typer.Option("--format", help="Separated by commas: srt, vtt, json, tsv, txt.")
    ] = "srt",
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to, not beside each recording.", show_default=False)
    ] = None,
    language: Annotated[str, typer.Option(help="Code, such as en; default: detected.")] = "",
    task: Annotated[str, typer.Option(help="transcribe, or translate into English.")] = "transcribe",
    prompt: Annotated[str, typer.Option(help="Text that might come before: names, spelling.")] = "",
    word_timestamps: Annotated[
        bool, typer.Option("--word-timestamps", help="Also the times of words (in json).")
    ] = False,
    vad: Annotated[
        bool, typer.Option(help="Cut at pauses; without, Whisper's own sequential algorithm.")
    ] = True,
    jobs: Annotated[int, typer.Option(help="Recordings at work at once.")] = 2,
    force: Force = False,
    url: Url = "localhost:8001",
) -> None:
    """Write down what is said in recordings; those written already are skipped."""
    from tritonzoo.transcribe import TranscribeOptions
    from tritonzoo.transcribe import transcribe as run

    with _told_plainly():
        options = TranscribeOptions(
            formats=_listed(formats),
            output=output,
            jobs=jobs,
            force=force,
            language=language or None,
            task=task,
            prompt=prompt or None,
            word_timestamps=word_timestamps,
            vad=vad,
        )
        if not run(sources, options, url=url):
            raise typer.Exit(1)


@app.command()
def bench(
    pipeline: Annotated[
        str, typer.Argument(help="Which pipeline; or `compare`, followed by two files that --save wrote.")
    ],
    files: Annotated[list[Path] | None, typer.Argument(help="Of `compare`.", show_default=False)] = None,
    url: Annotated[
        str, typer.Option(help="A running server, as for infer; default: this tree is served meanwhile.")
    ] = "",
    profile: Annotated[str, typer.Option(help="To serve this tree with, as for serve.")] = "cpu-fp32",
    concurrency: Annotated[
        str, typer.Option(help="Clients that each wait for an answer, such as 1,4,16,64.")
    ] = "",
    rate: Annotated[
        str, typer.Option(help="Requests a second, whatever the server does, such as 10,50.")
    ] = "",
    arrivals: Annotated[str, typer.Option(help="Of --rate: poisson or constant.")] = "poisson",
    protocol: Annotated[str, typer.Option(help="grpc or http.")] = "grpc",
    inputs: Annotated[
        Path | None, typer.Option(help="A file or folder of yours; default: data_samples/PIPELINE.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Tab-separated, input and right answer; default: labels.tsv there.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="name=value, of every request; can be given again.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of one repeat.")] = 10,
    warmup: Annotated[float, typer.Option(help="Seconds under load before the first repeat.")] = 3,
    repeats: Annotated[int, typer.Option(help="How often; figures are medians.")] = 3,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer.")] = 60,
    generator: Annotated[str, typer.Option(help="own, or perf_analyzer where it is installed.")] = "own",
    ab: Annotated[
        Path | None, typer.Option(help="Only write bodies for Apache Benchmark into this folder.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, every repeat in it.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write that JSON here, for `compare`.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw latency against throughput: a .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Load a pipeline with real inputs: how fast it answers, how right, and at what cost."""
    from tritonzoo.bench.command import COMPARE, BenchCommand, run_bench, run_compare, write_ab
    from tritonzoo.bench.options import BenchOptions, loads_of, parameters_of

    with _told_plainly():
        if pipeline == COMPARE:
            run_compare(files or [], plot)
            return
        if files:
            raise typer.BadParameter(f"one pipeline at a time, not also {files[0]}")
        options = BenchOptions(
            loads_of(_listed(concurrency), _listed(rate)),
            protocol=protocol,  # type: ignore[arg-type]  # it is checked there
            seconds=seconds,
            warmup_s=warmup,
            repeats=repeats,
            arrivals=arrivals,  # type: ignore[arg-type]  # it is checked there
            generator=generator,  # type: ignore[arg-type]  # it is checked there
            timeout_s=timeout,
            parameters=parameters_of(parameter or []),
        )
        wanted = BenchCommand(url, profile, inputs, labels, json, save, plot)
        if ab is not None:
            write_ab(pipeline, options, wanted, ab)
        elif not run_bench(pipeline, options, wanted):
            raise typer.Exit(1)


@app.command()
def explain(
    pipeline: Annotated[str, typer.Argument(help="Which pipeline, such as ensemble_sentiment.")],
    concurrency: Annotated[int, typer.Option(help="Clients that each wait for an answer.")] = 1,
    url: Annotated[
        str, typer.Option(help="A running server, as for infer; default: this tree is served meanwhile.")
    ] = "",
    profile: Annotated[str, typer.Option(help="To serve this tree with, as for serve.")] = "cpu-fp32",
    inputs: Annotated[
        Path | None, typer.Option(help="A file or folder of yours; default: data_samples/PIPELINE.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="name=value, of every request; can be given again.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of what is measured.")] = 10,
    warmup: Annotated[float, typer.Option(help="Seconds under load before it.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw one request through the steps: a .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Show where a pipeline's milliseconds go, step by step, and what to change."""
    from tritonzoo.bench.options import BenchOptions, Load, parameters_of
    from tritonzoo.explain.command import run_explain

    with _told_plainly():
        options = BenchOptions(
            (Load("concurrency", concurrency),),
            seconds=seconds,
            warmup_s=warmup,
            repeats=1,
            parameters=parameters_of(parameter or []),
        )
        run_explain(pipeline, options, url=url, profile=profile, inputs=inputs, as_json=json, picture=plot)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(help="How long, after each request was sent once.")] = 3,
    clients: Annotated[int, typer.Option(help="Of each pipeline, half over gRPC, half over HTTP.")] = 4,
    profile: Annotated[str, typer.Option(help="To serve this tree with, as for serve.")] = "cpu-fp32",
    json: Annotated[bool, typer.Option("--json", help="One JSON object, every sample in it.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write that JSON here.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw memory, handles and latency: a .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Ask everything of every pipeline at once, some wrongly, some leaving: what grows, drifts, fails."""
    from tritonzoo.soak.command import run_soak
    from tritonzoo.soak.options import SoakOptions

    with _told_plainly():
        options = SoakOptions(minutes, clients)
        if not run_soak(options, profile=profile, as_json=json, save=save, plot=plot):
            raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Serve every pipeline, send it the samples of data_samples/, print the answers, stop."""
    from tritonzoo.demo import demo as show

    with _told_plainly():
        if not show():
            raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Look for what on this machine would keep the tree from being served, and say how to mend it."""
    from tritonzoo.doctor.report import report

    with _told_plainly():
        if not report():
            raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def new(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="exported_model, python_model, ensemble or backend.")],
    name: Annotated[str, typer.Argument(help="The folder's name, which is the model's.")],
    ask: Annotated[bool, typer.Option("--ask", help="Ask for what is not given.")] = False,
) -> None:
    """Make a folder that passes check and its tests, and is served; answers follow as --key value."""
    from tritonzoo.repository import Repository
    from tritonzoo.scaffold import new as make

    with _told_plainly():
        root = Repository.find().root
        for path in make(Repository(root), kind, name, _answers(context.args), ask=ask):
            console.print(path.relative_to(root), soft_wrap=True)


def _answers(arguments: list[str]) -> dict[str, str]:
    """`--key value` and `--key=value` as a dictionary."""
    answers, rest = {}, list(arguments)
    while rest:
        key, is_joined, value = rest.pop(0).partition("=")
        if not key.startswith("--") or (not is_joined and not rest):
            raise typer.BadParameter(f"{key}: answers are written as --key value")
        answers[key[2:].replace("-", "_")] = value if is_joined else rest.pop(0)
    return answers
