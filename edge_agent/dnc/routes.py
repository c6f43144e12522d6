"""Do-not-call requests on the control socket: a request of HTTP becomes one call of the keeper. It decides nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, Protocol

from aiohttp import web

from edge_agent.dnc.requests import BadRequest
from edge_agent.dnc.store import StoreFailed, StoreFull

PATH = "/api/dnc"
AT_ONCE = 2000
"""Requests in one body: aiohttp takes a MiB."""


class Requests(Protocol):
    """Who answers for the requests; raises BadRequest, StoreFailed and StoreFull."""

    async def add(self, entries: list[dict[str, str]], trunk: str) -> int: ...
    async def remove(self, numbers: list[str], trunk: str) -> int: ...
    async def listing(self, number: str = "", trunk: str | None = None) -> list[dict[str, Any]]: ...


def request_routes(requests: Requests) -> list[web.RouteDef]:
    """GET lists, POST adds, DELETE removes."""

    async def listing(request: web.Request) -> web.Response:
        rows = requests.listing(request.query.get("number", ""), request.query.get("trunk"))
        return await _done("requests", rows)

    async def add(request: web.Request) -> web.Response:
        match await _body(request):
            case {"requests": [*entries], "trunk": str(trunk)} if 0 < len(entries) <= AT_ONCE and all(
                map(_is_entry, entries)
            ):
                return await _done("new", requests.add(entries, trunk))
        return _refused("what is asked for isn't said")

    async def remove(request: web.Request) -> web.Response:
        match await _body(request):
            case {"numbers": [*numbers], "trunk": str(trunk)} if 0 < len(numbers) <= AT_ONCE and all(
                isinstance(number, str) for number in numbers
            ):
                return await _done("removed", requests.remove(numbers, trunk))
        return _refused("which requests to remove isn't said")

    return [web.get(PATH, listing), web.post(PATH, add), web.delete(PATH, remove)]


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and "number" in entry and all(isinstance(value, str) for value in entry.values())


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.text())
    except ValueError:
        return None


async def _done(key: str, act: Awaitable[Any]) -> web.Response:
    try:
        result = await act
    except (BadRequest, StoreFailed, StoreFull) as error:
        return _refused(str(error))
    return web.json_response(text=await asyncio.to_thread(json.dumps, {"ok": True, key: result}))


def _refused(why: str) -> web.Response:
    return web.json_response({"ok": False, "errors": why.splitlines()}, status=422)
