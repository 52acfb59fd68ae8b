"""Speed, memory and batch invariance of the sentiment models, written to build/bench/model.json.

Throughput is counted in CPU seconds on one thread and in wall seconds on two, so that a busy machine does not look
like a slow model; latency and cold start are wall time. Everything includes cleaning and tokenising.
Peers: VADER and FinVADER in this process; transformers + PyTorch on the same encoder in the interpreter given by
`--peer-python` (it needs the `train` extra), one text at a time and in padded batches.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from consumers.classifier.models.registry import DEFAULT, Model, ModelUnavailable, load  # noqa: E402
from tests.bench.report import stamped  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "model"
HEADLINES = GOLDEN / "headlines.csv.gz"
BATCHES = (1, 32, 128)
ROUNDS = 5
BUCKETS_WORDS = (8, 12, 18)
SHUFFLES = 20
COLD_STARTS = 7

# VmHWM and not getrusage: a child's ru_maxrss starts at its parent's peak.
COLD = """
import time; start = time.perf_counter()
import json
from consumers.classifier.models.registry import load
model = load({name!r}); model.score(["Acme profit rises 5%"])
seconds = time.perf_counter() - start
model.score({texts!r})
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
print(json.dumps({{"cold_start_s": seconds, "resident_mb": int(peak) / 1024}}))
"""

PEER = """
import json, sys, time
start = time.perf_counter()
import torch
from transformers import AutoTokenizer, AutoModelForSequenceClassification
from consumers.classifier.training.encoders import student_folder
torch.set_num_threads(1)
folder = str(student_folder())
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3).eval()
def score(texts):
    with torch.inference_mode():
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
        return model(**tokens).logits.softmax(-1)
