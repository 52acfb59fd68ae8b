"""The default model: MiniLM-L6 taught financial news, shipped in `data/` with its card and digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.classifier.models.registry import ModelUnavailable

if TYPE_CHECKING:
    from consumers.classifier.models.onnx_text import OnnxTextModel

__all__ = ["DATA", "load", "read_model"]

DATA = Path(__file__).parent / "data"
CARD = "card.json"
REMEDY = "reinstall candlewick, or build the model with: make model"


def load(name: str, threads: int, folder: Path = DATA) -> OnnxTextModel:
    """The shipped model. Raises `ModelUnavailable`."""
    return read_model(name, threads, folder, REMEDY)


def read_model(name: str, threads: int, folder: Path, remedy: str, any_script: bool = False) -> OnnxTextModel:
    """The model in `folder`: card.json names its files with their SHA-256, and every file is checked. Without
    `any_script` it is asked only about texts in Latin letters. Raises `ModelUnavailable`."""
    try:
        card = json.loads((folder / CARD).read_bytes())
        files = {file: (folder / file).read_bytes() for file in card["sha256"]}
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise ModelUnavailable(f"{name}: {missing} is missing from {folder.name}/; {remedy}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{name}: {folder.name}/ cannot be read ({error!r}); {remedy}") from error
    for file, expected in card["sha256"].items():
        if hashlib.sha256(files[file]).hexdigest() != expected:
            raise ModelUnavailable(f"{name}: {file} is not the file its card describes (SHA-256 differs); {remedy}")
    try:
        from tokenizers import Tokenizer

        from consumers.classifier.models.onnx_text import OnnxTextModel, session_of
    except ImportError as error:
        raise ModelUnavailable(f"{name} needs {error.name}; run: pip install onnxruntime tokenizers numpy") from error
    tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
    session = session_of(files["model.onnx"])
    return OnnxTextModel(card["name"], tokenizer, session, threads, card["tokens_max"], any_script)
