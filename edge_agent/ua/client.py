"""The parent's side: a user agent in a child process, as an asyncio object.

It starts the child, sends commands, keeps what the events say of each call and
lets callers wait for a state. It never imports pjsua2 and survives its abort:
whoever waits then gets a UserAgentError with the child's last words.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

START_SECONDS = 10.0
ANSWER_SECONDS = 5.0
QUIT_SECONDS = 5.0
LINE_LIMIT = 1 << 20


class UserAgentError(Exception):
    """The child refused a command, died, or a wait ran out."""


@dataclass
class Call:
    """What the events told of one call so far."""

    number: int
    call_id: str = ""
    invite: str = ""  # an incoming call's, as received
    state: str = "NULL"
    status: int = 0
    reason: str = ""
    message: str = ""  # the last message of the other side that changed the state
    media: bool = False
    media_changes: int = 0
    states: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)  # method and status, inside the call


@dataclass(frozen=True)
class Counts:
    """RTP packets of a call, both ways."""

    sent: int
    received: int


class UserAgent:
    """A running user agent; use it as an async context manager."""

    def __init__(self, address: str, port: int, media_port: int) -> None:
        self.address, self.port = address, port
        self._arguments = ["--address", address, "--port", str(port), "--media-port", str(media_port)]
        self.calls: list[Call] = []  # every call since the start, oldest first
        self.troubles: list[str] = []  # errors of the library that no command was waiting for
        self._live: dict[int, Call] = {}  # the library uses its call numbers again
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._changed = asyncio.Condition()
        self._ready = False
        self._ended = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._stderr = b""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge_agent.ua",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )
        self._tasks = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]
        try:
            await self._until(lambda: self._ready, START_SECONDS, "the user agent isn't ready")
        except UserAgentError:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), QUIT_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks)

    # ---- commands ----

    async def answer_with(self, status: int, after: float = 0.0) -> None:
        """What incoming calls get from now on: ``status``, ``after`` seconds (2xx: rung before)."""
        await self._command("answer", status=status, after=after)

    async def call(self, caller: str, callee: str, headers: Mapping[str, str] | None = None) -> Call:
        """Start a call from one URI to another."""
        found = await self._command("call", **{"from": caller, "to": callee}, headers=dict(headers or {}))
        call: Call = found["known"]
        call.call_id = found["call_id"]
        return call

    async def reinvite(self, call: Call) -> None:
        """Send a re-INVITE and wait for its 2xx."""
        before = len(call.answers)
        await self._command("reinvite", call=call.number)
        await self._until(lambda: len(call.answers) > before, ANSWER_SECONDS, "the re-INVITE got no final answer")
        method, status = call.answers[-1]
        if method != "INVITE" or status // 100 != 2:
            raise UserAgentError(f"the re-INVITE got {status} ({method})")

    async def hang_up(self, call: Call) -> None:
        """End the call; BYE, CANCEL or a refusal, whichever its state asks for."""
        await self._command("hangup", call=call.number)

    async def counts(self, call: Call) -> Counts:
        """The call's RTP packets so far."""
        found = await self._command("info", call=call.number)
        return Counts(found["sent"], found["received"])

    # ---- waiting ----

    async def wait(self, call: Call, state: str, timeout: float = ANSWER_SECONDS) -> Call:
        """Wait until the call is, or was, in ``state``."""
        await self._until(lambda: state in call.states, timeout, f"the call is not {state}", call)
        return call

    async def wait_media(self, call: Call, timeout: float = ANSWER_SECONDS) -> Call:
        """Wait until the call has audio both ways agreed."""
        await self._until(lambda: call.media, timeout, "the call has no media", call)
        return call

    async def wait_incoming(self, count: int = 1, timeout: float = ANSWER_SECONDS) -> Call:
        """Wait until ``count`` calls were seen since the start; the last of them."""
        await self._until(lambda: len(self.calls) >= count, timeout, f"fewer than {count} calls came")
        return self.calls[count - 1]

    async def _until(self, holds: Callable[[], bool], timeout: float, what: str, call: Call | None = None) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: holds() or bool(self._ended)), timeout)
            except TimeoutError:
                seen = f": {call.state} {call.status} {call.reason}" if call else ""
                raise UserAgentError(f"{what} after {timeout:g} s{seen}") from None
        if not holds():
            raise UserAgentError(f"{what}: {self._ended}")

    # ---- the child's lines ----

    async def _command(self, do: str, **fields: Any) -> dict[str, Any]:
        if self._ended:
            raise UserAgentError(self._ended)
        self._next += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._next] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._next, "do": do, **fields}).encode() + b"\n")
        return await asyncio.wait_for(answer, ANSWER_SECONDS)

    async def _read_events(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "event" in told:
                self._event(told)
            else:
                self._answered(told)
            async with self._changed:
                self._changed.notify_all()
        await self._process.wait()
        self._ended = self._ended or f"the user agent ended with {self._process.returncode}: {self._last_words()}"
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(UserAgentError(self._ended))
        async with self._changed:
            self._changed.notify_all()

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            self._stderr = (self._stderr + piece)[-4096:]

    def _last_words(self) -> str:
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "(silent)"

    def _answered(self, told: dict[str, Any]) -> None:
        answer = self._answers.pop(told["id"], None)
        if answer is None or answer.done():
            return
        if "error" in told:
            answer.set_exception(UserAgentError(told["error"]))
        else:
            found = told["ok"]
            if "call" in found:
                # Now, not when the command goes on: a refusal may stand in the next line and forget the number.
                found["known"] = self._known(found["call"])
            answer.set_result(found)

    def _known(self, number: int) -> Call:
        return self._live.get(number) or self._open(number)

    def _open(self, number: int) -> Call:
        call = self._live[number] = Call(number)
        self.calls.append(call)
        return call

    def _event(self, told: dict[str, Any]) -> None:
        match told["event"]:
            case "ready":
                self._ready = True
            case "fatal":
                self._ended = told["error"]
            case "incoming":
                self._open(told["call"]).invite = told["message"]
            case "state":
                call = self._known(told["call"])
                call.state, call.status, call.reason = told["state"], told["status"], told["reason"]
                call.message = told["message"] or call.message
                call.states.append(told["state"])
                if call.state == "DISCONNECTED":
                    del self._live[call.number]
            case "media" if told["call"] in self._live:
                call = self._live[told["call"]]
                call.media, call.media_changes = told["active"], call.media_changes + 1
            case "answered" if told["call"] in self._live:
                self._live[told["call"]].answers.append((told["method"], told["status"]))
            case "trouble":
                self.troubles.append(told["error"])
