"""The corpus reader of the sentiment starter, and the similarity measure: neither needs torch."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def module(path: Path) -> ModuleType:
    name = f"tested_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    return loaded


corpus = module(ROOT / "starters" / "sentiment" / "corpus.py")
similarity = module(ROOT / "bench" / "similarity" / "measure.py")


@pytest.mark.parametrize(
    ("tokenized", "typed"),
    [
        ("it does n't work .", "it doesn't work."),
        ("ca n't , wo n 't", "can't, won't"),
        (
            "`` looking for leonard '' -lrb- 2002 -rrb- , it 's fine !",
            '"looking for leonard" (2002), it\'s fine!',
        ),
        ("that 's a 2\\/3 chance , 50 % off , $ 5", "that's a 2/3 chance, 50% off, $5"),
        ("i 'm gon na love ` cherish '", "i'm gonna love 'cherish'"),
        ('the " required " one [ sorry ]', 'the "required" one [sorry]'),
    ],
)
def test_tokenized_text_becomes_what_people_type(tokenized: str, typed: str) -> None:
    assert corpus.as_typed(tokenized) == typed
    assert corpus.as_typed(typed) == typed


def test_a_wrong_line_is_named_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "mpqa.txt").write_text("0 ok\n2 foo\n")
    with pytest.raises(ValueError, match=r"mpqa\.txt, line 2: want '0 text' or '1 text', found '2 foo'"):
        corpus.read(tmp_path, "mpqa")


def test_a_missing_corpus_says_where_it_is_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"stsa\.binary\.train; it is in github\.com/harvardnlp"):
        corpus.read(tmp_path, "sst2_train")


def test_the_lexicon_gives_its_decided_words_only(tmp_path: Path) -> None:
    lines = ["hate\t-2.7\t1.0\t[]", "cheap\t-0.3\t1.0\t[]", ":-)\t1.3\t0.5\t[]", "superb\t3.1\t0.9\t[]"]
    (tmp_path / "vader_lexicon.txt").write_text("\n".join(lines))
    assert [(e.text, e.label) for e in corpus.read(tmp_path, "vader")] == [("hate", 0), ("superb", 1)]


def test_equal_texts_stay_on_one_side_of_the_split() -> None:
    examples = [corpus.Example(f"text {number % 500} .", 0, "mpqa") for number in range(1000)]
    kept, held_out = corpus.split(examples, 10)
    assert len(kept) + len(held_out) == 1000
    assert 50 < len(held_out) < 160
    assert not {example.text for example in kept} & {example.text for example in held_out}
    assert corpus.split(examples, 0) == (examples, [])


def test_the_pairs_are_spread_evenly_over_the_grades_and_none_occurs_twice() -> None:
    pairs = similarity.read_pairs()
    grades, counts = np.unique([pair.grade for pair in pairs], return_counts=True)
    assert grades.tolist() == [0, 1, 2, 3, 4, 5]
    assert set(counts) == {24}
    assert len({frozenset((pair.first, pair.second)) for pair in pairs}) == len(pairs)


def test_embeddings_that_follow_the_grades_get_spearman_one_and_equal_values_share_a_rank() -> None:
    pairs = similarity.read_pairs()
    angle = {pair.second + pair.first: np.arccos(pair.grade / 5) for pair in pairs}

    def embed(texts: list[str]) -> np.ndarray:
        rows = []
        for first, second in zip(texts[::2], texts[1::2], strict=True):
            turned = angle[second + first]
            rows += [[1.0, 0.0], [np.cos(turned) * 3, np.sin(turned) * 3]]  # length counts for nothing
        return np.array(rows)

    agreement = similarity.measure(embed, pairs)
    assert agreement.spearman == agreement.pearson == 1.0
    assert similarity.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
