"""The child's side: one pjsua2 endpoint, driven by one loop that no callback may stop.

Lines in, one JSON object each, ``do`` names the command and ``id`` the answer::

    {"id": 1, "do": "answer", "status": 200, "after": 0.2}             what incoming calls get from now on
    {"id": 2, "do": "call", "from": "sip:…", "to": "sip:…", "headers": {}}      answered with {"call": 0}
    {"id": 3, "do": "reinvite" | "hangup" | "info", "call": 0}
    {"id": 4, "do": "quit"}                                              end of input does the same

Lines out: ``{"id": 1, "ok": {…}}`` or ``{"id": 1, "error": "…"}``, and events::

    {"event": "ready"}
    {"event": "incoming", "call": 0, "from": "…", "to": "…", "message": "INVITE …"}
    {"event": "state", "call": 0, "state": "CONFIRMED", "status": 200, "reason": "OK", "message": "…"}
    {"event": "media", "call": 0, "active": true}
    {"event": "answered", "call": 0, "method": "INVITE", "status": 200}    to a request sent inside the call

The library's traps decide the shape of this file:

- It is built with assertions: answering or hanging up inside a callback can
  abort the process. Callbacks only note what happened; the loop acts in its
  next turn.
- No thread of the library may run Python: ``threadCnt`` is 0 everywhere, media
  shares the endpoint's I/O queue and the loop polls it.
- An exception that leaves a callback ends the process, so each one is caught.
- Account and Call objects that outlive ``libDestroy`` abort the interpreter at
  its exit, so ``_close`` lets go of each of them first.
"""

from __future__ import annotations

import collections
import gc
import heapq
import itertools
import json
import os
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TextIO

import pjsua2 as pj

POLL_MS = 10
MAX_CALLS = 16
MEDIA_PORTS = 100
MESSAGE_LIMIT = 4096
STATES = {
    pj.PJSIP_INV_STATE_CALLING: "CALLING",
    pj.PJSIP_INV_STATE_INCOMING: "INCOMING",
    pj.PJSIP_INV_STATE_EARLY: "EARLY",
    pj.PJSIP_INV_STATE_CONNECTING: "CONNECTING",
    pj.PJSIP_INV_STATE_CONFIRMED: "CONFIRMED",
    pj.PJSIP_INV_STATE_DISCONNECTED: "DISCONNECTED",
}


class CommandError(Exception):
    """The parent asked for something that can't be done; the text goes into its answer."""


