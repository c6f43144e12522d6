# inspect.pxi: what the engine saw as Python values: a message as parsed, explain, events, tables. Never on the path of a call.

_LANES = ("", "call", "test")

cdef dict inspect_uri(const uint8_t *p, Uri *u):
    schemes = ("none", "sip", "sips", "tel", "urn", "other")
    number = ""
    if u.number and not u.number & NUM_LONG:
        number = ("+" if u.number & NUM_PLUS else "") + number_text(u.number)
    return {
        "scheme": schemes[u.scheme], "user": bytes_of(p, u.user), "host": bytes_of(p, u.host), "port": u.port,
        "number": number, "display": bytes_of(p, u.display),
    }


cdef bytes bytes_of(const uint8_t *p, Slice s):
    return PyBytes_FromStringAndSize(<char *>p + s.off, s.len) if s.len else b""


def parse(data: bytes, pad: int = 0) -> dict:
    """Reads one datagram. ``pad`` is written behind it and must never matter.

    Keys: kind, reason (of an error), method, status, uri, from, from_tag, to, to_tag,
    call_id, cseq, cseq_method, max_forwards, via_count, vias, content_length,
    content_type, length, identities, routes, user_agent, refer_to, privacy, headers.
    """
    cdef Batch batch = Batch(1)
    cdef SipMsg *m = &batch.msg[0]
    cdef const uint8_t *p
    cdef int i
    batch.add(data, ("127.0.0.1", 5060), 0, pad)
    p = batch.packet[0].data
    p += parse_message(p, batch.packet[0].len, m)
    if m.kind == KIND_KEEPALIVE:
        return {"kind": "keepalive"}
    if m.reason:
        return {"kind": "error", "reason": _REASONS[m.reason].name}
    found = {
        "kind": "request" if m.kind == KIND_REQUEST else "response",
        "method": bytes_of(p, m.method_name if m.kind == KIND_REQUEST else m.cseq_method).decode(),
        "status": m.status, "from": inspect_uri(p, &m.from_), "from_tag": bytes_of(p, m.from_tag),
        "to": inspect_uri(p, &m.to), "to_tag": bytes_of(p, m.to_tag), "call_id": bytes_of(p, m.call_id),
        "cseq": m.cseq, "cseq_method": bytes_of(p, m.cseq_method).decode(), "max_forwards": m.max_forwards,
        "via_count": m.vias, "vias": [], "content_length": m.content_length,
        "content_type": bytes_of(p, m.content_type), "length": m.length, "identities": [], "routes": [],
        "user_agent": bytes_of(p, m.user_agent), "refer_to": None, "privacy": bytes_of(p, m.privacy), "headers": m.rows,
    }
    if m.kind == KIND_REQUEST:
        found["uri"] = inspect_uri(p, &m.uri)
    for i in range(min(m.vias, 2)):
        found["vias"].append({
            "transport": bytes_of(p, m.via[i].transport), "host": bytes_of(p, m.via[i].host), "port": m.via[i].port,
            "branch": bytes_of(p, m.via[i].branch), "received": bytes_of(p, m.via[i].received), "rport": m.via[i].rport})
    for i in range(m.identities):
        found["identities"].append((ea_header_long[m.identity[i].header].decode(), inspect_uri(p, &m.identity[i].uri)))
    for i in range(m.routes):
        found["routes"].append(inspect_uri(p, &m.route[i]))
    if m.present >> H_REFER_TO & 1:
        found["refer_to"] = inspect_uri(p, &m.refer_to)
    return found


def canonical(number: str, plan: object) -> str:
    """The canonical digits of a number as written ("+..." or digits) under a numbering.plans.Plan; "" when unknown."""
    cdef Plan p
    cdef Policy arrays = Policy()
    cdef uint64_t found
    cdef Uri u
    encoded = number.encode() + bytes(SLOT_PAD)
    cdef const uint8_t *raw = encoded
    memset(&p, 0, sizeof(p))
    memset(&u, 0, sizeof(u))
    u.user.len = <uint32_t>(len(encoded) - SLOT_PAD)
    u.number = parse_number(raw, u.user.len)
    arrays.fill_plan(&p, plan)
    found = uri_canonical(raw, &u, &p)
    return number_text(found) if found else ""


