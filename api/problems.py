"""Errors as problem+json (RFC 9457): what is wrong, with which parameter, and what would be allowed."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount

from api.headers import for_page, headers_of
from api.logs import note, request_id
from contracts.errors import BadEvent, BadRequest, Conflict, Transient

MEDIA_TYPE = "application/problem+json"
STORE_RETRY_S = 2
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class Fault(BaseModel):
    """One thing wrong with the question."""

    parameter: str = Field(examples=["resolution"])
    detail: str = Field(examples=["Input should be '1m', '5m' …"])
    allowed: list[str] | None = Field(None, examples=[["1m", "5m"]])


class Problem(BaseModel):
    """What every error answer holds. `dependency`: which store did not answer (503)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:candlewick:problem:bad-request"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["unknown resolution '3m' (allowed: 1m, 5m, …)"])
    instance: str | None = Field(None, examples=["/api/v2/timeseries/AAPL"])
    allowed: list[str] | None = None
    errors: list[Fault] | None = None
    dependency: str | None = None
    retry_after: int | None = None
    max_connections: int | None = None


class HttpProblem(Exception):
    """An answer that is not the one asked for; `extra` members go into the body."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


class ProblemResponse(Response):
    """A problem document."""

    media_type = MEDIA_TYPE


def problem(
    status: int, detail: str, instance: str | None = None, headers: Mapping[str, str] | None = None, **extra: Any
) -> ProblemResponse:
    """The answer for a problem; members that are None are left out."""
    phrase = HTTPStatus(status).phrase
    document = {
        "type": f"urn:candlewick:problem:{phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    } | extra
    body = msgspec.json.encode({name: value for name, value in document.items() if value is not None})
    return ProblemResponse(body, status, dict(headers or {}) | {"Cache-Control": "no-store"})


def problem_of(error: Exception, path: str) -> ProblemResponse:
    """The answer for one of the project's errors."""
    match error:
        case HttpProblem():
            return problem(error.status, error.detail, path, error.headers, **error.extra)
        case BadRequest():
            return problem(400, str(error), path, allowed=list(error.allowed) or None)
        case BadEvent():
            return problem(400, error.detail, path)
        case Conflict():
            return problem(409, str(error), path)
        case Transient():
            note(logging.WARNING, "store unavailable", dependency=error.dependency, cause=str(error))
            return problem(
                503,
                f"{error.dependency} does not answer; try again in {STORE_RETRY_S} s",
                path,
                {"Retry-After": str(STORE_RETRY_S)},
                dependency=error.dependency,
                retry_after=STORE_RETRY_S,
            )
    raise error


def _allowed_of(fault: Mapping[str, Any]) -> list[str] | None:
    """The allowed values pydantic knows of."""
    expected = fault.get("ctx", {}).get("expected")
    if fault["type"] in ("literal_error", "enum") and isinstance(expected, str):
        return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    return None


def validation_problem(error: RequestValidationError, path: str) -> ProblemResponse:
    """400 naming every parameter at fault and what it may be."""
    faults: list[dict[str, Any]] = []
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            said = f"not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}"
            faults.append({"parameter": "body", "detail": said})
            continue
        place = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
        allowed = _allowed_of(fault)
        given = repr(fault.get("input"))[:80]
        faults.append(
            {"parameter": place, "detail": f"{fault['msg']}, got {given}"} | ({"allowed": allowed} if allowed else {})
        )
    detail = "; ".join(f"{fault['parameter']}: {fault['detail']}" for fault in faults)
    return problem(400, detail, path, errors=faults, allowed=faults[0].get("allowed"))


def _methods_at(app: FastAPI, request: Request) -> list[str]:
    """What may be asked of a path, by all routes that lead there: the router itself names those of the first."""

    def leads(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] == Match.FULL for route in app.routes if not isinstance(route, Mount))

    return [method for method in METHODS if leads(method)]


def install(app: FastAPI, behind_tls: bool, origins: Sequence[str]) -> None:
    """Answer every error of the application as a problem document."""

    async def ours(request: Request, error: Exception) -> Response:
        return problem_of(error, request.url.path)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return validation_problem(error, request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods_at(app, request)):
            headers["Allow"] = ", ".join(methods)
        return problem(error.status_code, str(error.detail), request.url.path, headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        note(logging.ERROR, "unexpected error", error, path=request.url.path)
        # This answer is made outside all middleware, so it brings its own headers.
        guarding = {name.decode(): value.decode() for name, value in headers_of(behind_tls)}
        headers = guarding | for_page(request.headers.get("origin"), origins) | {"X-Request-ID": request_id.get()}
        return problem(500, "our fault; it has been logged", request.url.path, headers)

    for kind in (HttpProblem, BadRequest, BadEvent, Conflict, Transient):
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