class Agent:
    """The endpoint, its accounts and calls, and the work that waits for the next turn."""

    def __init__(self, address: str, port: int, media_port: int, lines: TextIO) -> None:
        self._address, self._port, self._media_port = address, port, media_port
        self._lines = lines
        self._accounts: dict[str, _Account] = {}
        self.calls: dict[int, _Call] = {}
        self._soon: collections.deque[Callable[[], None]] = collections.deque()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._quit = False
        self._answer_status, self._answer_after = 200, 0.0
        self._commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "answer": self._do_answer,
            "call": self._do_call,
            "reinvite": self._do_reinvite,
            "hangup": self._do_hangup,
            "info": self._do_info,
            "quit": self._do_quit,
        }
        self._endpoint = self._open()
        # A tone, so that a call's media shows in the other side's counters.
        self._tone = pj.ToneGenerator()
        self._tone.createToneGenerator()
        tone = pj.ToneDesc()
        tone.freq1, tone.on_msec, tone.off_msec = 440, 1000, 0
        self._tone.play(pj.ToneDescVector([tone]), True)
        # Calls that name no account of ours land on this one.
        self._account(f"sip:{address}:{port}")
        self.tell("ready")

    def _open(self) -> Any:
        endpoint = pj.Endpoint()
        endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MAX_CALLS
        config.uaConfig.userAgent = "edge-agent-ua"
        config.medConfig.threadCnt = 0
        config.medConfig.hasIoqueue = False
        config.medConfig.noVad = True
        config.logConfig.level = config.logConfig.consoleLevel = int(os.environ.get("EDGE_UA_LOG", "1"))
        endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress, transport.publicAddress = self._port, self._address, self._address
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        endpoint.libStart()
        endpoint.audDevManager().setNullDev()
        # G.711 only, as the trunks offer: a longer SDP would push INVITEs over
        # 1,300 bytes, where the library wants to change to TCP.
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCM") else 0)
        return endpoint

    def _account(self, uri: str) -> _Account:
        """The account that calls as ``uri``: the library takes From from nowhere else."""
        account = self._accounts.get(uri)
        if account is None:
            config = pj.AccountConfig()
            config.idUri = uri
            media = config.mediaConfig.transportConfig
            media.port, media.portRange = self._media_port, MEDIA_PORTS
            media.boundAddress = media.publicAddress = self._address
            account = self._accounts[uri] = _Account(self)
            account.create(config, not self._accounts)
        return account

    # ---- the loop ----

    def run(self) -> None:
        os.set_blocking(0, False)
        rest = b""
        while not self._quit:
            self._endpoint.libHandleEvents(POLL_MS)
            try:
                piece = os.read(0, 65536)
            except BlockingIOError:
                pass
            else:
                if not piece:
                    break
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    self._command(line)
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                self._soon.append(heapq.heappop(self._later)[2])
            for _ in range(len(self._soon)):
                self._guarded(self._soon.popleft())

    def soon(self, work: Callable[[], None], after: float = 0.0) -> None:
        """Run ``work`` outside any callback, in the next turn or ``after`` seconds."""
        if after > 0:
            heapq.heappush(self._later, (time.monotonic() + after, next(self._order), work))
        else:
            self._soon.append(work)

    def tell(self, event: str, **fields: Any) -> None:
        self._lines.write(json.dumps({"event": event, **fields}) + "\n")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except pj.Error as error:
            self.tell("trouble", error=error.info())

    def close(self) -> None:
        """Let go of every object of the library before the library itself (see the head)."""
        self._endpoint.hangupAllCalls()
        until = time.monotonic() + 1.0
        while self.calls and time.monotonic() < until:
            self._endpoint.libHandleEvents(POLL_MS)
            for _ in range(len(self._soon)):
                self._guarded(self._soon.popleft())
        self._soon.clear()
        self._later.clear()
        self.calls.clear()
        for account in self._accounts.values():
            account.shutdown()
        self._accounts.clear()
        del self._tone, account
        gc.collect()
        self._endpoint.libDestroy()
        del self._endpoint

    # ---- commands ----

    def _command(self, line: bytes) -> None:
        answer: dict[str, Any] = {"id": None}
        try:
            command = json.loads(line)
            answer["id"] = command["id"]
            answer["ok"] = self._commands[command["do"]](command)
        except pj.Error as error:
            answer["error"] = error.info()
        except (CommandError, KeyError, TypeError, ValueError) as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        self._lines.write(json.dumps(answer) + "\n")

    def _call(self, command: dict[str, Any]) -> _Call:
        call = self.calls.get(command["call"])
        if call is None:
            raise CommandError(f"no call {command['call']} is up")
        return call

    def _do_answer(self, command: dict[str, Any]) -> dict[str, Any]:
        self._answer_status, self._answer_after = int(command["status"]), float(command.get("after", 0.0))
        return {}

    def _do_call(self, command: dict[str, Any]) -> dict[str, Any]:
        call = _Call(self, self._account(command["from"]))
        how = pj.CallOpParam(True)
        for name, value in command.get("headers", {}).items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            how.txOption.headers.append(header)
        call.makeCall(command["to"], how)
        number: int = call.getId()
        self.calls[number] = call
        return {"call": number, "call_id": call.getInfo().callIdString}

    def _do_reinvite(self, command: dict[str, Any]) -> dict[str, Any]:
        self._call(command).reinvite(pj.CallOpParam(True))
        return {}

    def _do_hangup(self, command: dict[str, Any]) -> dict[str, Any]:
        self._call(command).hangup(pj.CallOpParam())
        return {}

    def _do_info(self, command: dict[str, Any]) -> dict[str, Any]:
        call = self._call(command)
        info = call.getInfo()
        found = {"state": STATES.get(info.state, "NULL"), "seconds": info.connectDuration.sec, "sent": 0, "received": 0}
        if call.has_media:
            counts = call.getStreamStat(0).rtcp
            found["sent"], found["received"] = counts.txStat.pkt, counts.rxStat.pkt
        return found

    def _do_quit(self, _: dict[str, Any]) -> dict[str, Any]:
        self._quit = True
        return {}

    # ---- what callbacks ask for, one turn later ----

    def answer(self, call: _Call) -> None:
        if self._answer_status < 300:
            self._reply(call, 180)
        self.soon(partial(self._reply, call, self._answer_status), self._answer_after)

    def _reply(self, call: _Call, status: int) -> None:
        if call.getId() not in self.calls:  # the caller gave up in between
            return
        how = pj.CallOpParam(True)
        how.statusCode = status
        call.answer(how)

    def forget(self, number: int) -> None:
        self.calls.pop(number, None)

    def connect(self, call: _Call) -> None:
        """Send the tone into the call's audio, when it has any."""
        info = call.getInfo()  # named: the list inside is freed with it
        for number, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                call.has_media = True
                self._tone.startTransmit(call.getAudioMedia(number))
        self.tell("media", call=call.getId(), active=call.has_media)


