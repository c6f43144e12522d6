# process.pxi: a batch through the stages, and calls that waited once more. The body of the seam.
#
# It hands from stage to stage and decides nothing: no socket, no clock, no allocation.

cdef enum:
    GROUP = 8               # messages parsed and prefetched before the first of them is screened


cdef inline void engine_begin(Screen *s, Engine engine, PolicyImage *policy, Worker *w, Packet *packet, SipMsg *m,
                              uint64_t now) noexcept nogil:
    ea_clear(s, sizeof(Screen))
    s.policy = policy
    s.state = &engine.state
    s.worker = w
    s.packet = packet
    s.p = packet.data
    s.m = m
    s.now = now
    s.first = now
    s.v.rule = 255
    s.v.route.peer = NO_PEER


cdef inline void engine_classify(Screen *s) noexcept nogil:
    s.peer_index = source_peer(s.policy, &s.packet.source, False)
    if s.peer_index == NO_PEER:
        s.peer = NULL
        s.dir = DIR_UNKNOWN
        return
    s.peer = &s.policy.peers[s.peer_index]
    s.dir = DIR_UPSTREAM if s.peer.kind == PEER_UPSTREAM else DIR_TRUNK


# The policy in force, which stays whole until the worker sets `using` to 0: a
# publisher waits until no worker names another generation than the new one. The
# worker says that it is about to look before it looks, so either the publisher sees
# that, or the worker sees the new policy (the two fences, as in hazard pointers).
cdef inline PolicyImage *engine_enter(Engine engine, Worker *w) noexcept nogil:
    cdef PolicyImage *policy
    ea_set(&w.using, ~<uint64_t>0)
    ea_fence()
    policy = <PolicyImage *>ea_get_ptr(&engine.policy_now)
    ea_set(&w.using, policy.generation)
    return policy


cdef void engine_process(Engine engine, PolicyImage *policy, Batch batch, uint64_t now, OutBatch out,
                         Worker *w) noexcept nogil:
    cdef Screen screen[GROUP]
    cdef Screen *s
    cdef uint32_t first = 0, n, i
    cdef uint64_t one = 1
    if out is not None:
        out.used = 0
        out.count = 0
    leases_sweep(&engine.state, now, LEASE_SLICE)
    while first < batch.count:
        n = batch.count - first
        if n > GROUP:
            n = GROUP
        for i in range(n):
            s = &screen[i]
            engine_begin(s, engine, policy, w, &batch.packet[first + i], &batch.msg[first + i], now)
            engine_classify(s)
            ea_count(&w.received, 1)
            if EA_UNLIKELY(s.packet.source.port == 0):
                screen_portless(s)
                continue
            if EA_UNLIKELY(s.peer == NULL or s.peer.open):
                if s.peer == NULL:
                    ea_count(&w.strangers, 1)
                if screen_unread(s):
                    continue
            elif EA_UNLIKELY(ea_get_relaxed(&engine.state.bans.forced) != 0):
                ban_peer(s)
            s.p += parse_message(s.packet.data, s.packet.len, s.m)
            if s.packet.truncated:
                parse_fault(s.m, RSN_TOO_LARGE)
            screen_prepare(s)
        screen_ahead(&screen[0])
        for i in range(n):
            s = &screen[i]
            if i + 1 < n:
                screen_ahead(s + 1)
            if s.v.action == ACT_NONE:
                screen_message(s)
                if out is not None:
                    act(s, out)
            account(s)
            if s.peer == NULL:
                strike_stranger(s)
            elif EA_UNLIKELY(s.peer.open):
                strike_caller(s)
        first += n
    if EA_UNLIKELY(w.deferred_new != 0):
        w.deferred_new = 0
        write(engine.deferred_fd, &one, 8)


# A call that waited goes on, is refused, or was taken back. What was counted for it when it came is counted.
cdef void screen_resumed(Screen *s, bint decided, bint cancelled) noexcept nogil:
    cdef Verdict was
    route_own(s)
    s.loop = loop_hash(s.state, s.p, s.m, s.peer.id)
    if s.deferred.repeated:
        if txn_peek(&s.state.transactions, s.key, s.now, &was) and was.action == ACT_FORWARD:
            screen_repeat(s, &was)
        else:
            decide(s, ACT_DROP, RSN_RETRANSMISSION)
        return
    if cancelled:
        decide(s, ACT_ANSWER, RSN_CANCELLED)
    else:
        stir_answered(s, s.deferred, decided)
        if s.v.action == ACT_NONE:
            screen_pass(s)
            if s.v.action == ACT_FORWARD:
                s.v.signed_ = s.deferred.text_len != 0
                screen_goes(s)
                screen_credentials(s)
    txn_settle(&s.state.transactions, s.key, s.now, txn_pack(&s.v, s.peer.slot))


# What waited and may go on. How many those were; a full `out` may leave more.
cdef uint32_t engine_resume(Engine engine, PolicyImage *policy, uint64_t now, OutBatch out, Worker *w) noexcept nogil:
    cdef DeferTable *t = &engine.state.deferred
    cdef Screen s
    cdef Packet packet
    cdef uint32_t i, n = 0
    cdef bint decided = False, cancelled = False
    out.used = 0
    out.count = 0
    for i in range(t.count):
        if w.waiting == 0 or n == MAX_BATCH:
            break
        if not deferred_ripe(&t.call[i], w, now, &decided, &cancelled):
            continue
        memset(&packet, 0, sizeof(Packet))
        packet.data = deferred_data(t, i)
        packet.len = t.call[i].len
        packet.listener = t.call[i].listener
        packet.source = t.call[i].source
        packet.local = t.call[i].local
        engine_begin(&s, engine, policy, w, &packet, w.again, now)
        s.first = t.call[i].time
        s.deferred = &t.call[i]
        engine_classify(&s)
        s.p += parse_message(packet.data, packet.len, s.m)
        # A reload may have taken its peer away.
        if s.peer == NULL or s.peer.id != t.call[i].peer_id or s.m.reason:
            decide(&s, ACT_DROP, RSN_UNKNOWN_SOURCE)
        else:
            screen_prepare(&s)
            screen_resumed(&s, decided, cancelled)
        act(&s, out)
        account(&s)
        deferred_free(t, &t.call[i])
        n += 1
    return n
