"""What is trained on what: teachers, their opinion of every text, students of all of them, the mean of the students.

Each stage leaves a file in the work folder and is skipped when the file is there. Teachers do not need each other,
and neither do students.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from consumers.classifier.training.announced import announced_sentences
from consumers.classifier.training.augment import variants
from consumers.classifier.training.data import Corpus, Example, plain_validation
from consumers.classifier.training.encoders import student_folder, teacher_folder
from consumers.classifier.training.learn import Floats, Run, learn, note_cost, probabilities, say
from consumers.classifier.training.made import made_sentences
from consumers.classifier.training.network import Classifier, build, read_tokenizer
from contracts.errors import Unusable

__all__ = [
    "STUDENTS",
    "TEACHERS",
    "Pool",
    "Setting",
    "judge",
    "mean_student",
    "opinions",
    "pool_of",
    "softmax",
    "study",
    "token_ids",
]

TOKENS_MAX = 96
MADE_TEACHER, MADE_TEACHER_SEED = 2_000, 10
ANNOUNCED_TEACHER, ANNOUNCED_TEACHER_SEED = 2_000, 11
MADE_STUDENT, MADE_STUDENT_SEED = 4_000, 20
ANNOUNCED_STUDENT, ANNOUNCED_STUDENT_SEED = 6_000, 21
VARIANTS, VARIANTS_SEED = 8_000, 30
LABEL_SMOOTHING = 0.05
BATCH = 64
TEACHERS = (1, 2)
TEACHER_ROUNDS = ((2, 5e-5, 4), (1, 4e-5, 0), (1, 3e-5, 0))
"""Epochs, learning rate and how many of the lowest layers stay as they were, in each round of a teacher; each goes on
from the one before."""
ASKED_AFTER = (1, 3)
"""The rounds after which a teacher gives its opinion of every text."""
STUDENTS = (1, 2)
STUDENT_HEAD_SEED = 5
"""All students begin under the same head, so that the mean of their weights is a student too."""
ROUNDS = ((2, 2e-4, 1), (1, 1.2e-4, 1), (1, 1e-4, 1), (2, 8e-5, 2), (2, 6e-5, 2))
"""Epochs, learning rate and how many of each teacher's opinions are taught, in each round of a student; each goes on
from the one before."""
LABELLED_TIMES = 2
"""How often the student reads a labelled headline in each pass; all other texts once."""
TRUTH_WEIGHT = 0.4
"""How much of a labelled headline's target is its label; the rest is the teacher's opinion. Made labels are certain."""


@dataclass(frozen=True)
class Setting:
    """What every stage needs."""

    work: Path
    teachers: tuple[int, ...] = TEACHERS
    students: tuple[int, ...] = STUDENTS
    bfloat16: bool = True


@dataclass(frozen=True)
class Pool:
    """Everything the student reads: texts the teachers judge, labelled ones first, then made sentences."""

    labelled: list[Example]
    unlabelled: list[str]
    made: list[Example]

    @property
    def judged(self) -> list[str]:
        """The texts whose target is wholly or partly a teacher's opinion, in their order."""
        return [*(row.text for row in self.labelled), *self.unlabelled]


def pool_of(corpus: Corpus) -> Pool:
    """Train splits, unlabelled news and variants of both, and made sentences that are new to the student."""
    made = made_sentences(MADE_STUDENT, MADE_STUDENT_SEED)
    made += announced_sentences(ANNOUNCED_STUDENT, ANNOUNCED_STUDENT_SEED)
    changed = variants([*(row.text for row in corpus.train), *corpus.unlabelled], VARIANTS, VARIANTS_SEED)
    return Pool(corpus.train, [*corpus.unlabelled, *changed], made)


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, with the encoder's own start and end tokens."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = powers / powers.sum(-1, keepdims=True)
    return shares


def judge(corpus: Corpus, pool: Pool, setting: Setting, seed: int) -> None:
    """Leaves a teacher's logits for every judged text of the pool, shape (texts, 3), one file for each round that it is
    asked after; trains it where needed: mpnet on the labelled headlines and made sentences."""
    if all(_opinions_path(setting, seed, number).is_file() for number in ASKED_AFTER):
        return
    folder = teacher_folder(setting.work)
    tokenizer = read_tokenizer(folder, TOKENS_MAX)
    rows = [
        *corpus.train,
        *made_sentences(MADE_TEACHER, MADE_TEACHER_SEED),
        *announced_sentences(ANNOUNCED_TEACHER, ANNOUNCED_TEACHER_SEED),
    ]
    ids, targets = token_ids(tokenizer, [row.text for row in rows]), _one_hot(rows, LABEL_SMOOTHING)
    model = build(folder, seed)
    for number, (epochs, learning_rate, frozen) in enumerate(TEACHER_ROUNDS, start=1):
        run = Run(
            name=f"teacher-{seed}-round-{number}",
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed + 100 * (number - 1),
            batch=BATCH,
            freeze_words=True,
            freeze_layers=frozen,
            bfloat16=setting.bfloat16,
        )
        say(f"{run.name}: {len(rows)} texts, {sum(map(len, ids)) / len(ids):.1f} tokens each")
        learn(model, ids, targets, np.ones(len(rows), np.float32), run, setting.work)
        _say_validation(run.name, model, tokenizer, corpus, setting)
        if number in ASKED_AFTER:
            _ask(model, token_ids(tokenizer, pool.judged), setting, _opinions_path(setting, seed, number))