def _caught(callback: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Keep every exception of a callback on this side of the library's C frames."""

    @wraps(callback)
    def call(self: Any, prm: Any) -> None:
        try:
            callback(self, prm)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not unwind through C
            self._agent.tell("trouble", error=f"{callback.__name__}: {error!r}")

    return call


class _Account(pj.Account):
    """An address we call as and are called at."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self._agent = agent

    @_caught
    def onIncomingCall(self, prm: Any) -> None:
        # The Call object must exist when this returns, or the library refuses the call.
        call = _Call(self._agent, self, prm.callId)
        self._agent.calls[prm.callId] = call
        info = call.getInfo()
        self._agent.tell(
            "incoming",
            call=prm.callId,
            **{"from": info.remoteUri, "to": info.localUri},
            message=prm.rdata.wholeMsg[:MESSAGE_LIMIT],
        )
        self._agent.soon(partial(self._agent.answer, call))


class _Call(pj.Call):
    """One call; every callback reads, tells, and leaves the acting to the loop."""

    def __init__(self, agent: Agent, account: _Account, number: int = -1) -> None:
        super().__init__(account, number)
        self._agent = agent
        self.has_media = False

    @_caught
    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        number = info.id
        message = ""
        if prm.e.type == pj.PJSIP_EVENT_TSX_STATE and prm.e.body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            message = prm.e.body.tsxState.src.rdata.wholeMsg[:MESSAGE_LIMIT]
        self._agent.tell(
            "state",
            call=number,
            state=STATES.get(info.state, "NULL"),
            status=info.lastStatusCode,
            reason=info.lastReason,
            message=message,
        )
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.has_media = False
            self._agent.soon(partial(self._agent.forget, number))

    @_caught
    def onCallMediaState(self, prm: Any) -> None:
        self._agent.soon(partial(self._agent.connect, self))

    @_caught
    def onCallTsxState(self, prm: Any) -> None:
        change = prm.e.body.tsxState
        done = change.tsx.role == pj.PJSIP_ROLE_UAC and change.tsx.state == pj.PJSIP_TSX_STATE_TERMINATED
        if done and change.prevState != pj.PJSIP_TSX_STATE_TERMINATED:
            self._agent.tell("answered", call=self.getId(), method=change.tsx.method, status=change.tsx.statusCode)


def serve(address: str, port: int, media_port: int, lines: TextIO) -> int:
    """Run one agent until it is told to quit or its input ends."""
    try:
        agent = Agent(address, port, media_port, lines)
    except pj.Error as error:
        lines.write(json.dumps({"event": "fatal", "error": error.info()}) + "\n")
        # A half-open endpoint can't be destroyed safely; the process is all there is to free.
        lines.flush()
        os._exit(3)
    try:
        agent.run()
    finally:
        agent.close()
    return 0