score(["Acme profit rises 5%"])
cold = time.perf_counter() - start
sets = json.load(sys.stdin)
found = {"cold_start_s": cold}
for name, texts in sets.items():
    for batch in (1, 32):
        busy = time.process_time()
        for at in range(0, len(texts), batch):
            score(texts[at : at + batch])
        found[f"{name}_per_cpu_s_batch_{batch}"] = len(texts) / (time.process_time() - busy)
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
found["resident_mb"] = int(peak) / 1024
print(json.dumps(found))
"""


def main() -> int:
    """Writes the JSON and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "model.json")
    parser.add_argument("--peer-python", type=Path, default=ROOT / ".venv-train" / "bin" / "python")
    parser.add_argument("--quick", action="store_true", help="fewer texts and rounds, no 100,000-text invariance run")
    options = parser.parse_args()
    titles, articles = read_headlines()
    if options.quick:
        titles, articles = titles[:400], articles[:150]
    snippets = [article[:200] for article in articles if len(article) >= 200][: len(titles) // 5]
    result: dict[str, Any] = {"model": options.model, "titles": len(titles), "snippets": len(snippets)}
    result["throughput"] = throughput(options.model, {"titles": titles[:2000], "snippets": snippets})
    result["latency_ms"] = latency(options.model, titles[:2000], articles[:1000])
    result["cold"] = cold(options.model, titles[:300])
    result["peers"] = peers(options.peer_python, titles[:1000], snippets[:300])
    if not options.quick:
        result["batch_invariance"] = invariance(options.model, titles[:5000])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(stamped(result), indent=2)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if result.get("batch_invariance", {}).get("differences") else 0


def read_headlines() -> tuple[list[str], list[str]]:
    """Real titles, and real titles with up to 200 characters of their text."""
    with gzip.open(HEADLINES, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [row["title"] for row in rows], [row["article"] for row in rows if row["article"]]


def throughput(name: str, sets: dict[str, list[str]]) -> dict[str, Any]:
    """Texts a second by set, threads, batch and length bucket; the median of the rounds."""
    found: dict[str, Any] = {}
    for threads in (1, 2):
        model = load(name, threads)
        model.score(sets["titles"][:64])
        for kind, texts in sets.items():
            for batch in BATCHES:
                found[f"{kind}_threads_{threads}_batch_{batch}"] = rate(model, texts, batch, cpu=threads == 1)
    model = load(name)
    for low, high in zip((0, *BUCKETS_WORDS), (*BUCKETS_WORDS, 10_000), strict=True):
        bucket = [text for text in sets["titles"] if low < len(text.split()) <= high]
        if bucket:
            found[f"titles_threads_1_words_{low + 1}_to_{high}"] = rate(model, bucket, 32, cpu=True)
    return found


def rate(model: Model, texts: Sequence[str], batch: int, cpu: bool) -> dict[str, float]:
    """Texts per second: of CPU time on one thread, of wall time on several."""
    clock: Callable[[], float] = time.process_time if cpu else time.perf_counter
    rates = []
    for _ in range(ROUNDS):
        start = clock()
        for at in range(0, len(texts), batch):
            model.score(texts[at : at + batch])
        rates.append(len(texts) / (clock() - start))
    return {"texts_per_s": round(statistics.median(rates), 1), "best": round(max(rates), 1)}


def latency(name: str, titles: Sequence[str], articles: Sequence[str]) -> dict[str, dict[str, float]]:
    """One call with one text, one thread, in wall milliseconds."""
    model = load(name)
    model.score(titles[:50])
    found = {}
    for kind, texts in (("title", titles), ("article", articles)):
        times = []
        for text in texts:
            start = time.perf_counter()
            model.score([text])
            times.append((time.perf_counter() - start) * 1000)
        cuts = statistics.quantiles(times, n=100)
        found[kind] = {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3)}
    return found


def cold(name: str, texts: Sequence[str]) -> dict[str, float]:
    """A fresh interpreter: import, session, first score; then its peak memory after more texts."""
    runs = [python(Path(sys.executable), COLD.format(name=name, texts=list(texts))) for _ in range(COLD_STARTS)]
    return {
        "cold_start_s_median": round(statistics.median(run["cold_start_s"] for run in runs), 3),
        "cold_start_s_best": round(min(run["cold_start_s"] for run in runs), 3),
        "resident_mb": round(max(run["resident_mb"] for run in runs), 1),
    }


def peers(peer_python: Path, titles: Sequence[str], snippets: Sequence[str]) -> dict[str, Any]:
    """The same texts through the others, in the same run."""
    found: dict[str, Any] = {}
    for name in ("vader", "finvader"):
        try:
            model = load(name)
        except ModelUnavailable as error:
            found[name] = str(error)
            continue
        found[name] = {
            "titles": rate(model, titles, 32, cpu=True),
            "snippets": rate(model, snippets, 32, cpu=True),
            **cold(name, titles[:50]),
        }
    if peer_python.is_file():
        found["transformers_torch"] = python(peer_python, PEER, {"titles": titles, "snippets": snippets})
    else:
        found["transformers_torch"] = "no interpreter with the train extra; pass --peer-python"
    return found


def invariance(name: str, texts: Sequence[str]) -> dict[str, int]:
    """Every text alone, then in shuffled batches of mixed sizes on one and two threads: how many scores differ."""
    single, double = load(name), load(name, 2)
    alone = [single.score([text])[0] for text in texts]
    chance = random.Random(7)
    differences = scored = 0
    for shuffle in range(SHUFFLES):
        order = chance.sample(range(len(texts)), len(texts))
        model, at = (single, double)[shuffle % 2], 0
        while at < len(order):
            rows = order[at : at + chance.choice((1, 2, 7, 32, 128, 500))]
            found = model.score([texts[row] for row in rows])
            differences += sum(score != alone[row] for score, row in zip(found, rows, strict=True))
            scored += len(rows)
            at += len(rows)
    return {"texts": len(texts), "shuffles": SHUFFLES, "scored": scored, "differences": differences}


def python(interpreter: Path, code: str, given: Any = None) -> Any:
    """Runs code in another interpreter, from the repository's root; its last line of output is JSON."""
    done = subprocess.run(
        [str(interpreter), "-c", code], cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    raise SystemExit(main())
