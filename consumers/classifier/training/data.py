"""The texts the model learns from, and the splits nobody may learn from.

A text's split is decided by the SHA-1 of its normalised words, so that copies of a headline always fall on the
same side, in any order of rows and on any machine. Labels: 0 negative, 1 neutral, 2 positive.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consumers.classifier.text import clean, model_text
from contracts.errors import Unusable

__all__ = [
    "Corpus",
    "Example",
    "data_root",
    "labelled_news",
    "news_texts",
    "plain_validation",
    "read_corpus",
    "read_test_splits",
    "split_of",
    "written_sentences",
]

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
_NAMED = {"negative": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE}
_TFNS = {"0": NEGATIVE, "1": POSITIVE, "2": NEUTRAL}
_DECISION = re.compile(r"'\s*:\s*'(negative|neutral|positive)'")
"""Names hold bare apostrophes, so the column is not the Python literal that it looks like."""
_WORD = re.compile(r"[a-z0-9]+")

NEWS = "news/stocknewsapi_2019-2021.csv.gz"
NEWS_LABELS = Path(__file__).parent / "news_labels.csv"
"""What readers said of news: the row of `NEWS` from 1, `title` or `article` (with its beginning), and the label."""

DIGESTS = {
    "sentiment/sentfin.csv": "570af7ba58f724f3fcc414dd5ba80da5b1a3b342134d76c6ebdf53a32c54a92f",
    "sentiment/tfns_train.csv": "184e6322b7f0e84c3103a83d198f1be8203de8b63a857f67a2964321b71c4e8d",
    "sentiment/tfns_valid.csv": "393572beac5064ed60c9f608a57dc66af2b41a91b89c149932d5c57f827e25da",
    NEWS: "6f36b9057d878cdb799a1ce016ce8f6c62cd7dad438bc12c1f1cf51299b9a151",
}
"""SHA-256 of every file read. Another version of the data is another model."""


@dataclass(frozen=True)
class Example:
    """One labelled text; `source` is `sentfin`, `tfns`, `news`, `made`, `written` or `plain`."""

    text: str
    label: int
    source: str


@dataclass
class Corpus:
    """The five splits and the texts without a label."""

    train: list[Example] = field(default_factory=list)
    valid: list[Example] = field(default_factory=list)
    sentfin_test: list[Example] = field(default_factory=list)
    tfns_test: list[Example] = field(default_factory=list)
    news_test: list[Example] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)


def data_root(given: str | None) -> Path:
    """The folder that holds `sentiment/` and `news/`. Raises `Unusable` with the remedy when it does not."""
    root = Path(given or os.environ.get("CANDLEWICK_DATA") or "../shared/data")
    missing = [name for name in DIGESTS if not (root / name).is_file()]
    if missing:
        raise Unusable(
            f"training data not found: {root / missing[0]} is missing; "
            "pass --data FOLDER or set CANDLEWICK_DATA to the folder that holds sentiment/ and news/"
            " (`candlewick models eval --splits tests/golden/model` needs neither, in a checkout)"
        )
    return root


def check_digests(root: Path) -> None:
    """Raises `Unusable` when a data file is not the one this script was written for."""
    for name, expected in DIGESTS.items():
        found = hashlib.sha256((root / name).read_bytes()).hexdigest()
        if found != expected:
            raise Unusable(f"{root / name} has SHA-256 {found}, expected {expected}; fetch the published version again")


def key_of(text: str) -> str:
    """The words of a text without case, links and punctuation: what makes two headlines the same."""
    return " ".join(_WORD.findall(clean(text).casefold()))


def split_of(text: str) -> str:
    """`test`, `valid` or `train` (10, 10 and 80 in 100) by SHA-1 of the normalised text."""
    digit = int(hashlib.sha1(key_of(text).encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {0: "test", 1: "valid"}.get(digit, "train")


def read_corpus(root: Path) -> Corpus:
    """All splits, without repeated texts; nothing of a test split is in train, valid or unlabelled."""
    check_digests(root)
    corpus = Corpus()
    labelled, conflicted = _sentfin(root / "sentiment/sentfin.csv")
    corpus.tfns_test = _tfns(root / "sentiment/tfns_valid.csv")
    corpus.sentfin_test = [row for row in labelled if split_of(row.text) == "test"]
    published = _published(root / NEWS)
    news = labelled_news(published)
    corpus.news_test, corpus.valid = news["test"], news["valid"]
    judging = (*corpus.sentfin_test, *corpus.tfns_test, *corpus.news_test, *corpus.valid, *plain_validation())
    held_out = {key_of(row.text) for row in judging}
    tfns_train = _tfns(root / "sentiment/tfns_train.csv")
    for row in _distinct([*labelled, *tfns_train, *news["train"], *written_sentences()]):
        if key_of(row.text) in held_out:
            continue
        # Only SEntFiN keeps a test tenth of its own; TFNS comes with its test file, written sentences with plain ones.
        valid = row.source not in ("news", "written") and split_of(row.text) == "valid"
        (corpus.valid if valid else corpus.train).append(row)
    taken = held_out | {key_of(row.text) for row in (*corpus.train, *corpus.valid)}
    for text in (*conflicted, *news_texts(published)):
        key = key_of(text)
        if key and key not in taken:
            taken.add(key)
            corpus.unlabelled.append(text)
    return corpus


def read_test_splits(folder: Path) -> Corpus:
    """The test splits alone, from `sentfin_test.csv.gz` and its like as the repository carries them."""
    corpus = Corpus()
    for name, rows in (
        ("sentfin_test", corpus.sentfin_test),
        ("tfns_valid", corpus.tfns_test),
        ("news_test", corpus.news_test),
    ):
        path = folder / f"{name}.csv.gz"
        if not path.is_file():
            raise Unusable(f"test split not found: {path} is missing; pass --splits FOLDER with {path.name}, or --data")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows += [Example(row["text"], _NAMED[row["label"]], name.split("_")[0]) for row in csv.DictReader(lines)]
    return corpus


def plain_validation() -> list[Example]:
    """News of companies and markets, written to validate on: never trained on, and no pattern is taken from it."""
    return [*_signed("plain_valid.txt", "plain"), *_signed("written_valid.txt", "written")]


def written_sentences() -> list[Example]:
    """News of invented companies, written one by one to train on; who wrote these has not seen the validation's."""
    return _signed("written_train.txt", "written")


