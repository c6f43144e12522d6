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
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from edge_agent.ua.client import Call, UserAgent, UserAgentError
from tests.e2e.sipp import Agent

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pjsua2") is None, reason="needs the extra 'ua' (pjsua2)")

CALLER, CALLEE, FOREIGN = "+12125000100", "+13105550123", "+14155000199"
AGENT, CUSTOMER, CLOUD = "127.0.0.1:23001", "127.0.0.10:23010", "127.0.0.20:23020"

POLICY = f"""
[agent]
name = "between"
state_dir = "{{folder}}"

[keys]
grace = "0s"

[[listen]]
address = "{AGENT}"

[[upstream]]
name = "cloud"
targets = ["{CLOUD}"]
sources = ["127.0.0.20/32"]
probe_every = "0s"

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["{CUSTOMER}"]
caller_ids = ["+12125000100..+12125000149"]

[admin]
socket = "{{folder}}/control.sock"

[events]
log = "stderr"
"""


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
        await cloud.wait(await cloud.wait_incoming(), "DISCONNECTED")


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


# ---- through the agent ----


class Line(NamedTuple):
    """A customer and a cloud, with the daemon between them."""

    customer: UserAgent
    cloud: UserAgent

    async def call_out(self, caller: str = CALLER) -> Call:
        return await self.customer.call(f"sip:{caller}@{CUSTOMER}", f"sip:{CALLEE}@{AGENT}")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    folder = tmp_path_factory.mktemp("between")
    with Agent(folder, POLICY.format(folder=folder)) as agent:
        yield agent


@pytest.fixture
async def line(daemon: Agent) -> AsyncIterator[Line]:
    before = len(daemon.log())
    async with UserAgent("127.0.0.10", 23010, 23100) as customer, UserAgent("127.0.0.20", 23020, 23300) as cloud:
        yield Line(customer, cloud)
        assert not customer.troubles + cloud.troubles
    print(daemon.log()[before:])  # pytest shows it for a failed test only
    assert daemon.running


async def talk(caller: UserAgent, calling: Call, callee: UserAgent, called: Call) -> None:
    """Both sides hear each other, and each may change the session inside the call."""
    await caller.wait(calling, "CONFIRMED")
    await callee.wait(called, "CONFIRMED")
    await caller.wait_media(calling)
    await callee.wait_media(called)
    await caller.reinvite(calling)
    await callee.reinvite(called)
    await asyncio.sleep(0.5)
    assert (await caller.counts(calling)).received > 0
    assert (await callee.counts(called)).received > 0


async def test_a_call_with_media_is_set_up_changed_and_ended(line: Line) -> None:
    calling = await line.call_out()
    called = await line.cloud.wait_incoming()
    assert "Record-Route: <sip:" in called.invite
    assert called.invite.count("\r\nVia: ") == 2
    await talk(line.customer, calling, line.cloud, called)
    await line.customer.hang_up(calling)
    await line.customer.wait(calling, "DISCONNECTED")
    await line.cloud.wait(called, "DISCONNECTED")
    assert called.message.startswith("BYE ")


async def test_the_callee_ends_the_call(line: Line) -> None:
    calling = await line.call_out()
    called = await line.cloud.wait_incoming()
    await line.customer.wait(calling, "CONFIRMED")
    await line.cloud.wait(called, "CONFIRMED")
    await line.cloud.hang_up(called)
    await line.customer.wait(calling, "DISCONNECTED")
    assert calling.message.startswith("BYE ")


async def test_the_cloud_calls_the_owner_of_the_number(line: Line) -> None:
    calling = await line.cloud.call(f"sip:{FOREIGN}@{CLOUD}", f"sip:{CALLER}@{AGENT}")
    called = await line.customer.wait_incoming()
    await talk(line.cloud, calling, line.customer, called)
    await line.cloud.hang_up(calling)
    await line.customer.wait(called, "DISCONNECTED")


async def test_a_call_given_up_while_it_rings(line: Line) -> None:
    await line.cloud.answer_with(200, after=30)
    calling = await line.call_out()
    await line.customer.wait(calling, "EARLY")
    await line.customer.hang_up(calling)
    await line.customer.wait(calling, "DISCONNECTED")
    assert calling.status == 487
    called = await line.cloud.wait(await line.cloud.wait_incoming(), "DISCONNECTED")
    assert "CONFIRMED" not in called.states


async def test_a_busy_callee(line: Line) -> None:
    await line.cloud.answer_with(486)
    calling = await line.customer.wait(await line.call_out(), "DISCONNECTED")
    assert (calling.status, calling.reason) == (486, "Busy Here")


async def test_a_forged_caller_is_refused_and_never_reaches_the_cloud(line: Line) -> None:
    calling = await line.customer.wait(await line.call_out(FOREIGN), "DISCONNECTED")
    assert (calling.status, calling.reason) == (403, "Caller ID Not Allowed")
    assert not line.cloud.calls