def uri_number(uri: bytes, plan: object) -> str:
    """What ``canonical`` says of the number in a URI with all its parameters, as From has it in angle brackets."""
    cdef Batch batch = Batch(1)
    cdef SipMsg *m = &batch.msg[0]
    cdef Policy arrays = Policy()
    cdef Plan national
    cdef const uint8_t *p
    cdef uint64_t found
    batch.add(b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:h>\r\nCall-ID: 1\r\n"
              b"CSeq: 1 OPTIONS\r\nFrom: <" + uri + b">;tag=1\r\n\r\n", ("127.0.0.1", 5060))
    p = batch.packet[0].data
    p += parse_message(p, batch.packet[0].len, m)
    if m.reason:
        return ""
    memset(&national, 0, sizeof(national))
    arrays.fill_plan(&national, plan)
    found = uri_canonical(p, &m.from_, &national)
    return number_text(found) if found else ""


def called(user: str, plan: object) -> list[str]:
    """The numbers that a user part without a canonical one may lead to, first that of a numbering.plans.Plan; "": none."""
    cdef Plan p
    cdef Policy arrays = Policy()
    cdef uint64_t found[READINGS]
    cdef uint32_t i, count
    encoded = user.encode() + bytes(SLOT_PAD)
    memset(&p, 0, sizeof(p))
    arrays.fill_plan(&p, plan)
    count = called_readings(encoded, <uint32_t>(len(encoded) - SLOT_PAD), &p, found)
    return [number_text(found[i]) if found[i] else "" for i in range(count)]


# A step of the flow that is no row: the rule of `one`, with what it found; the verdict's reason where that is the rule's.
cdef explain_step(Screen *s, int one, int mode, int found):
    cdef TraceStep *step = &s.trace.step[s.trace.count]
    cdef int rule = s.policy.reason_rule[one]
    if s.trace.count == MAX_RULES:
        return
    s.trace.count += 1
    step.rule = <uint8_t>rule
    step.mode = <uint8_t>mode
    step.applies = mode != MODE_OFF
    if found and s.policy.reason_rule[found] == rule:
        step.reason = <uint16_t>found
        step.value = s.v.value
        step.limit = s.v.limit


# What the flow itself decides: the source's lists and rate, the parse, the lane.
cdef explain_flow(Screen *s, bint unread, int fault):
    cdef int found = s.v.reason, rate = s.policy.reason_rule[RSN_SOURCE_RATE]
    if s.peer == NULL or s.peer.open:
        explain_step(s, RSN_BANNED, MODE_ENFORCE, found)
        if unread and s.policy.reason_rule[found] == s.policy.reason_rule[RSN_BANNED]:
            return
        explain_step(s, RSN_SOURCE_RATE, s.policy.unknown_mode[rate] if s.peer == NULL else s.peer.mode[rate], found)
        if unread:
            return
    explain_step(s, RSN_START_LINE, MODE_MONITOR if fault and s.m.reason == 0 else MODE_ENFORCE, fault)
    if s.m.reason == 0 and s.m.kind == KIND_REQUEST:
        explain_step(s, RSN_EMERGENCY_ROUTED, MODE_ENFORCE, found)
        if s.peer == NULL:
            explain_step(s, RSN_UNKNOWN_SOURCE, MODE_ENFORCE, found)
        elif s.m.method == M_INVITE and s.m.to_tag.len == 0 and s.lane == LANE_NONE:
            explain_stir(s)


# Whether the call is verified; what a verification comes to, only the control plane can say.
cdef explain_stir(Screen *s):
    cdef uint16_t subject = s.peer_index if s.dir == DIR_TRUNK else s.v.route.peer
    cdef int rule = s.policy.reason_rule[RSN_IDENTITY_MISSING]
    cdef Peer *trunk
    if subject == NO_PEER:
        return
    trunk = &s.policy.peers[subject]
    if trunk.stir != STIR_IGNORE:
        explain_step(s, RSN_IDENTITY_MISSING, trunk.mode[rule], s.v.told or s.v.reason)


