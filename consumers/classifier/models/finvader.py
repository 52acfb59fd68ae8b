"""FinVADER: VADER's rules with SentiBigNomics and Henry's word list (Koráb, 2023). A baseline.

The package itself asks for an old NLTK and downloads a lexicon when it is imported, so it is never imported:
only its two word lists are read, from their own files, and merged as its author does (SentiBigNomics times 0.1,
then Henry's, over VADER's).
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from consumers.classifier.models.registry import ModelUnavailable
from consumers.classifier.models.vader import CompoundModel, analyzer

__all__ = ["load"]

SENTIBIGNOMICS_WEIGHT = 0.1
REMEDY = "run: pip install --no-deps --ignore-requires-python finvader==1.0.4"


def load(name: str, threads: int) -> CompoundModel:
    """FinVADER. `threads` changes nothing. Raises `ModelUnavailable` when the package is missing."""
    spec = find_spec("finvader")
    if spec is None or spec.origin is None:
        raise ModelUnavailable(f"the optional finvader package is missing; {REMEDY}")
    folder = Path(spec.origin).parent
    rules = analyzer()
    words: dict[str, float] = _module(folder / "SentiBignomics.py").lexicon1()
    rules.lexicon.update({word: value * SENTIBIGNOMICS_WEIGHT for word, value in words.items()})
    rules.lexicon.update(_module(folder / "Henry.py").lexicon2())
    return CompoundModel("finvader-1", rules)


def _module(path: Path) -> Any:
    spec = spec_from_file_location(f"_finvader_{path.stem.lower()}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ModelUnavailable(f"the finvader package has no {path.name}; {REMEDY}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
