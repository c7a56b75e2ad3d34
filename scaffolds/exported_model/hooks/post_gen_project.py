"""Train the starter weights, where PyTorch is installed."""

import importlib.util
import runpy
import sys

TRAIN = "starters/{{ cookiecutter.name }}/train.py"

if importlib.util.find_spec("torch") is None:
    sys.stderr.write(f"PyTorch is not installed here; where it is, run: python {TRAIN}\n")
else:
    runpy.run_path(TRAIN, run_name="__main__")
