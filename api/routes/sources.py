"""`/sources`: see, enable, disable and pace news sources."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Source, Sources
from api.auth import Admin
from api.context import Services, Use
from api.problems import HttpProblem
from api.respond import json_answer
from contracts.instants import iso_ms
from contracts.ports import ControlStore

router = APIRouter(tags=["sources"])
KIND = "source"
SETTING_KIND = "source-setting"
Name = Annotated[
    str, Path(description="name of the source", examples=["rss-cnbc-top"], pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
]


class SourceSetting(BaseModel):
    """What an operator sets of a source; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool | None = None
    every_s: int | None = Field(None, ge=5, le=86_400, description="seconds between two fetches")


def source_rows(control: ControlStore) -> list[dict[str, Any]]:
    """Every source by name, as the producers last wrote it and the operator set it. Raises `Transient`."""
    settings = control.list(SETTING_KIND)
    return [_row(name, state, settings.get(name, {})) for name, state in sorted(control.list(KIND).items())]


def _without_question(url: str | None) -> str | None:
    """An address as anybody may see it: what is asked of it may hold a key."""
    return urlsplit(url)._replace(query="", fragment="").geturl() if url else None


def _row(name: str, state: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    success_ms, attempt_ms = state.get("last_success_ms"), state.get("last_attempt_ms")
    newest_ms, due_ms = state.get("newest_published_ms"), state.get("next_due_ms")
    return {
        "name": name,
        "kind": state.get("kind"),
        "url": _without_question(state.get("url")),
        "state": str(state.get("state", "new")),
        "enabled": bool(setting.get("enabled", state.get("state") != "paused")),
        "every_s": setting.get("every_s", state.get("every_s")),
        "last_attempt_at": iso_ms(int(attempt_ms)) if attempt_ms else None,
        "last_success_at": iso_ms(int(success_ms)) if success_ms else None,
        "cursor_at": iso_ms(int(newest_ms)) if newest_ms else None,
        "next_due_at": iso_ms(int(due_ms)) if due_ms else None,
        "error": state.get("error"),
        "note": state.get("note"),
        "published": int(state.get("published", 0)),
        "articles_per_hour": state.get("articles_per_hour"),
    }


@router.get("/sources", response_model=Sources, summary="News sources")
async def sources(request: Request, services: Use) -> Response:
    """The sources and how they are doing."""
    return json_answer(request, {"sources": await services.run("control", source_rows, services.home.control)})


def set_source(services: Services, name: str, change: dict[str, Any]) -> dict[str, Any] | None:
    """Write a source's setting; None when there is no such source. Raises `Transient`, `Conflict`."""
    control = services.home.control
    state = control.get(KIND, name).value
    if state is None:
        return None
    stored = control.get(SETTING_KIND, name)
    setting = (stored.value or {}) | change
    control.put(SETTING_KIND, name, setting, stored.version)
    return _row(name, state, setting)


@router.patch("/sources/{name}", response_model=Source, summary="Set up a source", dependencies=[Admin])
async def patch(request: Request, services: Use, name: Name, setting: SourceSetting) -> Response:
    """Enables, disables or paces a source, a faster pace at once, a slower one from its next turn on (admin)."""
    change = {key: value for key, value in setting.model_dump().items() if value is not None}
    row = await services.run("control", set_source, services, name, change)
    if row is None:
        raise HttpProblem(404, f"no source {name!r}; GET /api/v2/sources lists them")
    return json_answer(request, row)
