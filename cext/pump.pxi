# pump.pxi: a worker's loop: sockets to batches, batches through the engine, what comes out to the sockets.
#
# It decides nothing and keeps nothing but the time that its pauses take.

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


cdef void engine_pump(Engine engine, int worker, int ep, int *fds, Batch batch, OutBatch out) noexcept nogil:
    cdef Worker *w = &engine.workers[worker]
    cdef epoll_event ready[MAX_LISTENERS]
    cdef Pacing pacing[2 * MAX_LISTENERS]
    cdef int n, i
    cdef uint32_t at
    cdef uint64_t beat
    cdef bint known
    memset(pacing, 0, sizeof(pacing))
    w.train_limit = TRAIN_BYTES
    ea_exact_sleeps()
    while not ea_get(&engine.stopping):
        n = epoll_wait(ep, ready, MAX_LISTENERS, 1000)
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
        for i in range(n):
            at = <uint32_t>ready[i].data.u64
            if MAX_LISTENERS <= at < 2 * MAX_LISTENERS:
                # Strangers: one batch, then it is looked again who of the others waits; and no pause while some do.
                engine_drain(engine, w, fds, at, 1, NULL if known else &pacing[at], batch, out)
