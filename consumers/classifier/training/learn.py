"""One training run: seeded, resumable at any step, progress on stderr.

Every step draws its randomness from (seed, step) alone, so a run that was interrupted and resumed takes the same
steps as one that was not. Matrix products run in bfloat16 where asked: about three times as fast on a CPU that
has the instructions, and still right, only slower, on one that has not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from consumers.classifier.training.network import Classifier

__all__ = ["Run", "learn", "note_cost", "probabilities", "say"]

Floats = NDArray[np.float32]
CHUNK_BATCHES = 40
"""Batches are cut from so many batches' worth of shuffled texts, sorted by length: little padding, still random."""
CHECKPOINT_STEPS = 100
PROGRESS_STEPS = 25


@dataclass(frozen=True)
class Run:
    """The settings of one run. Learning rate rises over the first 6 % of the steps, then falls to zero."""

    name: str
    epochs: int
    learning_rate: float
    seed: int
    batch: int = 32
    weight_decay: float = 0.01
    freeze_words: bool = False
    freeze_layers: int = 0
    """So many of the lowest layers stay as they were pre-trained, and all embeddings with them."""
    bfloat16: bool = True


def say(text: str) -> None:
    """A line of progress. Results go to files and stdout, never here."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def learn(
    model: Classifier,
    ids: Sequence[Sequence[int]],
    targets: Floats,
    weights: Floats,
    run: Run,
    folder: Path,
) -> Classifier:
    """Trains on soft targets (texts, 3) with a weight for each text, and leaves `folder/<name>.pt`.

    A finished run is read back, an unfinished one goes on from its last checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done, checkpoint = folder / f"{run.name}.pt", folder / f"{run.name}.checkpoint.pt"
    if done.is_file():
        model.load_state_dict(torch.load(done, weights_only=True))
        return model
    _freeze(model, run)
    optimizer = torch.optim.AdamW(_groups(model, run.weight_decay), lr=run.learning_rate, fused=True)
    steps = run.epochs * (len(ids) // run.batch)
    first, spent_before, busy = 0, 0.0, time.process_time()
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        first, spent_before = int(saved["step"]), float(saved.get("cpu_s", 0.0))
        say(f"{run.name}: resumed at step {first} of {steps}")
    model.train()
    started, seen_loss = time.perf_counter(), 0.0
    for step, rows in enumerate(_batches([len(row) for row in ids], run)):
        if step < first:
            continue
        for group in optimizer.param_groups:
            group["lr"] = run.learning_rate * _pace(step, steps)
        seen_loss += _step(model, optimizer, ids, targets, weights, rows, run, step)
        if (step + 1) % PROGRESS_STEPS == 0:
            per_step = (time.perf_counter() - started) / (step + 1 - first)
            left_min = (steps - step - 1) * per_step / 60
            say(f"{run.name}: {step + 1}/{steps} loss {seen_loss / PROGRESS_STEPS:.4f} {left_min:.1f} min left")
            seen_loss = 0.0
        if (step + 1) % CHECKPOINT_STEPS == 0:
            spent = spent_before + time.process_time() - busy
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            _save({**state, "step": step + 1, "cpu_s": spent}, checkpoint)
    note_cost(folder, run.name, spent_before + time.process_time() - busy)
    _save(model.state_dict(), done)
    checkpoint.unlink(missing_ok=True)
    return model


def note_cost(folder: Path, name: str, cpu_s: float) -> None:
    """CPU seconds of a stage, all of its sessions together, in `folder/<name>.cost.json`: the model card tells them."""
    (folder / f"{name}.cost.json").write_text(json.dumps({"cpu_s": round(cpu_s)}) + "\n", encoding="utf-8")


def probabilities(model: Classifier, ids: Sequence[Sequence[int]], bfloat16: bool = True, batch: int = 64) -> Floats:
    """Logits of all texts, shape (texts, 3), in their order."""
    model.eval()
    logits = np.zeros((len(ids), 3), np.float32)
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    started = time.perf_counter()
    with torch.inference_mode():
        for number, start in enumerate(range(0, len(order), batch)):
            rows = order[start : start + batch]
            padded, mask = _pad([ids[row] for row in rows])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                logits[rows] = model(padded, mask).float().numpy()
            if (number + 1) % 100 == 0:
                say(f"scored {start + len(rows)}/{len(order)} in {time.perf_counter() - started:.0f} s")
    return logits


def _step(
    model: Classifier,
    optimizer: torch.optim.Optimizer,
    ids: Sequence[Sequence[int]],
    targets: Floats,
    weights: Floats,
    rows: NDArray[np.int64],
    run: Run,
    step: int,
) -> float:
    torch.manual_seed(run.seed * 1_000_003 + step)
    padded, mask = _pad([ids[row] for row in rows])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=run.bfloat16):
        logits = model(padded, mask)
    log_probability = functional.log_softmax(logits.float(), dim=-1)
    each = -(torch.from_numpy(targets[rows]) * log_probability).sum(-1)
    loss = (each * torch.from_numpy(weights[rows])).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _batches(lengths: Sequence[int], run: Run) -> Iterator[NDArray[np.int64]]:
    """The rows of every batch of every epoch: a function of the lengths and the seed alone."""
    size = np.asarray(lengths)
    for epoch in range(run.epochs):
        chance = np.random.default_rng((run.seed, epoch))
        order = chance.permutation(len(size))
        batches = []
        for start in range(0, len(order), run.batch * CHUNK_BATCHES):
            chunk = order[start : start + run.batch * CHUNK_BATCHES]
            chunk = chunk[np.argsort(size[chunk], kind="stable")]
            batches += [chunk[at : at + run.batch] for at in range(0, len(chunk), run.batch)]
        batches = [batch for batch in batches if len(batch) == run.batch]
        batches = batches[: len(size) // run.batch]
        for number in chance.permutation(len(batches)):
            yield batches[number]


def _pace(step: int, steps: int) -> float:
    rise = max(1, round(steps * 0.06))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / (steps - rise))


def _pad(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(row) for row in rows)
    ids = torch.ones((len(rows), longest), dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def _freeze(model: Classifier, run: Run) -> None:
    model.requires_grad_(True)  # The round before may have held more.
    encoder = model.encoder
    if run.freeze_words:
        encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    if run.freeze_layers:
        for part in (encoder.embeddings, *encoder.encoder.layer[: run.freeze_layers]):
            part.requires_grad_(False)


def _groups(model: Classifier, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices only: none on biases and normalisation."""
    kept = [value for value in model.parameters() if value.requires_grad]
    return [
        {"params": [value for value in kept if value.ndim > 1], "weight_decay": weight_decay},
        {"params": [value for value in kept if value.ndim == 1], "weight_decay": 0.0},
    ]


def _save(value: object, path: Path) -> None:
    """Written beside and renamed: a crash leaves the last whole checkpoint."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.replace(path)
