"""Secrets from environment variables and a `.env` file; a variable wins over the file. Values are never shown."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.errors import Unusable

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)\Z", re.DOTALL)


class EnvSecrets:
    """`contracts.ports.Secrets`. The composition root hands over the environment."""

    def __init__(self, env: Mapping[str, str], file: Path | None = None) -> None:
        """Reads the file once; a missing one is empty. Raises `Unusable` naming the line that is not `NAME=value`."""
        found = [*parse_dotenv(file).items(), *env.items()]
        self._values = {name: value for name, value in found if value != ""}

    def get(self, name: str) -> str | None:
        """The secret, None when it is not set or empty."""
        return self._values.get(name)

    def __repr__(self) -> str:
        return f"EnvSecrets({len(self._values)} values)"


def parse_dotenv(file: Path | None) -> dict[str, str]:
    """`NAME=value` lines; `#` comments (after a value: with a space before), `export`, single or double quotes."""
    if file is None:
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{file} cannot be read ({error}); mend or remove it") from None
    values = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.match(line)
        if not found:
            raise Unusable(f"{file}, line {number} is not NAME=value; mend or remove it")
        values[found[1]] = _unquoted(found[2])
    return values


def _unquoted(value: str) -> str:
    text = value.strip()
    for quote in "\"'":
        if text.startswith(quote) and (end := text.find(quote, 1)) > 0:
            return text[1:end]
    return re.split(r"\s#", value, maxsplit=1)[0].strip()
