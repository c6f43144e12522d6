"""The far ends of the demo: a cloud provider and a PSAP gateway that take every call. They count, and judge nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

from edge_agent.demo.message import SDP, Message, read, respond, tag
from edge_agent.demo.scene import Address


class FarEnd(asyncio.DatagramProtocol):
    """A UAS: 180 and 200 to INVITE, 200 to BYE and OPTIONS.

    ``calls`` counts calls by kind (the first word of the Call-ID); ``sent`` counts
    the datagrams that went to the agent's listener.
    """

    def __init__(self, here: Address, agent: Address) -> None:
        self.here = here
        self.calls: Counter[str] = Counter()
        self.sent = 0
        self._agent = agent
        self._tags: dict[str, str] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.here)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = read(data)
        match request.method:
            case "INVITE" if not request.status:
                self._ring(request, addr)
            case "BYE" | "OPTIONS" if not request.status:
                self._send(respond(request, "200 OK", tag()), addr)

    def _ring(self, request: Message, sender: tuple[str, int]) -> None:
        if request.call_id not in self._tags:
            self._tags[request.call_id] = tag()
            self.calls[kind_of(request.call_id)] += 1
        to_tag = self._tags[request.call_id]
        contact = [("Contact", f"<sip:{self.here.host}:{self.here.port}>")]
        self._send(respond(request, "180 Ringing", to_tag, contact), sender)
        self._send(respond(request, "200 OK", to_tag, contact, SDP.format(host=self.here.host)), sender)

    def _send(self, data: bytes, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data, to)
        # The agent's probes come from another port of its own.
        self.sent += to[1] == self._agent.port


def kind_of(call_id: str) -> str:
    return call_id.partition(".")[0]