# Engine.explain: one message through the stages of the engine, with a trace that makes every op leave state alone.
cdef list engine_explain(Engine engine, data, source, listener, now):
    cdef Screen s
    cdef Trace trace
    cdef uint64_t skip
    cdef uint32_t i
    cdef int fault = 0
    cdef bint unread
    cdef Policy policy = engine.policy
    memset(&trace, 0, sizeof(trace))
    engine.probe.clear()
    engine.probe.add(data, source, listener)
    engine_begin(&s, engine, &policy.image, &engine.workers[0], &engine.probe.packet[0], &engine.probe.msg[0], now)
    s.trace = &trace
    engine_classify(&s)
    unread = (s.peer == NULL or s.peer.open) and screen_unread(&s)
    if s.peer != NULL and not s.peer.open:
        ban_peer(&s)
    if not unread:
        skip = parse_message(s.packet.data, s.packet.len, s.m)
        s.p = s.packet.data + skip
        fault = s.m.reason
        screen_prepare(&s)
        screen_message(&s)
    explain_flow(&s, unread, fault)
    rules = policy.tables.rules
    modes = ("off", "monitor", "enforce")
    reason = _REASONS[s.v.reason]
    verdict = ACTIONS[s.v.action]
    if s.v.action == ACT_ANSWER:
        verdict = f"answer {s.v.status} {reason.phrase}"
    elif s.v.action == ACT_FORWARD and not s.v.route.flags & ROUTE_RESPONSE:
        host, port = addr_to_text(&s.v.route.address)
        verdict = f"forward to {policy.tables.peers[s.v.route.peer].name} at {host} port {port}"
    steps = []
    for i in range(trace.count):
        step = trace.step[i]
        found = _REASONS[step.reason]
        answer = "" if not step.applies else "pass" if not step.reason else f"{found.status} {found.phrase}"
        # A reason without a status drops, or routes: then the verdict tells more.
        if step.reason and not found.status:
            answer = verdict
        steps.append(Step(rules[step.rule], modes[step.mode], bool(step.applies),
                          found.name if step.reason else "", answer, step.value, step.limit,
                          found.sentence if step.reason else ""))
    steps.append(Step("verdict", "", True, reason.name, verdict, s.v.value, s.v.limit, reason.sentence))
    return steps


cdef list engine_events(Engine engine, limit):
    cdef int k
    cdef Worker *w
    cdef Alert *a
    found = []
    for k in range(engine.worker_count):
        w = &engine.workers[k]
        while ea_get(&w.alert_tail) != ea_get(&w.alert_head) and len(found) < limit:
            a = &w.alerts[w.alert_tail & (ALERTS - 1)]
            found.append(event_of(engine, &a.event)._replace(
                lane=_LANES[a.lane], location=Location(text_of(a.location, a.location_len), a.supplied != 0),
                caller_owned=a.owned != 0, asserted="+" + number_text(a.asserted) if a.asserted else ""))
            ea_set(&w.alert_tail, w.alert_tail + 1)
    for k in range(engine.worker_count):
        w = &engine.workers[k]
        while ea_get(&w.ring_tail) != ea_get(&w.ring_head) and len(found) < limit:
            found.append(event_of(engine, &w.ring[w.ring_tail & (RING - 1)]))
            ea_set(&w.ring_tail, w.ring_tail + 1)
    return found


cdef event_of(Engine engine, EventRecord *e):
    rules = engine.policy.tables.rules
    rule = ""
    if e.rule < len(rules):
        rule = rules[e.rule]
    elif e.monitored:
        rule = rules[(e.monitored & -e.monitored).bit_length() - 1]
    return Event(
        e.time, ACTIONS[e.action], rule, _REASONS[e.reason].name, e.status, e.monitored != 0,
        METHODS[e.method] or "other", engine.slot_names[e.slot] or "", addr_to_text(&e.source),
        text_of(e.call_id, e.call_id_len), text_of(e.from_user, e.from_len), text_of(e.to_user, e.to_len),
        text_of(e.agent, e.agent_len), e.value, e.limit, _REASONS[e.finding].name if e.finding else "",
        id=f"{e.id:016x}" if e.id else "")


def queue_fill(fd: int) -> float:
    """How full a UDP socket's receive buffer is, 0 to 1, as a pump sees it."""
    return ea_queue_fill(fd) / <double>LOAD_FULL


