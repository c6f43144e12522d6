# account.pxi: counters and the event ring: what happened, once for every message.
#
# received = forwarded + answered + dropped + waiting. Each worker writes its own counters
# and rings; a full ring loses the event and counts it. Of one reason, and of one
# peer's refused emergency calls, only a few events a second are written in full,
# the counters tell the rest.

cdef inline bint account_silent(int reason) noexcept nogil:
    return reason in (RSN_PASS, RSN_KEEPALIVE, RSN_ACK_ABSORBED, RSN_RETRANSMISSION, RSN_OPTIONS_UP, RSN_CANCEL_DEFERRED)


cdef inline uint8_t event_text(uint8_t *to, const uint8_t *p, Slice s) noexcept nogil:
    cdef uint32_t n = s.len if s.len < EVENT_TEXT else EVENT_TEXT
    memcpy(to, p + s.off, n)
    return <uint8_t>n


cdef void event_fill(Screen *s, EventRecord *e, int reason) noexcept nogil:
    e.time = s.now
    e.value = s.v.value
    e.limit = s.v.limit
    e.monitored = s.v.monitored
    e.id = behaviour_id(s) if behaviour_answers(reason) else 0
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


cdef void account_event(Screen *s, int reason) noexcept nogil:
    cdef Worker *w = s.worker
    cdef uint64_t head = w.ring_head
    if head - ea_get(&w.ring_tail) >= RING:
        ea_count(&w.events_dropped, 1)
        return
    event_fill(s, &w.ring[head & (RING - 1)], reason)
    ea_set(&w.ring_head, head + 1)


# Is this a peer's emergency call, or what was decided on the way to one? A stranger's is an event like any other.
cdef inline bint account_alarms(Screen *s) noexcept nogil:
    if s.peer == NULL or s.v.reason == RSN_EMERGENCY_CALLBACK:
        return False
    return (s.v.rule == s.policy.reason_rule[RSN_EMERGENCY_ROUTED]
            or (s.lane != LANE_NONE and s.m.method == M_INVITE and s.v.action != ACT_FORWARD))


# Emergency calls have a ring of their own, so that no flood of other reasons hides one. Refused ones are bounded by
# peer and leave half of the ring to those that go on, which the lane's own limits bound.
cdef void account_alert(Screen *s, int reason) noexcept nogil:
    cdef Worker *w = s.worker
    cdef uint64_t head = w.alert_head, waiting = head - ea_get(&w.alert_tail)
    cdef Alert *a
    cdef Slice location
    cdef const uint8_t *text = s.p
    cdef bint said = False
    if s.v.action != ACT_FORWARD or s.m.kind != KIND_REQUEST:
        if w.alerted[s.peer.slot] >= EVENTS_PER_SECOND:
            return                  # the counters tell
        w.alerted[s.peer.slot] += 1
    if waiting >= (ALERTS if s.v.action == ACT_FORWARD else ALERTS / 2):
        ea_count(&w.alerts_dropped, 1)
        return
    a = &w.alerts[head & (ALERTS - 1)]
    event_fill(s, &a.event, reason)
    a.lane = s.lane
    a.asserted = a.owned = 0
    # A core fault may leave half a From.
    if s.dir == DIR_TRUNK and s.m.kind == KIND_REQUEST and s.m.core == 0:
        a.owned = lane_owned(s)
        a.asserted = lane_asserted(s)
    a.supplied = s.v.action == ACT_FORWARD and lane_locates(s)
    if a.supplied:
        location = s.peer.location
        text = s.policy.text
    else:
        location = lane_location(s, &said)
    a.location_len = <uint8_t>(location.len if location.len < LOCATION_TEXT else LOCATION_TEXT)
    memcpy(a.location, text + location.off, a.location_len)
    ea_set(&w.alert_head, head + 1)


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
        memset(w.alerted, 0, sizeof(w.alerted))
    if EA_UNLIKELY(account_alarms(s)):
        account_alert(s, reason)
        return
    if w.logged[reason] < EVENTS_PER_SECOND:
        w.logged[reason] += 1
        account_event(s, reason)