def _signed(name: str, source: str) -> list[Example]:
    """A sentence a line, behind `-`, `=` or `+` and a space."""
    signs = {"-": NEGATIVE, "=": NEUTRAL, "+": POSITIVE}
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [Example(line[2:], signs[line[0]], source) for line in lines]


def labelled_news(published: Sequence[dict[str, str]]) -> dict[str, list[Example]]:
    """The published articles that readers labelled, by the split their title falls in."""
    news: dict[str, list[Example]] = {"train": [], "valid": [], "test": []}
    with NEWS_LABELS.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            row = published[int(line["row"]) - 1]
            text = _article(row) if line["form"] == "article" else clean(row["title"])
            news[split_of(row["title"])].append(Example(text, _NAMED[line["label"]], "news"))
    return news


def news_texts(published: Sequence[dict[str, str]]) -> list[str]:
    """Titles, titles with the beginning of their text, and beginnings, of the articles to train on; never a label."""
    texts: list[str] = []
    for number, row in enumerate(published):
        if split_of(row["title"]) != "train":
            continue
        texts.append(clean(row["title"]))
        if number % 4 == 0:
            texts.append(_article(row))
        elif number % 4 == 2:
            texts.append(clean(row["text"])[:200])
    return texts


def _article(row: dict[str, str]) -> str:
    """The title with 200 characters of the text, as the pipeline hands them over."""
    return model_text(row["title"], clean(row["text"])[:200])


def _published(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _sentfin(path: Path) -> tuple[list[Example], list[str]]:
    """Headlines whose entities all agree, and those whose entities do not (kept as texts only)."""
    agreed: list[Example] = []
    conflicted: list[str] = []
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            labels = set(_DECISION.findall(row["Decisions"]))
            text = clean(row["Title"])
            if len(labels) == 1:
                agreed.append(Example(text, _NAMED[labels.pop()], "sentfin"))
            elif labels:
                conflicted.append(text)
    return agreed, conflicted


def _tfns(path: Path) -> list[Example]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [Example(clean(row["text"]), _TFNS[row["label"]], "tfns") for row in csv.DictReader(lines)]


def _distinct(rows: list[Example]) -> list[Example]:
    """The first row of each normalised text; texts whose copies disagree are left out."""
    labels: dict[str, set[int]] = {}
    for row in rows:
        labels.setdefault(key_of(row.text), set()).add(row.label)
    seen: set[str] = set()
    kept: list[Example] = []
    for row in rows:
        key = key_of(row.text)
        if key and key not in seen and len(labels[key]) == 1:
            seen.add(key)
            kept.append(row)
    return kept
