"""The webhook: what is told, how soon, how often it tries, what it keeps, and what it says of a hook that fails."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import CapturingLogger

from edge_agent._hot import Event, Location
from edge_agent.events import notice, webhook
from edge_agent.events.record import record
from edge_agent.events.webhook import Webhook
from tests.ca import server_tls

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def call(result: str = "routed", trunk: str = "beta", number: int = 0) -> dict[str, Any]:
    return {
        "event": "emergency-call", "result": result, "reason": f"emergency-{result}", "test": False, "agent": "sbc-1",
        "trunk": trunk, "time": "2026-01-01T00:00:00.000000Z", "call_id": f"c{number}",
    }  # fmt: skip


class Hook:
    """A server that writes down what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.status: int | Callable[[dict[str, Any]], int] = 204
        self.hang = asyncio.Event()
        self.hang.set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append(request)
        await self.hang.wait()
        status = self.status if isinstance(self.status, int) else self.status(body)
        if status < 300:
            self.got.append(body)
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers, text="x" * 100_000 if status == 200 else None)

    async def until(self, condition: Callable[[], object], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def served(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    hook.url = f"http{'s' * (tls is not None)}://127.0.0.1:{port}/emergency?key=secret"
    try:
        yield hook
    finally:
        hook.hang.set()
        await runner.cleanup()


class Log(CapturingLogger):
    """What was logged, in order."""

    def lines(self) -> list[str]:
        return [str(entry.args[0]) for entry in self.calls]

    def one(self, event: str) -> dict[str, Any]:
        [found] = [entry.kwargs for entry in self.calls if entry.args[0] == event]
        return dict(found)


@asynccontextmanager
async def sender(hook: Hook, **options: Any) -> AsyncIterator[tuple[Webhook, Log]]:
    log = Log()
    sending = Webhook(hook.url, log, **({"first_pause": 0.01} | options))
    try:
        yield sending, log
    finally:
        await sending.close(0.1)


async def test_a_call_is_told_at_once() -> None:
    async with served() as hook, sender(hook) as (sending, log):
        for status in (200, 201, 204):
            hook.status = status
            sending.put(call(number=status))
            await hook.until(lambda: len(hook.got) == len(hook.requests) > 0 and sending.status()["waiting"] == 0, 1)
        assert hook.got == [call(number=n) for n in (200, 201, 204)]
        [first, *_] = hook.requests
        assert (first.method, first.path_qs, first.content_type) == (
            "POST",
            "/emergency?key=secret",
            "application/json",
        )
        assert first.headers["User-Agent"].startswith("edge-agent/")
        assert sending.status() == {"state": "on", "waiting": 0, "sent": 3, "lost": 0, "summed": 0, "failed": 0}
        assert log.lines() == []


async def test_one_that_takes_its_time_holds_up_no_other() -> None:
    async with served() as hook, sender(hook) as (sending, _):
        hook.hang.clear()
        sending.put(call(number=1))
        await hook.until(lambda: len(hook.requests) == 1)
        sending.put(call(number=2))
        await hook.until(lambda: len(hook.requests) == 2, 1)
        hook.hang.set()
        await hook.until(lambda: len(hook.got) == 2)


@pytest.mark.parametrize("status", [500, 503, 404, 401, 429, 301, 302, 307])
async def test_a_hook_that_fails_loses_nothing(status: int) -> None:
    """Nothing within its bound, and two lines of log in all; a redirection is no success, and isn't followed."""
    async with served() as hook, sender(hook) as (sending, log):
        hook.status = status
        for number in range(50):
            sending.put(call(number=number))
        await hook.until(lambda: len(hook.requests) > 8)
        assert {request.path for request in hook.requests} == {"/emergency"}
        assert sending.status()["state"] == "failing"
        hook.status = 204
        await hook.until(lambda: len(hook.got) == 50)
        assert sorted(body["call_id"] for body in hook.got) == sorted(f"c{n}" for n in range(50))
        await hook.until(lambda: sending.status()["waiting"] == 0)
        assert sending.status()["state"] == "on" and sending.status()["lost"] == 0
        assert log.lines() == ["webhook-failing", "webhook-back"]
        assert log.one("webhook-failing")["why"] == f"status {status}"
        assert "secret" not in str(log.calls)


async def test_a_hook_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    async with served() as hook, sender(hook) as (sending, log):
        hook.hang.clear()
        before = asyncio.get_running_loop().time()
        for number in range(500):
            sending.put(call(number=number))
        assert asyncio.get_running_loop().time() - before < 0.5, "put never waits"
        await hook.until(lambda: len(hook.requests) > 5)
        assert log.lines() == ["webhook-failing"]
        hook.hang.set()
        await hook.until(lambda: len({body["call_id"] for body in hook.got}) == 500, 30)
        assert log.lines()[:2] == ["webhook-failing", "webhook-back"]
        assert sending.status()["lost"] == 0


async def test_nobody_there() -> None:
    async with served() as hook:
        port = hook.url
    async with sender(hook) as (sending, log):
        assert port == hook.url
        sending.put(call())
        await hook.until(lambda: sending.status()["failed"] > 2)
        assert (sending.status()["waiting"], log.lines()) == (1, ["webhook-failing"])
    assert log.one("webhook-lost")["notifications"] == 1


async def test_the_pauses_grow_and_end_at_a_minute() -> None:
    """An hour of 500s: 1 s, 2 s, 4 s … 60 s apart, one attempt at a time."""
    now, attempts = 0.0, []
    async with served() as hook, sender(hook, clock=lambda: now, first_pause=1.0) as (sending, log):
        hook.status = 500
        sending.put(call(number=1))
        sending.put(call(number=2))
        # Both were on their way at once.
        await hook.until(lambda: sending.status()["failed"] == 2)
        attempts.append(now)
        while now < 3600:
            seen = len(hook.requests)
            sending._wake.set()
            for _ in range(3):
                await asyncio.sleep(0)
            if sending._flights:
                await asyncio.wait(sending._flights)
            if len(hook.requests) > seen:
                attempts.append(now)
            now += 1
        gaps = [round(after - before) for before, after in itertools.pairwise(attempts)]
        assert gaps[:6] == [1, 2, 4, 8, 16, 32]
        assert set(gaps[6:]) <= {60, 61} and len(attempts) > 50
        assert log.lines() == ["webhook-failing"]
        hook.status = 204
        now += 61
        sending._wake.set()
        await hook.until(lambda: len(hook.got) == 2)
        assert log.one("webhook-back")["seconds"] > 3600


async def test_what_it_can_t_read_holds_up_nothing() -> None:
    async with served() as hook, sender(hook) as (sending, log):
        hook.status = lambda body: 400 if body["call_id"] == "c1" else 204
        for number in range(3):
            sending.put(call(number=number))
        await hook.until(lambda: sending.status()["lost"] == 1 and len(hook.got) == 2)
        assert log.one("webhook-refused")["why"] == "status 400"


async def test_what_it_never_takes_holds_up_nothing() -> None:
    """Some that are always answered 500: the others are told, the hook isn't called failing, and each is told of once."""
    async with served() as hook, sender(hook, first_pause=0.05) as (sending, log):
        hook.status = lambda body: 500 if body["trunk"] == "poison" else 204
        sending.put(call(trunk="poison", number=100))
        await hook.until(lambda: sending.status()["failed"] > 3)
        for number in range(20):
            sending.put(call(trunk="poison" if number % 4 == 0 else "beta", number=number))
        await hook.until(lambda: len(hook.got) == 15, 2)
        await hook.until(lambda: log.lines().count("webhook-refused") == 6, 2)
        assert sending.status() | {"failed": 0} == {
            "state": "on", "waiting": 6, "sent": 15, "lost": 0, "summed": 0, "failed": 0,
        }  # fmt: skip
        lines = len(log.lines())
        sending.put(call(number=200))
        await hook.until(lambda: len(hook.got) == 16, 1)
        hook.status = 204
        await hook.until(lambda: len(hook.got) == 22)
        assert len(log.lines()) == lines, "its further failures are no news"


async def test_a_new_call_is_tried_soon_though_the_hook_seems_to_fail() -> None:
    """By the clock of production: the one it can't take has been tried for an hour, so the next try is a minute off."""
    now = 0.0
    async with served() as hook, sender(hook, clock=lambda: now, first_pause=1.0) as (sending, log):
        hook.status = lambda body: 500 if body["call_id"] == "c1" else 204
        sending.put(call(number=1))
        while sending.status()["failed"] < 9:
            now += 60
            sending._wake.set()
            await asyncio.sleep(0.005)
        now += 1
        sending.put(call(number=2))
        await asyncio.sleep(0.05)
        assert not hook.got
        now += 1
        sending._wake.set()
        await hook.until(lambda: len(hook.got) == 1, 1)
        assert log.lines()[:2] == ["webhook-failing", "webhook-back"]


async def test_a_sum_that_it_never_takes_holds_up_nothing() -> None:
    async with served() as hook, sender(hook, first_pause=0.05) as (sending, _):
        hook.status = lambda body: 500 if body["event"] == "emergency-calls" else 204
        for number in range(5):
            sending.put(notice.of_sum("emergency-unknown", "", 7, "sbc-1", "t"))
            sending.put(call(number=number))
            before = len(hook.got)
            await hook.until(functools.partial(lambda before: len(hook.got) > before, before), 1)
        hook.status = 204
        await hook.until(lambda: sum(body.get("count", 0) for body in hook.got) == 35)


async def test_a_flood_of_refused_calls_takes_no_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ROOM", 100)
    monkeypatch.setattr(webhook, "RESERVED", 50)
    async with served() as hook, sender(hook, first_pause=0.05) as (sending, _):
        hook.status = 500
        sending.put(call("refused", "acme"))
        await hook.until(lambda: sending.status()["state"] == "failing")
        for _ in range(500):
            sending.put(call("refused", "acme"))
        for number in range(40):
            sending.put(call("routed", "beta", number))
        sending.put(call("limited", "beta"))
        hook.status = 204
        await hook.until(lambda: sending.status()["waiting"] == 0)
        assert {body["call_id"] for body in hook.got if body["result"] == "routed"} == {f"c{n}" for n in range(40)}
        summed = [body for body in hook.got if body["event"] == "emergency-calls"]
        assert [(body["result"], body["trunk"]) for body in summed] == [("refused", "acme"), ("limited", "beta")]
        single = sum(body["event"] == "emergency-call" and body["result"] == "refused" for body in hook.got)
        assert single + summed[0]["count"] == 501
        assert "call_id" not in summed[0] and sending.status()["lost"] == 0


async def test_sums_are_added_up_while_they_wait() -> None:
    async with served() as hook, sender(hook, first_pause=0.1) as (sending, _):
        hook.status = 500
        for _ in range(100):
            sending.put(notice.of_sum("emergency-unknown", "", 7, "sbc-1", "t"))
        await hook.until(lambda: sending.status()["failed"] > 0)
        hook.status = 204
        await hook.until(lambda: sending.status()["waiting"] == 0)
        assert sum(body["count"] for body in hook.got) == 700 and len(hook.got) < 6


async def test_too_old_is_lost_and_told() -> None:
    now = 0.0
    async with served() as hook, sender(hook, clock=lambda: now) as (sending, log):
        hook.status = 500
        sending.put(call())
        await hook.until(lambda: sending.status()["failed"] > 0)
        now = webhook.KEEP_SECONDS + 1
        sending._wake.set()
        await hook.until(lambda: sending.status()["lost"] == 1)
        assert log.one("webhook-lost")["notifications"] == 1


async def test_tries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TRIES", 3)
    monkeypatch.setattr(webhook, "LONGEST_PAUSE", 0.01)
    async with served() as hook, sender(hook) as (sending, _):
        hook.status = 500
        sending.put(call())
        await hook.until(lambda: sending.status()["lost"] == 1)
        assert len(hook.requests) == 3


async def test_another_url_gets_what_waits() -> None:
    async with served() as hook, served() as other, sender(hook, first_pause=60.0) as (sending, _):
        hook.status = 500
        sending.put(call(number=1))
        await hook.until(lambda: sending.status()["failed"] == 1 and sending.status()["waiting"] == 1)
        sending.retarget(other.url)
        sending.put(call(number=2))
        await other.until(lambda: len(other.got) == 2)


async def test_close_sends_what_can_be_sent() -> None:
    async with served() as hook:
        async with sender(hook) as (sending, log):
            for number in range(20):
                sending.put(call(number=number))
            await sending.close(5.0)
        assert len(hook.got) == 20 and log.lines() == []


async def test_close_gives_what_failed_one_more_try() -> None:
    async with served() as hook:
        async with sender(hook, first_pause=60.0) as (sending, log):
            hook.status = 500
            for number in range(6):
                sending.put(call(number=number))
            await hook.until(lambda: sending.status()["failed"] == 4)
            hook.status = lambda body: 500 if body["call_id"] == "c3" else 204
            await sending.close(5.0)
        assert sorted(body["call_id"] for body in hook.got) == ["c0", "c1", "c2", "c4", "c5"]
        assert log.one("webhook-lost")["notifications"] == 1 and sending.status()["waiting"] == 0


async def test_tls_is_verified(tmp_path: Path) -> None:
    server, client = server_tls(tmp_path)
    async with served(server) as hook:
        async with sender(hook) as (sending, log):
            sending.put(call())
            await hook.until(lambda: sending.status()["failed"] > 0)
            assert log.one("webhook-failing")["why"] == "ClientConnectorCertificateError" and not hook.requests
        async with sender(hook, tls=client) as (sending, log):
            sending.put(call())
            await hook.until(lambda: len(hook.got) == 1)


async def test_a_bug_in_it_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as hook, sender(hook) as (sending, log):
        serve = sending._drop_old
        failed: list[bool] = []

        def once() -> None:
            if not failed:
                failed.append(True)
                raise ZeroDivisionError
            serve()

        monkeypatch.setattr(sending, "_drop_old", once)
        sending.put(call())
        await hook.until(lambda: len(hook.got) == 1)
        assert log.lines() == ["webhook-bug"]


# What is told of an event


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "time_ns": 0, "action": "forward", "rule": "emergency", "reason": "emergency-routed", "status": 0, "monitored": False,
        "method": "INVITE", "peer": "beta", "source": ("192.0.2.1", 5060), "call_id": "a@b", "from_user": "+12125550100",
        "to_user": "911", "user_agent": "PBX", "value": 0, "limit": 0, "lane": "call",
    }  # fmt: skip
    return Event(**(fields | changes))


def told(**changes: Any) -> dict[str, Any] | None:
    seen = event(**changes)
    return notice.of_call(seen, record(seen, 0), "sbc-1")


def test_the_whole_notification() -> None:
    assert told(location=Location("https://l/x\x1b", supplied=True), caller_owned=True, asserted="+12125550101") == {
        "event": "emergency-call", "result": "routed", "reason": "emergency-routed", "test": False, "agent": "sbc-1",
        "trunk": "beta", "time": "1970-01-01T00:00:00.000000Z", "caller": "+12125550100", "called": "911", "call_id": "a@b",
        "source": "192.0.2.1:5060", "method": "INVITE", "status": 0, "location": "https://l/x\\x1b",
        "location_supplied": True, "caller_owned": True, "asserted": "+12125550101",
    }  # fmt: skip
    stranger = told()
    assert stranger is not None and (stranger["caller_owned"], stranger["asserted"]) == (False, "")


def test_an_event_leaves_its_tuple_to_the_next() -> None:
    """CPython 3.11 keeps freed tuples of 20 items for ever."""
    assert len(event()) != 20


@pytest.mark.parametrize(
    ("reason", "action", "status", "result"),
    [
        ("emergency-routed", "forward", 0, "routed"),
        ("emergency-test", "forward", 0, "test"),
        ("emergency-redirected", "answer", 302, "redirected"),
        ("emergency-limit", "answer", 486, "limited"),
        ("emergency-not-authorised", "answer", 403, "refused"),
        ("emergency-refer", "answer", 403, "refused"),
        ("hops", "answer", 483, "refused"),
        ("missing-header", "answer", 400, "refused"),
    ],
)
def test_results(reason: str, action: str, status: int, result: str) -> None:
    found = told(reason=reason, action=action, status=status)
    assert found is not None and (found["result"], found["reason"], found["status"]) == (result, reason, status)


def test_what_is_no_call() -> None:
    assert told(method="OPTIONS") is None
    assert told(method="BYE") is None
    assert told(method="MESSAGE") is not None
    assert notice.is_emergency(event())
    assert notice.is_emergency(event(rule="hops", reason="hops"))
    assert not notice.is_emergency(event(reason="emergency-callback", lane=""))
    assert not notice.is_emergency(event(reason="pass", finding="emergency-to", lane=""))
