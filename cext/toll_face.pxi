# toll_face.pxi: what dear calls have used up, as the control plane saves it, shows it and puts it back after a restart.

DEAR_CLASSES = ("premium", "shared-cost", "personal", "satellite", "network", "high-risk", "own-1", "own-2", "own-3", "own-4")

Budget = namedtuple("Budget", "trunk scope number used limit up")


cdef object budget_of(str trunk, str scope, str number, TollMeter *m, uint64_t now):
    return Budget(trunk, scope, number, tuple([toll_level(m, k, now) for k in range(TOLL_MEASURES)]),
                  tuple([m.limit[k] for k in range(TOLL_MEASURES)]), <int>m.up)


# Every meter that somebody used. Each is copied under the lock, so a worker waits for no Python.
cdef list toll_read(Engine engine, uint64_t now, classes):
    cdef TollTable *t = &engine.state.toll
    cdef TollMeter m
    cdef TollCaller c
    cdef int slot, i
    names = ("trunk", "off-hours", *classes)
    found = []
    for slot in range(MAX_PEERS + 1):
        name = engine.slot_names[slot]
        if not name:
            continue
        for i in range(TOLL_SCOPES):
            if t.trunk[slot].meter[i].at == 0 or not toll_lock(t):
                continue
            m = t.trunk[slot].meter[i]
            toll_unlock(t)
            found.append(budget_of(name, names[i], "", &m, now))
    for i in range(TOLL_CALLERS):
        if t.caller[i].number == 0 or not toll_lock(t):
            continue
        c = t.caller[i]
        toll_unlock(t)
        if c.number and engine.slot_names[c.slot]:
            found.append(budget_of(engine.slot_names[c.slot], "caller", number_text(c.number), &c.meter, now))
    return found


# Adds to what is used: calls may have begun since the start. False: the trunk is gone, or there is no room.
cdef bint toll_write(Engine engine, budget, uint64_t now, classes) except -1:
    cdef Policy policy = engine.published()
    cdef TollTable *t = &engine.state.toll
    cdef TollMeter *m = NULL
    cdef TollCaller *c
    cdef Peer *peer = NULL
    cdef double used[TOLL_MEASURES]
    cdef double limit[TOLL_MEASURES]
    cdef uint64_t number = 0
    cdef uint32_t i
    cdef int k, at = -1
    for i in range(policy.image.peer_count):
        if policy.tables.peers[i].name == budget.trunk and policy.image.peers[i].kind == PEER_TRUNK:
            peer = &policy.image.peers[i]
    scopes = ("trunk", "off-hours", *classes)
    if peer == NULL or (budget.scope != "caller" and budget.scope not in scopes):
        return False
    if budget.scope == "caller":
        if not budget.number.isascii() or not budget.number.isdigit() or len(budget.number) > 15:
            raise ValueError(f"no number: {budget.number!r}")
        number = number_pack(int(budget.number), len(budget.number))
    else:
        at = scopes.index(budget.scope)
    for k in range(TOLL_MEASURES):
        used[k], limit[k] = budget.used[k], budget.limit[k]
    if not toll_lock(t):
        return False
    if at >= 0:
        m = &t.trunk[peer.slot].meter[at]
    else:
        c = toll_caller_make(&engine.state, peer, number, now)
        m = NULL if c == NULL else &c.meter
    if m != NULL:
        toll_settle(m, now)
        for k in range(TOLL_MEASURES):
            m.used[k] += used[k]
            if m.limit[k] == 0:
                m.limit[k] = limit[k]
    toll_unlock(t)
    return m != NULL


cdef uint64_t toll_callers(TollTable *t) noexcept nogil:
    cdef uint64_t count = 0
    cdef int i
    for i in range(TOLL_CALLERS):
        count += t.caller[i].number != 0
    return count
