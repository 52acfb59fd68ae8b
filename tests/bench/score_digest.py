"""One digest of every stored score of 5,000 headlines: equal on every Python, every batch size, every thread count.

Run it with each interpreter that has onnxruntime, tokenizers and numpy, and compare the lines.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from consumers.classifier.models.registry import load  # noqa: E402
from tests.bench.bench_model import read_headlines  # noqa: E402


def main() -> int:
    """Prints one line for each way of scoring; exit 1 when they differ."""
    texts, _ = read_headlines()
    digests = set()
    for threads, batch in ((1, 1), (1, 128), (2, 500)):
        model = load(threads=threads)
        scores = [score for at in range(0, len(texts), batch) for score in model.score(texts[at : at + batch])]
        digest = hashlib.sha256(repr([tuple(score) for score in scores]).encode()).hexdigest()
        digests.add(digest)
        packages = " ".join(f"{name}-{version(name)}" for name in ("onnxruntime", "tokenizers", "numpy"))
        print(f"{digest[:16]} python-{platform.python_version()} {packages} threads {threads} batch {batch}")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
