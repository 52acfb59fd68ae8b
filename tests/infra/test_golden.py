"""The templates as they were when somebody last looked at them, hashes masked. `UPDATE_GOLDEN=1` writes them anew; the
diff is what a reviewer reads.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Template

GOLDEN = Path(__file__).parent / "golden"
STACKS = ("Data", "Pipeline", "Api", "Ops", "Guardrail")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


def masked(value: Any) -> Any:
    """Asset hashes change with every line of code; metadata says only where things were made."""
    if isinstance(value, dict):
        return {name: masked(part) for name, part in sorted(value.items()) if name != "Metadata"}
    if isinstance(value, list):
        return [masked(part) for part in value]
    return _HASH.sub("<hash>", value) if isinstance(value, str) else value


@pytest.mark.parametrize("variant", ["dev", "prod"])
@pytest.mark.parametrize("stack", STACKS)
def test_the_template_is_the_one_that_was_reviewed(
    templates: Callable[[str], dict[str, Template]], variant: str, stack: str
):
    text = json.dumps(masked(templates(variant)[stack]), indent=1) + "\n"
    golden = GOLDEN / f"{variant}-{stack.lower()}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert golden.exists(), f"{golden.name}: UPDATE_GOLDEN=1 makes it"
    assert text == golden.read_text(), f"{golden.name} differs: look, then UPDATE_GOLDEN=1"
