"""`hf:<name>`: any Hugging Face sequence classifier with the three labels, exported to ONNX once and cached.

`<name>` is a hub name (`ProsusAI/finbert`) or a folder with a checkpoint. The first load needs the `train` extra;
later loads need neither torch nor transformers nor a network. The export is float32 and runs one unpadded text at
a time, as the default model does, so law 7 holds for it too.

The version names the weights: `hf:NAME@COMMIT`, or `hf:FOLDER@DIGEST` of all that is in the folder, wherever that lies.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from consumers.classifier.models.minilm import read_model
from consumers.classifier.models.onnx_text import OnnxTextModel
from consumers.classifier.models.registry import LABELS, ModelUnavailable

__all__ = ["load"]

CACHE = Path("~/.cache/candlewick/models")
TOKENS_MAX = 256
DIGITS = 12
VERSION_CHARACTERS_MAX = 100
"""What an event takes; a longer name goes by the name of its folder in the cache."""
MEANINGS = {
    "negative": ("negative", "bearish", "neg"),
    "neutral": ("neutral", "none", "neu"),
    "positive": ("positive", "bullish", "pos"),
}
"""The label names that are understood, in any case."""
_CHECKED_LENGTHS = (3, 11, 40)
_TOLERANCE = 1e-4


def load(name: str, threads: int, cache: Path = CACHE) -> OnnxTextModel:
    """The checkpoint, from the cache or exported into it. Raises `ModelUnavailable`."""
    checkpoint = name.removeprefix("hf:")
    local = Path(checkpoint).expanduser()
    digest = _digest_of(local) if local.is_dir() else ""
    key = digest or hashlib.sha256(checkpoint.encode()).hexdigest()
    folder = cache.expanduser() / f"{_slug(checkpoint)}-{key[:DIGITS]}"
    if not (folder / "card.json").is_file():
        version = f"hf:{local.resolve().name}@{digest[:DIGITS]}" if digest else ""
        _export(name, str(local) if digest else checkpoint, folder, version)
    model = read_model(name, threads, folder, remedy=f"delete {folder} to export it again", any_script=True)
    if len(model.version) > VERSION_CHARACTERS_MAX:
        model.version = f"hf:{folder.name}"
    return model


def _digest_of(folder: Path) -> str:
    """SHA-256 over the names and contents of all files. Raises `ModelUnavailable` for one that cannot be read."""
    digest = hashlib.sha256()
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise ModelUnavailable(f"hf:{folder} cannot be read: {error}") from error
    return digest.hexdigest()


def _export(name: str, checkpoint: str, folder: Path, version: str) -> None:
    """Writes model.onnx, tokenizer.json and card.json to a folder beside, then renames it: whole or not at all.
    Without a `version` it is the name with the hub's commit."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ModelUnavailable(
            f"{name} is not in the cache and exporting it needs {error.name}; run: pip install 'candlewick[train]'"
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
        network = transformers.AutoModelForSequenceClassification.from_pretrained(
            checkpoint, attn_implementation="eager"
        ).eval()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelUnavailable(f"{name} is neither a folder nor a checkpoint that can be fetched: {reason}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelUnavailable(f"{name} has no fast tokenizer (tokenizer.json); choose a checkpoint that has one")
    order = _label_order(name, network.config.id2label)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".export-"))
    try:
        tokenizer.backend_tokenizer.save(str(work / "tokenizer.json"))
        _trace(name, torch, network, order, work / "model.onnx")
        tokens_max = min(TOKENS_MAX, getattr(network.config, "max_position_embeddings", TOKENS_MAX) - 2)
        files = ("model.onnx", "tokenizer.json")
        commit = getattr(network.config, "_commit_hash", None)
        card = {
            "name": version or (f"{name}@{commit[:DIGITS]}" if commit else name),
            "tokens_max": tokens_max,
            "sha256": {file: hashlib.sha256((work / file).read_bytes()).hexdigest() for file in files},
        }
        (work / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        if not folder.exists():
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _label_order(name: str, id2label: dict[int, str]) -> list[int]:
    """Which output is negative, neutral, positive."""
    order = []
    for label in LABELS:
        found = [int(index) for index, word in id2label.items() if str(word).lower() in MEANINGS[label]]
        if len(found) != 1 or len(id2label) != len(LABELS):
            raise ModelUnavailable(
                f"{name} has the labels {sorted(map(str, id2label.values()))}; "
                "name a checkpoint with negative, neutral and positive (or bearish, neutral, bullish)"
            )
        order.append(found[0])
    return order


def _trace(name: str, torch: Any, network: Any, order: list[int], path: Path) -> None:
    """Exports ids -> probabilities and compares the graph with the network at lengths it was not traced at."""
    from consumers.classifier.models.onnx_text import session_of

    class OneText(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: Any) -> Any:
            return torch.softmax(self.network(input_ids=ids.unsqueeze(0)).logits[0, order], -1)

    one = OneText().eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            one,
            (torch.arange(7),),
            str(path),
            input_names=["ids"],
            output_names=["probabilities"],
            dynamic_axes={"ids": {0: "tokens"}},
            opset_version=17,
            dynamo=False,
        )
        session = session_of(path.read_bytes())
        for length in _CHECKED_LENGTHS:
            ids = torch.arange(5, 5 + length) % network.config.vocab_size
            gap = abs(session.run(None, {"ids": ids.numpy()})[0] - one(ids).numpy()).max()
            if gap > _TOLERANCE:
                raise ModelUnavailable(
                    f"{name} cannot be exported faithfully: it differs by {gap:.4f} at {length} tokens"
                )


def _slug(checkpoint: str) -> str:
    kept = "".join(character if character.isalnum() else "-" for character in checkpoint.rstrip("/"))
    return kept[-40:].strip("-").lower() or "model"
