# account.pxi: counters and the event ring: what happened, once for every message.
#
# received = forwarded + answered + dropped + waiting. Each worker writes its own counters
# and ring; a full ring loses the event and counts it. Of one reason only a few
# events a second are written in full, the counters tell the rest.

cdef inline bint account_silent(int reason) noexcept nogil:
    return reason in (RSN_PASS, RSN_KEEPALIVE, RSN_ACK_ABSORBED, RSN_RETRANSMISSION, RSN_OPTIONS_UP, RSN_CANCEL_DEFERRED)


cdef inline uint8_t event_text(uint8_t *to, const uint8_t *p, Slice s) noexcept nogil:
    cdef uint32_t n = s.len if s.len < EVENT_TEXT else EVENT_TEXT
    memcpy(to, p + s.off, n)
    return <uint8_t>n


cdef void account_event(Screen *s, int reason) noexcept nogil:
    cdef Worker *w = s.worker
    cdef EventRecord *e
    cdef uint64_t head = w.ring_head
    if head - ea_get(&w.ring_tail) >= RING:
        ea_count(&w.events_dropped, 1)
        return
    e = &w.ring[head & (RING - 1)]
    e.time = s.now
    e.value = s.v.value
    e.limit = s.v.limit
    e.monitored = s.v.monitored
    e.source = s.packet.source if s.subject == NULL else s.reply_to
    e.reason = <uint16_t>reason
    e.finding = s.v.finding
    e.status = s.v.status
    e.slot = s.subject.slot if s.subject != NULL else (s.peer.slot if s.peer != NULL else 0)
    e.action = s.v.action
    e.rule = s.v.rule
    e.method = s.m.method
    e.call_id_len = e.from_len = e.to_len = e.agent_len = 0
    if s.m.kind != KIND_KEEPALIVE and s.m.reason == 0 and s.m.rows:
        e.call_id_len = event_text(e.call_id, s.p, s.m.call_id)
        e.from_len = event_text(e.from_user, s.p, s.m.from_.user)
        e.agent_len = event_text(e.agent, s.p, s.m.user_agent)
        if s.m.kind == KIND_REQUEST:
            e.to_len = event_text(e.to_user, s.p, s.m.uri.user if s.m.uri.user.len else s.m.uri.host)
    ea_set(&w.ring_head, head + 1)


cdef void account(Screen *s) noexcept nogil:
    cdef Worker *w = s.worker
    cdef uint32_t slot = s.peer.slot if s.peer != NULL else 0
    cdef int reason = RSN_RETRANSMISSION if s.v.repeated else s.v.reason
    cdef uint64_t bits = s.v.monitored, second
    cdef int rule
    if EA_UNLIKELY(s.v.action == ACT_DEFER):
        w.waiting += 1
        ea_count(&w.methods[s.m.method], 1)
        return
    ea_count(&w.acted[s.v.action], 1)
    ea_count(&w.verdicts[(slot * REASONS + reason) * ACT_COUNT + s.v.action], 1)
    if EA_UNLIKELY(s.deferred != NULL):
        w.waiting -= 1              # when it came, it was received
    elif s.m.kind == KIND_REQUEST:
        ea_count(&w.methods[s.m.method], 1)
    elif s.m.kind == KIND_RESPONSE:
        ea_count(&w.responses, 1)
    if s.v.repeated:
        return
    if EA_UNLIKELY(bits != 0):
        for rule in range(MAX_RULES):
            if bits >> rule & 1:
                ea_count(&w.monitored[(s.subject.slot if s.subject != NULL else slot) * MAX_RULES + rule], 1)
    elif account_silent(reason):
        return
    second = s.now / 1000000000
    if second != w.second:
        w.second = second
        memset(w.logged, 0, sizeof(w.logged))
    if w.logged[reason] < EVENTS_PER_SECOND:
        w.logged[reason] += 1
        account_event(s, reason)
