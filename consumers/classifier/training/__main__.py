"""`python -m consumers.classifier.training build|eval`: make the shipped model, or judge models on the test splits."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

from consumers.classifier.training.data import Corpus, data_root, plain_validation, read_corpus, read_test_splits
from contracts.errors import CandlewickError

WORK = Path("build/model")
SHIPPED = Path(__file__).parents[1] / "models" / "data"
REPORT = Path("build/eval")
JOBS_MAX = 64


def main(arguments: list[str] | None = None) -> int:
    """Exit 0, or 1 with one line that names cause and remedy."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "build":
            _build(read_corpus(data_root(options.data)), options)
        else:
            from consumers.classifier.training.evaluate import evaluate, table

            corpus = read_test_splits(options.splits) if options.splits else read_corpus(data_root(options.data))
            report = evaluate(options.models, corpus, options.out)
            sys.stdout.write(json.dumps(report, indent=2) + "\n" if options.json else table(report))
    except CandlewickError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m consumers.classifier.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="train, quantise, calibrate; resumes where it was interrupted")
    build.add_argument("--work", type=Path, default=WORK, help="checkpoints and stages")
    build.add_argument("--target", type=Path, default=SHIPPED, help="where model.onnx, tokenizer.json, card.json go")
    build.add_argument("--teachers", type=int, choices=(1, 2), default=2, help="how many teachers judge the texts")
    build.add_argument("--jobs", type=_count, default=2, help="how many stages at a time, on a core and 3 GB each")
    build.add_argument("--float32", action="store_true", help="no bfloat16 products (for processors without them)")
    judge = commands.add_parser("eval", help="the table and the HTML report on the test splits")
    judge.add_argument("--models", nargs="+", default=["minilm-news-1", "finvader", "vader"])
    judge.add_argument("--out", type=Path, default=REPORT, help="folder for report.html and eval.json")
    judge.add_argument("--splits", type=Path, help="folder with the test splits alone, instead of --data")
    judge.add_argument("--json", action="store_true")
    for command in (build, judge):
        command.add_argument("--data", help="folder with sentiment/ and news/ (or CANDLEWICK_DATA)")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= JOBS_MAX:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {JOBS_MAX}, not {text}")
    return int(text)


def _build(corpus: Corpus, options: argparse.Namespace) -> None:
    from consumers.classifier.training.encoders import student_folder, teacher_folder
    from consumers.classifier.training.release import release
    from consumers.classifier.training.stages import Setting, judge, mean_student, pool_of, study
    from consumers.classifier.training.workers import side_by_side, single_thread

    single_thread()
    setting = Setting(options.work, tuple(range(1, options.teachers + 1)), bfloat16=not options.float32)
    pool = pool_of(corpus)
    student_folder()
    teacher_folder(options.work)
    side_by_side(judge, [(corpus, pool, setting, seed) for seed in setting.teachers], options.jobs)
    side_by_side(study, [(corpus, pool, setting, student) for student in setting.students], options.jobs)
    student = mean_student(corpus, setting)
    made_by = {
        "texts": {
            "labelled": len(pool.labelled),
            "written": sum(row.source == "written" for row in pool.labelled),
            "unlabelled": len(pool.unlabelled),
            "made": len(pool.made),
            "validation": len(corpus.valid) + len(plain_validation()),
        },
        "teachers": list(setting.teachers),
        "students": list(setting.students),
        "packages": {name: version(name) for name in ("torch", "transformers", "tokenizers", "onnxruntime", "onnx")},
        "cpu_s": {
            path.name.removesuffix(".cost.json"): json.loads(path.read_bytes())["cpu_s"]
            for path in sorted(options.work.glob("*.cost.json"))
        },
    }
    release(student, corpus, options.work / "graphs", options.target, made_by)


if __name__ == "__main__":
    raise SystemExit(main())
