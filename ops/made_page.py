"""Pages whose tables a script computes: between `<!-- made: NAME -->` and `<!-- /made -->`, everything else is a
person's. A test computes them again and compares.
"""

import re
from collections.abc import Mapping, Sequence


def replaced(text: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """The page with its blocks' lines put in. Every block must be there, and no other: AssertionError."""
    found = re.findall(r"<!-- made: (\S+) -->", text)
    assert sorted(found) == sorted(blocks), f"the page has blocks {found}, computed are {sorted(blocks)}"
    for name, lines in blocks.items():
        opening, closing = f"<!-- made: {name} -->\n", "<!-- /made -->"
        before, _, rest = text.partition(opening)
        _, _, after = rest.partition(closing)
        text = before + opening + "\n".join(lines) + "\n" + closing + after
    return text
