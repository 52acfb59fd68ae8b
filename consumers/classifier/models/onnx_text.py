"""An ONNX text classifier that reads one unpadded text at a time, so that a score belongs to its text alone.

Dynamic int8 takes its activation scale from everything in the call. With one text in the call, and no padding, that is
the text itself: no batch, order or neighbour can change a bit (law 7). More threads mean more workers, each with
whole texts; never a product split over threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from consumers.classifier.models.registry import LABELS, Score
from consumers.classifier.text import clean

# Read while it is imported: without it onnxruntime keeps an identifier of the machine in the home folder and reports
# to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

__all__ = ["NOTHING_TO_READ", "OnnxTextModel", "readable", "session_of"]

NOTHING_TO_READ = Score("neutral", 10_000, 0)
"""The defined answer for a text without words: empty, emoji only; and in a script the encoder was not taught."""

_FATAL = 4


class OnnxTextModel:
    """Scores texts with a session that takes ids of one text and gives probabilities in the order of `LABELS`."""

    def __init__(
        self, version: str, tokenizer: Tokenizer, session: Any, threads: int, tokens_max: int, any_script: bool = False
    ) -> None:
        self.version = version
        self._any_script = any_script
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(tokens_max)
        self._session = session
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="score") if threads > 1 else None
        self._threads = threads

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score for each text, in the same order; each is a function of its own text only."""
        if self._workers is None or len(texts) < 2:
            return [self._score_one(text) for text in texts]
        # Strides and not halves: long and short texts are shared out evenly.
        shares = [texts[start :: self._threads] for start in range(self._threads)]
        scores: list[Score] = [NOTHING_TO_READ] * len(texts)
        jobs = self._workers.map(lambda share: [self._score_one(text) for text in share], shares)
        for start, answers in enumerate(jobs):
            scores[start :: self._threads] = answers
        return scores

    def probabilities(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """P(negative), P(neutral), P(positive) of one text, not rounded; for calibration and study."""
        ids = np.array(self._tokenizer.encode(clean(text)).ids, np.int64)
        answer: np.ndarray[Any, np.dtype[np.float32]] = self._session.run(None, {"ids": ids})[0]
        return answer

    def _score_one(self, text: str) -> Score:
        text = clean(text)
        if not readable(text, self._any_script):
            return NOTHING_TO_READ
        ids = np.array(self._tokenizer.encode(text).ids, np.int64)
        negative, neutral, positive = self._session.run(None, {"ids": ids})[0].tolist()
        return score_of(negative, neutral, positive)


def score_of(negative: float, neutral: float, positive: float) -> Score:
    """Rounded once, to 1/10,000. The label is the most probable; an exact tie goes to neutral."""
    shares = (negative, neutral, positive)
    assert abs(sum(shares) - 1) < 1e-3, shares
    best = max(shares)
    label = LABELS[1] if neutral == best or negative == positive else LABELS[shares.index(best)]
    confidence = neutral if label == LABELS[1] else best
    return Score(label, min(10_000, round(confidence * 10_000)), round((positive - negative) * 10_000))


def readable(text: str, any_script: bool = False) -> bool:
    """Whether there are letters, and at least half of them Latin unless the encoder was taught `any_script`."""
    if any_script or text.isascii():
        return any(character.isalpha() for character in text)
    letters = [character for character in text if character.isalpha()]
    latin = sum(character < "\u0250" or "\u1e00" <= character < "\u1f00" for character in letters)
    return bool(letters) and 2 * latin >= len(letters)


def session_of(model: bytes) -> Any:
    """A session on one thread of the caller's, with no thread of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
