"""pjsua2, a full SIP user agent that nobody here wrote, as caller and as cloud.

First two of them face to face, so that a failure behind the agent is the
agent's; then through the real daemon.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket

import pytest

from edge_agent.ua.client import UserAgent, UserAgentError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pjsua2") is None, reason="needs the extra 'ua' (pjsua2)")

CALLER, CALLEE = "+12125550100", "+13105550123"


async def test_two_agents_talk_and_media_flows() -> None:
    async with UserAgent("127.0.0.10", 23010, 23100) as customer, UserAgent("127.0.0.1", 23011, 23300) as cloud:
        call = await customer.call(f"sip:{CALLER}@127.0.0.10:23010", f"sip:{CALLEE}@127.0.0.1:23011")
        await customer.wait(call, "CONFIRMED")
        assert call.states == ["CALLING", "EARLY", "CONNECTING", "CONFIRMED"]
        await customer.wait_media(call)
        await customer.reinvite(call)
        await asyncio.sleep(0.5)
        assert (await customer.counts(call)).received > 0
        await customer.hang_up(call)
        await customer.wait(call, "DISCONNECTED")
        assert (await cloud.wait(await cloud.wait_incoming(), "DISCONNECTED")).message.startswith("BYE ")


async def test_a_refusal_reaches_the_caller_with_its_status() -> None:
    async with UserAgent("127.0.0.10", 23010, 23100) as customer, UserAgent("127.0.0.1", 23011, 23300) as cloud:
        await cloud.answer_with(486, after=0.05)
        call = await customer.call(f"sip:{CALLER}@127.0.0.10:23010", f"sip:{CALLEE}@127.0.0.1:23011")
        await customer.wait(call, "DISCONNECTED")
        assert (call.status, call.reason) == (486, "Busy Here")
        assert call.message.startswith("SIP/2.0 486 Busy Here\r\n")
        assert cloud.calls[0].states[-1] == "DISCONNECTED"


async def test_refusing_an_invite_without_sdp_does_not_abort_the_child() -> None:
    """The wheel's assertion (``pjsip_rx_data_free_cloned``) fires when a callback refuses such a call."""
    invite = (
        "INVITE sip:x@127.0.0.1:23011 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.10:23010;branch=z9hG4bK-nosdp\r\n"
        "From: <sip:a@127.0.0.10>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: nosdp\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:a@127.0.0.10:23010>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    async with UserAgent("127.0.0.1", 23011, 23300) as cloud:
        await cloud.answer_with(603)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            raw.bind(("127.0.0.10", 23010))
            raw.sendto(invite.encode(), ("127.0.0.1", 23011))
            await cloud.wait(await cloud.wait_incoming(), "DISCONNECTED")
            raw.settimeout(1)
            replies = [raw.recv(4096).split(b"\r\n")[0] for _ in range(2)]
        assert replies == [b"SIP/2.0 100 Trying", b"SIP/2.0 603 Decline"]
        await cloud.answer_with(200)  # still there


async def test_the_child_that_cannot_start_says_why() -> None:
    async with UserAgent("127.0.0.1", 23011, 23300):
        with pytest.raises(UserAgentError, match="Address already in use"):
            async with UserAgent("127.0.0.1", 23011, 23500):
                pass


async def test_a_dead_child_fails_those_who_wait() -> None:
    async with UserAgent("127.0.0.1", 23011, 23300) as agent:
        call = await agent.call(f"sip:{CALLER}@127.0.0.1:23011", "sip:nobody@127.0.0.1:23012")
        os.kill(agent.pid, signal.SIGKILL)
        with pytest.raises(UserAgentError, match="ended with -9"):
            await agent.wait(call, "CONFIRMED", timeout=5)
