"""The near ends of the demo: customers who call as they should, and people who don't.

A ``Customer`` is a UAC on an address of its own. ``call`` places one call and
gives its outcome in words, such as "completed" or "403 Caller ID Not Allowed".
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from edge_agent.demo.message import SDP, Headers, Message, branch, read, tag, uri_of, write
from edge_agent.demo.scene import Address

WAITS = (0.5, 1.0, 2.0)  # after each copy of a request
COMPLETED, SILENCE = "completed", "no answer"


@dataclass
class Tally:
    """What one kind of traffic sent and got back."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class Customer(asyncio.DatagramProtocol):
    """A UAC. ``sent`` counts its datagrams, ``refusals`` what refused one, ``strays`` what came unasked for."""

    def __init__(self, here: Address, agent: Address) -> None:
        self.here = here
        self.sent = 0
        self.refusals = 0
        self.strays = 0
        self._agent = agent
        self._transport: asyncio.DatagramTransport | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.here)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = read(data)
        future = self._waiting.get((message.call_id, message.method))
        self.refusals += message.status >= 300
        if not message.status or future is None:
            self.strays += 1
        elif message.status >= 200 and not future.done():
            future.set_result(message)

    async def call(self, kind: str, caller: str, called: str, extra: Headers | None = None) -> str:
        """INVITE, ACK, and BYE when it was answered. The outcome in words."""
        call_id, invite = self.invite(kind, caller, called, extra)
        answer = await self._ask(call_id, "INVITE", invite)
        if answer is None:
            return SILENCE
        if answer.status >= 300:
            # Same branch and Request-URI as the INVITE; the To with the tag of the reply (RFC 3261 §17.1.1.3).
            self._send(self._follow("ACK", read(invite), answer, read(invite).one("via")))
            return f"{answer.status} {answer.phrase}"
        self._send(self._follow("ACK", read(invite), answer, self._via()))
        ended = await self._ask(call_id, "BYE", self._follow("BYE", read(invite), answer, self._via()))
        return COMPLETED if ended is not None and ended.status == 200 else "answered, but BYE failed"

    def shout(self, kind: str, caller: str, called: str) -> None:
        """One INVITE, and no care for what becomes of it."""
        self._send(self.invite(kind, caller, called)[1])

    def invite(self, kind: str, caller: str, called: str, extra: Headers | None = None) -> tuple[str, bytes]:
        """A new call's Call-ID and INVITE."""
        host, port = self.here
        call_id = f"{kind}.{next(self._numbers)}.{tag()}@{host}"
        headers: Headers = [
            ("Via", self._via()),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{caller}@{host}>;tag={tag()}"),
            ("To", f"<sip:{called}@{self._agent.host}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<sip:{host}:{port}>"),
            *(extra or []),
        ]
        target = f"sip:{called}@{self._agent.host}:{self._agent.port}"
        return call_id, write(f"INVITE {target} SIP/2.0", headers, SDP.format(host=host))

    def _follow(self, method: str, invite: Message, answer: Message, via: str) -> bytes:
        """A further request of the call, inside its dialog if there is one."""
        in_dialog = answer.status < 300
        target = uri_of(answer.one("contact")) if in_dialog else invite.start.split(" ")[1]
        routes = reversed(answer.all("record-route")) if in_dialog else ()
        headers: Headers = [("Via", via), ("Max-Forwards", "70"), *(("Route", route) for route in routes)]
        headers += [
            ("From", invite.one("from")),
            ("To", answer.one("to")),
            ("Call-ID", invite.call_id),
            ("CSeq", f"{2 if method == 'BYE' else 1} {method}"),
        ]
        return write(f"{method} {target} SIP/2.0", headers)

    async def _ask(self, call_id: str, method: str, request: bytes) -> Message | None:
        """Sends a request until a final response comes."""
        key = (call_id, method)
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        for wait in WAITS:
            self._send(request)
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(answer), wait)
        return None

    def _via(self) -> str:
        return f"SIP/2.0/UDP {self.here.host}:{self.here.port};rport;branch={branch()}"

    def _send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(data, self._agent)
        self.sent += 1