cdef dict engine_tables(Engine engine):
    cdef uint64_t now = ea_now()
    return {
        "rates": {"entries": cells_live(&engine.state.rates, now), "evictions": engine.state.rates.full,
                  "bytes": engine.state.rates.bytes},
        "strikes": {"entries": cells_live(&engine.state.strikes, now), "evictions": engine.state.strikes.full,
                    "bytes": engine.state.strikes.bytes},
        "bans": {"entries": bans_live(&engine.state.bans, now), "evictions": engine.state.bans.full,
                 "bytes": engine.state.bans.bytes},
        "requests": {"entries": engine.state.requests.count, "evictions": engine.state.requests.full,
                     "bytes": engine.state.requests.bytes},
        "toll": {"entries": toll_callers(&engine.state.toll),
                 "evictions": engine.state.toll.full + engine.state.toll.contended, "bytes": engine.state.toll.bytes},
        "transactions": {"entries": txn_live(&engine.state.transactions, now),
                         "evictions": engine.state.transactions.evicted, "bytes": engine.state.transactions.bytes},
        "marks": {"entries": cells_live(&engine.state.marks, now), "evictions": engine.state.marks.full,
                  "bytes": engine.state.marks.bytes},
        "leases": {"entries": leases_live(&engine.state.leases, now),
                   "evictions": engine.state.leases.full + engine.state.leases.contended,
                   "bytes": engine.state.leases.bytes + engine.state.leases.story_bytes},
        "deferred": {"entries": deferred_live(&engine.state.deferred), "evictions": engine.state.deferred.full,
                     "bytes": engine.state.deferred.bytes},
        "evaders": {"entries": evaders_live(&engine.state, now), "evictions": engine.state.evaders_gone,
                    "bytes": (EVADERS + MAX_PEERS + 1) * sizeof(Evader)},
        "behaviour": {"entries": behaviour_live(&engine.state.behaviour),
                      "evictions": engine.state.behaviour.evicted + engine.state.behaviour.contended,
                      "bytes": engine.state.behaviour.bytes},
        "callers": {"entries": cells_live(&engine.state.callers, now), "evictions": engine.state.callers.full,
                    "bytes": engine.state.callers.bytes},
    }


# The last datagram that couldn't be sent. Its worker may be writing it just now: what is read is for people.
cdef engine_unsent(Engine engine):
    cdef Worker *last = NULL
    cdef Worker *w
    cdef int k
    for k in range(engine.worker_count):
        w = &engine.workers[k]
        if w.send_errors and (last == NULL or w.unsent_at > last.unsent_at):
            last = w
    return None if last == NULL else (last.unsent_errno, addr_to_text(&last.unsent), last.unsent_listener)


cdef dict engine_calls(Engine engine, uint64_t now):
    cdef Policy policy = engine.policy
    cdef Peer *p
    cdef uint64_t *calls
    cdef uint32_t i
    found = {}
    if policy is None:
        return found
    leases_sweep_all(&engine.state, now)
    for i in range(policy.image.peer_count):
        p = &policy.image.peers[i]
        calls = engine.state.peers[p.slot].calls
        if p.kind == PEER_TRUNK:
            found[policy.tables.peers[i].name] = {
                "out": calls[LEASE_OUT], "in": calls[LEASE_IN], "emergency": calls[LEASE_EMERGENCY],
                "limit": p.concurrent}
    return found


cdef dict findings_read(Engine engine):
    cdef uint64_t *count
    cdef int k, kind, answered, rule
    rules = engine.policy.tables.rules if engine.policy is not None else ()
    found = {}
    for slot, peer in enumerate(engine.slot_names):
        if not peer:
            continue
        for kind in range(FINDING_KINDS):
            for rule in (*range(len(rules)), ALL_CALLS):
                counts = [0, 0]
                for k in range(engine.worker_count):
                    for answered in range(2):
                        count = findings_of(&engine.workers[k], slot, kind, answered)
                        counts[answered] += ea_get_relaxed(&count[rule])
                if counts[0]:
                    name = "" if rule == ALL_CALLS else rules[rule]
                    found[peer, "to" if kind == LEASE_IN else "from", name] = (counts[0], counts[1])
    return found
