# pump.pxi: a worker's loop: sockets to batches, batches through the engine, what comes out to the sockets.
#
# It decides nothing and keeps nothing but the time that its pauses and rests take.

cdef enum:
    REST_NS = 4000000

cdef struct Rests:          # of the sockets of strangers, by listener; monotonic ns
    uint64_t last[MAX_LISTENERS]        # when it was read
    uint64_t until[MAX_LISTENERS]       # it wakes nobody, and is read then; 0: it does
    uint32_t count          # how many of them rest

# Up to `rounds` batches of one socket.
cdef void engine_drain(Engine engine, Worker *w, int *fds, uint32_t at, int rounds, Pacing *pacing, Batch batch,
                       OutBatch out) noexcept nogil:
    cdef PolicyImage *policy
    cdef uint64_t now
    cdef uint16_t listener = <uint16_t>(at % MAX_LISTENERS)
    cdef int i, r
    for i in range(rounds):
        r = receive_batch(batch, fds[at], listener, <int>(engine.wildcards >> listener & 1) * CONTROL_LOCAL
                          | <int>engine.measured * CONTROL_DISTANCE, pacing)
        if r <= 0:
            break
        ea_count(&w.batches, 1)
        now = ea_now()
        if at < MAX_LISTENERS:
            load_look(w, at, ea_queue_fill(fds[at]) if r == <int>batch.slots else 0, now)
        policy = engine_enter(engine, w)
        engine_process(engine, policy, batch, now, out, w)
        if at >= MAX_LISTENERS:
            load_leave_out(w, batch.count)
        if out.count:
            send_batch(out, fds, policy.listeners, w)
        ea_set(&w.using, 0)
        if r < <int>batch.slots:
            break


# What waited for an answer of the control plane, and has it.
cdef void engine_go_on(Engine engine, Worker *w, int *fds, OutBatch out) noexcept nogil:
    cdef PolicyImage *policy
    cdef uint64_t now
    cdef uint32_t n = MAX_BATCH
    if EA_LIKELY(w.waiting == 0):
        return
    now = ea_now()
    if not deferred_due(w, now):
        return
    while n == MAX_BATCH:
        policy = engine_enter(engine, w)
        n = engine_resume(engine, policy, now, out, w)
        if out.count:
            send_batch(out, fds, policy.listeners, w)
        ea_set(&w.using, 0)


# Strangers: one batch, then it is looked again who of the others waits; and no pause while some do. A wake costs as
# much as ten packets, and no stranger waits for more than a refusal: while they keep coming they are read when REST_NS
# have gone by, however many came. Callers of open trunks come in here too: where one did, nobody waits.
cdef void engine_strangers(Engine engine, Worker *w, int ep, int *fds, uint32_t at, Pacing *pacing, Rests *rests, Batch batch,
                           OutBatch out) noexcept nogil:
    cdef uint32_t listener = at - MAX_LISTENERS
    cdef epoll_event want
    cdef uint64_t now, until = 0, received = w.received, strangers = w.strangers
    cdef bint resting = rests.until[listener] != 0
    engine_drain(engine, w, fds, at, 1, pacing, batch, out)
    received = w.received - received
    now = ea_now()
    if received and received == w.strangers - strangers and (resting or now - rests.last[listener] < REST_NS):
        until = now if received == batch.slots else now + REST_NS
    rests.last[listener] = now
    rests.until[listener] = until
    if resting == (until != 0):
        return
    rests.count += 1 if until else -1
    want.events = 0 if until else EPOLLIN
    want.data.u64 = at
    epoll_ctl(ep, EPOLL_CTL_MOD, fds[at], &want)


# How long the worker may sleep, in ms: until the next rest ends.
cdef int rests_left(Rests *rests) noexcept nogil:
    cdef uint64_t now, first = ~<uint64_t>0
    cdef int i
    if EA_LIKELY(rests.count == 0):
        return 1000
    now = ea_now()
    for i in range(MAX_LISTENERS):
        if rests.until[i] and rests.until[i] < first:
            first = rests.until[i]
    return <int>((first - now + 999999) // 1000000) if first > now else 0


# Reads the sockets whose rest has ended.
cdef void engine_rested(Engine engine, Worker *w, int ep, int *fds, Rests *rests, Batch batch, OutBatch out) noexcept nogil:
    cdef uint64_t now
    cdef uint32_t i
    if EA_LIKELY(rests.count == 0):
        return
    now = ea_now()
    for i in range(MAX_LISTENERS):
        if rests.until[i] and rests.until[i] <= now:
            engine_strangers(engine, w, ep, fds, MAX_LISTENERS + i, NULL, rests, batch, out)


cdef void engine_pump(Engine engine, int worker, int ep, int *fds, Batch batch, OutBatch out) noexcept nogil:
    cdef Worker *w = &engine.workers[worker]
    cdef epoll_event ready[MAX_LISTENERS]
    cdef Pacing pacing[2 * MAX_LISTENERS]
    cdef Rests rests
    cdef int n, i
    cdef uint32_t at
    cdef uint64_t beat
    cdef bint known
    memset(pacing, 0, sizeof(pacing))
    memset(&rests, 0, sizeof(rests))
    w.train_limit = TRAIN_BYTES
    ea_exact_sleeps()
    while not ea_get(&engine.stopping):
        n = epoll_wait(ep, ready, MAX_LISTENERS, rests_left(&rests))
        ea_count(&w.heartbeat, 1)
        if w.heartbeat & 0xffff == 0:
            w.train_limit = TRAIN_BYTES     # routes change: what a path refused may go now
        state_sweep(&engine.state, w.heartbeat, ea_now())
        known = False
        for i in range(n):
            at = <uint32_t>ready[i].data.u64
            if at < MAX_LISTENERS:
                # A few batches of one socket, then the others have their turn.
                engine_drain(engine, w, fds, at, 4, &pacing[at], batch, out)
                known = True
            elif at == 2 * MAX_LISTENERS + 1:
                read(w.wake, &beat, 8)
        engine_go_on(engine, w, fds, out)
        engine_rested(engine, w, ep, fds, &rests, batch, out)
        for i in range(n):
            at = <uint32_t>ready[i].data.u64
            if MAX_LISTENERS <= at < 2 * MAX_LISTENERS:
                engine_strangers(engine, w, ep, fds, at, NULL if known else &pacing[at], &rests, batch, out)
