"""tritonzoo beside what a user would take instead: same weights, one machine, one run, in turn.

    .venv/bin/python -m bench.peers                            # every section, then the page
    .venv/bin/python -m bench.peers embedding --short          # one section, in a minute or two
    .venv/bin/python -m bench.peers embedding --try-settings   # which settings are each peer's best
    .venv/bin/python -m bench.peers --page                     # docs/benchmarks.md from saved figures

Each section is saved as soon as it is measured; those that are in the file already are left out, unless they
are named. See bench/peers/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers import figures
from bench.peers.alternate import Pace, measure, try_settings
from bench.peers.environments import Environments
from bench.peers.errors import ContenderError
from bench.peers.page import write_page
from bench.peers.sections import SECTIONS, speech
from bench.peers.setup import Setup

from tritonzoo.repository import Repository

COMMAND = ("python", "-m", "bench.peers")
OWN = ("--environments", "--results", "--speech-figures")  # options whose value is a path
SPEECH = "speech"  # the one section that another program measures


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers end with their blocks
    arguments = parsed()
    root = Repository.find().root
    newest = figures.latest() if arguments.page else None
    saved = figures.Results(arguments.results or newest or figures.default_path())
    setup = Setup(
        root,
        Environments(arguments.environments or root / ".venv-peers"),
        (arguments.environments or root / ".venv-peers").absolute() / "work",
        saved.best(),
    )
    pace = Pace(1.5, 1) if arguments.short else Pace(arguments.seconds, arguments.rounds)
    wanted = [] if arguments.page else arguments.sections or [*SECTIONS, SPEECH]
    for name in wanted:
        if not arguments.sections and name in saved.figures["sections"]:
            print(f"{name} is in {saved.path.name} already; name it to measure it anew", flush=True)
            continue
        if name == SPEECH:
            if not arguments.try_settings:
                saved.put("sections", name, _speech(setup, pace, arguments))
        elif arguments.try_settings:
            _try(name, setup, saved, arguments)
        else:
            _measured(name, setup, pace, saved, arguments)
    if not arguments.try_settings and not arguments.no_page:
        write_page(saved.figures, saved.path, root / "docs" / "benchmarks.md")


def _measured(
    name: str, setup: Setup, pace: Pace, saved: figures.Results, arguments: argparse.Namespace
) -> None:
    """Measure a section's groups, one by one, each saved at once; those of other precisions stay."""
    section = SECTIONS[name](setup)
    for group in section.groups:
        if group.precision in arguments.precisions:
            found = asyncio.run(measure(section, group, setup, pace))
            saved.put_group(
                name,
                {
                    "title": section.title,
                    "pipeline": section.pipeline,
                    "inputs": section.inputs,
                    "agreement": section.agreement,
                },
                {**_made(), "pace": asdict(pace), **found},
            )


def _speech(setup: Setup, pace: Pace, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.speech_figures:
        return speech.taken(arguments.speech_figures)
    found = speech.measured(
        setup, arguments.speech_size, arguments.speech_clients, pace.rounds, arguments.precisions
    )
    return {**found, **_made()}


def _made() -> dict[str, str]:
    """When a section was measured, and how; without the folders of this machine."""
    words = [
        word for before, word in itertools.pairwise(["", *sys.argv[1:]]) if not {before, word} & set(OWN)
    ]
    return {"date": figures.today(), "command": shlex.join([*COMMAND, *words])}


def _try(name: str, setup: Setup, saved: figures.Results, arguments: argparse.Namespace) -> None:
    """Try every peer's settings, each saved at once; a peer whose settings were tried is left out."""
    section = SECTIONS[name](setup)
    for group in section.groups:
        key = f"{name} {group.precision}"
        found: dict[str, dict[str, float]] = dict(saved.figures["trials"].get(key, {}))
        for peer in group.peers if group.precision in arguments.precisions else ():
            if len(peer.tried) > 1 and not set(peer.tried) & set(found.get(peer.key, ())):
                found[peer.key] = asyncio.run(try_settings(section, group, peer, arguments.seconds))
                saved.put("trials", key, found)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="python -m bench.peers",
    )
    known = [*SECTIONS, SPEECH]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(known)}; default: all")
    parser.add_argument(
        "--results", type=Path, help="JSON file of figures; default: of today and this processor"
    )
    parser.add_argument("--environments", type=Path, help="folder of the peers' environments")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--seconds", type=float, default=Pace.seconds, help="of one window")
    parser.add_argument("--rounds", type=int, default=Pace.rounds)
    parser.add_argument("--speech-size", default="base", help="of a random Whisper: tiny, base, small, ...")
    parser.add_argument("--speech-figures", type=Path, help="take what bench/transcription/peers.py saved")
    parser.add_argument("--speech-clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--short", action="store_true", help="one round of 1.5 s: to see that it works")
    parser.add_argument("--try-settings", action="store_true", help="find and save each peer's best settings")
    parser.add_argument("--page", action="store_true", help="only write the page from saved figures")
    parser.add_argument("--no-page", action="store_true", help="measure and save only")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - set(known))
    if unknown:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join(known)}")
    return arguments


if __name__ == "__main__":
    try:
        main()
    except ContenderError as error:
        sys.exit(f"{error}")