def _ask(model: Classifier, ids: Sequence[Sequence[int]], setting: Setting, path: Path) -> None:
    if path.is_file():
        return
    busy = time.process_time()
    logits = probabilities(model, ids, setting.bfloat16)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, logits)
    partial.replace(path)
    note_cost(setting.work, path.stem, time.process_time() - busy)


def opinions(pool: Pool, setting: Setting, asked: int) -> Floats:
    """The mean of the teachers' probabilities for every judged text of the pool, shape (texts, 3), and of the first
    `asked` times they were asked."""
    times = [_mean_opinion(pool, setting, number) for number in ASKED_AFTER[:asked]]
    mean: Floats = np.mean(times, axis=0).astype(np.float32)
    return mean


def _mean_opinion(pool: Pool, setting: Setting, number: int) -> Floats:
    found = []
    for seed in setting.teachers:
        path = _opinions_path(setting, seed, number)
        logits: Floats = np.load(path)
        if len(logits) != len(pool.judged):
            raise Unusable(f"{path.name} is of another pool; delete it to ask the teacher again")
        found.append(softmax(logits))
    mean: Floats = np.mean(found, axis=0).astype(np.float32)
    return mean


def _opinions_path(setting: Setting, seed: int, number: int) -> Path:
    return setting.work / f"opinions-{seed}-round-{number}.npy"


def study(corpus: Corpus, pool: Pool, setting: Setting, student: int) -> None:
    """A student: MiniLM-L6 on the pool, its targets the teachers' opinions mixed with the labels there are."""
    folder = student_folder()
    tokenizer = read_tokenizer(folder, TOKENS_MAX)
    ids = token_ids(tokenizer, [*pool.judged, *(row.text for row in pool.made)])
    ids += ids[: len(pool.labelled)] * (LABELLED_TIMES - 1)
    model = build(folder, STUDENT_HEAD_SEED, attention_dropout=0.0)
    for number, (epochs, learning_rate, asked) in enumerate(ROUNDS, start=1):
        run = Run(
            name=_student_name(setting, student, number),
            epochs=epochs,
            learning_rate=learning_rate,
            seed=10 * student + number,
            batch=BATCH,
            freeze_words=True,
            bfloat16=setting.bfloat16,
        )
        say(f"{run.name}: {len(ids)} texts, {sum(map(len, ids)) / len(ids):.1f} tokens each")
        targets = _targets(pool, opinions(pool, setting, asked))
        learn(model, ids, targets, np.ones(len(ids), np.float32), run, setting.work)
        _say_validation(run.name, model, tokenizer, corpus, setting)


def _targets(pool: Pool, teacher: Floats) -> Floats:
    """Of every text the student reads in a pass, shape (texts, 3)."""
    count = len(pool.labelled)
    labelled = TRUTH_WEIGHT * _one_hot(pool.labelled, 0.0) + (1 - TRUTH_WEIGHT) * teacher[:count]
    made = _one_hot(pool.made, LABEL_SMOOTHING)
    return np.concatenate([labelled, teacher[count:], made, *[labelled] * (LABELLED_TIMES - 1)])


def mean_student(corpus: Corpus, setting: Setting) -> Classifier:
    """The student whose every weight is the mean of the students' weights."""
    folder = student_folder()
    model = build(folder, STUDENT_HEAD_SEED)
    names = [_student_name(setting, student, len(ROUNDS)) for student in setting.students]
    model.load_state_dict(mean_weights([torch.load(setting.work / f"{name}.pt", weights_only=True) for name in names]))
    _say_validation("mean of the students", model, read_tokenizer(folder, TOKENS_MAX), corpus, setting)
    return model


def mean_weights(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Of each tensor the mean, name by name. All have the same names and shapes."""
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}


def _student_name(setting: Setting, student: int, number: int) -> str:
    """Which student, of which teachers, after which round."""
    return f"student-{student}-of-{'-'.join(map(str, setting.teachers))}-round-{number}"


def _one_hot(examples: Sequence[Example], smoothing: float) -> Floats:
    """Targets of shape (texts, 3): 1 - smoothing on the label, the rest spread over all three."""
    targets = np.full((len(examples), 3), smoothing / 3, np.float32)
    targets[np.arange(len(examples)), [row.label for row in examples]] += 1 - smoothing
    return targets


def _say_validation(name: str, model: Classifier, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> None:
    rows = [*corpus.valid, *plain_validation()]
    logits = probabilities(model, token_ids(tokenizer, [row.text for row in rows]), setting.bfloat16)
    right = logits.argmax(-1) == np.array([row.label for row in rows])
    sources = np.array([row.source for row in rows])
    shares = {str(source): round(float(right[sources == source].mean()), 4) for source in np.unique(sources)}
    say(f"{name}: accuracy on validation texts {shares}")
