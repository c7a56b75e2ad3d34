"""Our sentiment classifier, its adapter merged, as a folder that transformers and infinity load.

.venv/bin/python bench/peers/sentiment_checkpoint.py BASE STARTER FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from safetensors.torch import save_file

from tritonzoo.module_file import load_module

MODELING = Path(__file__).parent / "served" / "modeling_sentiment.py"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def main() -> None:
    base, starter, folder = map(Path, sys.argv[1:])
    module = load_module(starter / "network.py")
    network = module.load(base, starter).network
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"bert.{name}": weight for name, weight in network.encoder.state_dict().items()}
    weights |= {f"head.{name}": weight for name, weight in network.head.state_dict().items()}
    save_file(
        {name: weight.contiguous() for name, weight in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {
        **json.loads((base / "config.json").read_text("utf-8")),
        "architectures": ["SentimentForSequenceClassification"],
        "auto_map": {
            "AutoModelForSequenceClassification": f"{MODELING.stem}.SentimentForSequenceClassification"
        },
        "id2label": dict(enumerate(module.LABELS)),
        "label2id": {label: index for index, label in enumerate(module.LABELS)},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    shutil.copy(MODELING, folder)
    for name in TOKENIZER:
        shutil.copy(base / name, folder)


if __name__ == "__main__":
    main()
