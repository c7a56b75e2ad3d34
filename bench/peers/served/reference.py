"""The answers that all contenders' are compared with, by the library that a model comes from.

    python reference.py TASK MODEL INPUTS OUTPUT.json

INPUTS is a JSON file with texts, or a folder of files, which are asked for in the order of their names.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from models import TASKS


def main() -> None:
    task, model, inputs, output = sys.argv[1:]
    source = Path(inputs)
    items = (
        [path.read_bytes() for path in sorted(source.iterdir())]
        if source.is_dir()
        else json.loads(source.read_text("utf-8"))
    )
    predict = TASKS[task](model, len(os.sched_getaffinity(0)))
    Path(output).write_text(json.dumps(predict(items)), "utf-8")


if __name__ == "__main__":
    main()
