"""Secrets from AWS Secrets Manager: one secret, `{env}-candlewick`, a JSON object of names and values ($0.40 a month
once, not once a key). Read when first needed and again after five minutes, so a rotated key arrives by itself; where it
cannot be read again, what was read last stays.
"""

import json
import logging
from collections.abc import Callable
from typing import Any, Final

from contracts.errors import CandlewickError, Unusable
from contracts.ports import Secrets
from stores.aws_client import Refused, Service

KEPT_MS: Final = 300_000
TRY_AGAIN_MS: Final = 60_000
_ABSENT: Final = ("ResourceNotFoundException",)
log = logging.getLogger(__name__)


class SecretsManagerSecrets:
    """`contracts.ports.Secrets`. Values are never shown."""

    def __init__(self, service: Service, environment: str) -> None:
        self.name = f"{environment}-candlewick"
        self._service = service
        self._values: dict[str, str] | None = None
        self._due_ms = 0.0

    def get(self, name: str) -> str | None:
        """The secret, None when it is not set or empty, or there is no secret at all (said once in the log). As long
        as nothing is known, it raises what the store does, and `Unusable` when what is stored is no JSON object of
        texts."""
        now_ms = self._service.clock.monotonic_ms()
        if self._values is None:
            self._values, self._due_ms = self._fetch(self._service.call), now_ms + KEPT_MS
        elif now_ms >= self._due_ms:
            self._due_ms = now_ms + TRY_AGAIN_MS  # who asks meanwhile does not wait
            try:
                self._values, self._due_ms = self._fetch(self._service.call_once), now_ms + KEPT_MS
            except CandlewickError as error:
                told = {"message": "secret cannot be read again: its last values stay", "cause": str(error)}
                log.warning(json.dumps(told | {"name": self.name}))
        return self._values.get(name) or None

    def _fetch(self, call: Callable[..., dict[str, Any]]) -> dict[str, str]:
        try:
            answer = call("get_secret_value", expect=_ABSENT, SecretId=self.name)
        except Refused:
            log.warning(json.dumps({"message": "secret missing: sources that need a key stay off", "name": self.name}))
            return {}
        try:
            found = json.loads(answer.get("SecretString") or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise Unusable(f"secret {self.name} is no JSON object of names and texts; store one")
        return found

    def __repr__(self) -> str:
        return f"SecretsManagerSecrets({self.name})"


class FirstOf:
    """Several places to look for a secret, in order: a variable of the environment wins over the store."""

    def __init__(self, *places: Secrets) -> None:
        self._places = places

    def get(self, name: str) -> str | None:
        """The first value there is."""
        return next((value for place in self._places if (value := place.get(name)) is not None), None)
