# engine.pxi: Engine: state, publishing of policies, process and pump, and what the control plane reads.

import hashlib as _hashlib
import hmac as _hmac
import time as _time

from edge_agent.reasons import REASONS as _REASONS

Location = namedtuple("Location", "uri supplied")
# Not of 20 items: CPython 3.11 keeps freed tuples of that length and never uses one again, 200 bytes for each event.
Event = namedtuple("Event", "time_ns action rule reason status monitored method peer source call_id from_user to_user "
                            "user_agent value limit finding lane location id caller_owned asserted",
                   defaults=("", "", Location("", False), "", False, ""))
Step = namedtuple("Step", "rule mode applies reason answer value limit note")
ACTIONS = ("none", "forward", "answer", "drop", "defer")


def derive(secret: bytes, purpose: str) -> bytes:
    """16 bytes for one purpose (HKDF with SHA-256, RFC 5869, one block)."""
    key = _hmac.new(b"edge-agent", secret, _hashlib.sha256).digest()
    return _hmac.new(key, purpose.encode() + b"\x01", _hashlib.sha256).digest()[:16]


cdef class Engine:
    """Screens batches of SIP messages against the published policy.

    ``secret`` (32 bytes) keys branches, tags and cookies; ``old_secret`` keeps the
    cookies of the one before valid. Tables are made and faulted in here: sizes in
    MiB. MemoryError when they can't be had.
    """

    cdef State state
    cdef Worker *workers
    cdef int worker_count
    cdef void *policy_now               # PolicyImage of `policy`
    cdef object policy
    cdef int most_listeners             # that a pump was given
    cdef uint64_t wildcards             # bit listener; listeners stay as they were at start
    cdef bint measured                  # some trunk's distance is looked at
    cdef dict slots                     # peer name -> slot in State and counters
    cdef list slot_names
    cdef list reused                    # (slot, peer id) that changed hands in this publish
    cdef uint64_t stopping
    cdef int wake
    cdef Batch probe
    cdef readonly int deferred_fd       # eventfd: INVITEs wait
    cdef Batch taken                    # the copy that the control plane reads

    def __cinit__(self, *, workers: int = 1, rates_mib: int = 16, transactions_mib: int = 64, leases_mib: int = 16,
                  callers_mib: int = 8, deferred_mib: int = 8, behaviour_mib: int = 8,
                  secret: bytes, old_secret: bytes | None = None):
        cdef int i
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"1 to {MAX_WORKERS} workers")
        if len(secret) != 32 or (old_secret is not None and len(old_secret) != 32):
            raise ValueError("a secret has 32 bytes")
        self.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.deferred_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.worker_count = workers
        self.workers = <Worker *>ea_table_alloc(workers * sizeof(Worker))
        self.state.peers = <PeerCells *>ea_table_alloc((MAX_PEERS + 1) * sizeof(PeerCells))
        self.state.keys.sum = <EaSumKey *>ea_table_alloc(EA_SUM_PAIRS * sizeof(EaSumKey))
        self.state.open = <OpenCells *>ea_table_alloc((MAX_PEERS + 1) * sizeof(OpenCells))
        self.state.evaders = <Evader *>ea_table_alloc((EVADERS + MAX_PEERS + 1) * sizeof(Evader))
        self.state.asserted = <AssertedCaller *>ea_table_alloc(ASSERTED * sizeof(AssertedCaller))
        if (self.workers == NULL or self.state.peers == NULL or self.state.keys.sum == NULL or self.state.open == NULL
                or self.state.asserted == NULL or self.state.evaders == NULL
                or not cells_init(&self.state.rates, <uint64_t>rates_mib << 20)
                or not cells_init(&self.state.strikes, <uint64_t>rates_mib << 18)
                or not bans_init(&self.state.bans) or not requests_init(&self.state.requests)
                or not toll_init(&self.state.toll)
                or not cells_init(&self.state.callers, <uint64_t>callers_mib << 20)
                or not cells_init(&self.state.marks, <uint64_t>leases_mib << 19)
                or not leases_init(&self.state.leases, <uint64_t>leases_mib << 19)
                or not txn_init(&self.state.transactions, <uint64_t>transactions_mib << 20)
                or not behaviour_init(&self.state.behaviour, <uint64_t>behaviour_mib << 20)
                or not deferred_init(&self.state.deferred, <uint64_t>deferred_mib << 20)):
            raise MemoryError("the state tables don't fit: lower [tables]")
        self.state.workers = self.workers
        for i in range(workers):
            self.workers[i].verdicts = <uint64_t *>ea_table_reserve((MAX_PEERS + 1) * REASONS * ACT_COUNT * 8)
            self.workers[i].monitored = <uint64_t *>ea_table_reserve((MAX_PEERS + 1) * MAX_RULES * 8)
            self.workers[i].findings = <uint64_t *>ea_table_reserve((MAX_PEERS + 1) * FINDINGS_BYTES)
            self.workers[i].ring = <EventRecord *>ea_table_alloc(RING * sizeof(EventRecord))
            self.workers[i].strikes = <StrikeRecord *>ea_table_alloc(STRIKES * sizeof(StrikeRecord))
            self.workers[i].index = <uint16_t>i
            self.workers[i].wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
            self.workers[i].deferred_ring = <uint64_t *>ea_table_alloc(self.state.deferred.ring * 8)
            self.workers[i].again = <SipMsg *>ea_table_alloc(sizeof(SipMsg))
            self.workers[i].alerts = <Alert *>ea_table_alloc(ALERTS * sizeof(Alert))
            if not (self.workers[i].verdicts and self.workers[i].monitored and self.workers[i].findings and self.workers[i].ring
                    and self.workers[i].strikes and self.workers[i].deferred_ring and self.workers[i].again
                    and self.workers[i].alerts):
                raise MemoryError("the counters don't fit")
        self.slots = {}
        self.reused = []
        self.slot_names = [None] * (MAX_PEERS + 1)
        self.slot_names[0] = ""
        self.touch_slot(0)
        self.set_keys(secret, old_secret)
        self.probe = Batch(1)
        self.taken = Batch(1)

    cdef set_keys(self, bytes secret, bytes old_secret):
        cdef int i
        self.put_key(&self.state.keys.branch, derive(secret, "branch"))
        long_key = _hashlib.shake_256(derive(secret, "sum")).digest(EA_SUM_PAIRS * sizeof(EaSumKey))
        memcpy(self.state.keys.sum, <char *>long_key, EA_SUM_PAIRS * sizeof(EaSumKey))
        self.put_key(&self.state.keys.loop, derive(secret, "loop"))
        self.put_key(&self.state.keys.call, derive(secret, "call"))
        self.put_key(&self.state.keys.tag, derive(secret, "tag"))
        # Table keys needn't outlive the process, and so don't.
        self.put_key(&self.state.keys.table, _hashlib.sha256(secret + _time.time_ns().to_bytes(8, "little")
                                                             + id(self).to_bytes(8, "little")).digest()[:16])
        secrets = [secret] if old_secret is None else [secret, old_secret]
        for i, one in enumerate(secrets):
            self.put_key(&self.state.keys.cookie[i], derive(one, "cookie"))
            self.state.keys.cookie_id[i] = derive(one, "cookie-id")[0]
        self.state.keys.cookie_count = len(secrets)

    def forget_old_secret(self) -> None:
        """From now on the old secret's cookies prove nothing."""
        ea_set(&self.state.keys.cookie_count, 1)

    cdef put_key(self, EaMacKey *to, bytes key):
        cdef const uint8_t *raw = key
        ea_mac_key(to, raw)

    def __dealloc__(self):
        cdef int i
        for i in range(self.worker_count):
            munmap(self.workers[i].verdicts, (MAX_PEERS + 1) * REASONS * ACT_COUNT * 8)
            munmap(self.workers[i].monitored, (MAX_PEERS + 1) * MAX_RULES * 8)
            munmap(self.workers[i].findings, (MAX_PEERS + 1) * FINDINGS_BYTES)
            munmap(self.workers[i].ring, RING * sizeof(EventRecord))
            munmap(self.workers[i].strikes, STRIKES * sizeof(StrikeRecord))
            munmap(self.workers[i].deferred_ring, self.state.deferred.ring * 8)
            munmap(self.workers[i].again, sizeof(SipMsg))
            close(self.workers[i].wake)
            munmap(self.workers[i].alerts, ALERTS * sizeof(Alert))
        munmap(self.workers, self.worker_count * sizeof(Worker))
        munmap(self.state.peers, (MAX_PEERS + 1) * sizeof(PeerCells))
        munmap(self.state.keys.sum, EA_SUM_PAIRS * sizeof(EaSumKey))
        munmap(self.state.open, (MAX_PEERS + 1) * sizeof(OpenCells))
        munmap(self.state.asserted, ASSERTED * sizeof(AssertedCaller))
        munmap(self.state.evaders, (EVADERS + MAX_PEERS + 1) * sizeof(Evader))
        munmap(self.state.rates.cell, self.state.rates.bytes)
        munmap(self.state.strikes.cell, self.state.strikes.bytes)
        bans_free(&self.state.bans)
        munmap(self.state.requests.slot, self.state.requests.bytes)
        munmap(self.state.toll.caller, TOLL_CALLERS * sizeof(TollCaller))
        munmap(self.state.toll.trunk, (MAX_PEERS + 1) * sizeof(TollTrunk))
        munmap(self.state.callers.cell, self.state.callers.bytes)
        munmap(self.state.marks.cell, self.state.marks.bytes)
        munmap(self.state.leases.bucket, self.state.leases.bytes)
        munmap(self.state.leases.story, self.state.leases.story_bytes)
        munmap(self.state.transactions.entry, self.state.transactions.bytes)
        behaviour_done(&self.state.behaviour)
        deferred_done(&self.state.deferred)
        close(self.deferred_fd)
        close(self.wake)

    # ---- publishing ----

    def publish(self, policy: Policy) -> None:
        """Makes `policy` the one that screens, whole and at once.

        Rates and counters of peers that stay are kept. Returns when no worker
        uses the old policy any more. ValueError with more than 1,024 peers, or with
        fewer listeners than a pump was given.
        """
        cdef uint32_t i
        cdef int k
        if policy.tables is None or policy.image.listener_count < <uint32_t>self.most_listeners:
            raise ValueError("a policy without tables, or with fewer listeners than are in use")
        names = [peer.name for peer in policy.tables.peers]
        self.reused = []
        if len(names) > MAX_PEERS:
            raise ValueError(f"at most {MAX_PEERS} trunks and upstreams")
        for i, name in enumerate(names):
            policy.image.peers[i].slot = self.slot_of(name, names)
        policy.image.behaviour_share = behaviour_share(&self.state.behaviour, 1 + <uint32_t>max(self.slots.values(), default=0))
        old = self.policy
        if old is not None:
            self.keep_health(policy, old)
        self.measured = any(peer.distance for peer in policy.tables.peers)
        self.wildcards = sum(1 << n for n, at in enumerate(policy.tables.listeners) if at.host in _WILDCARDS)
        ea_set_ptr(&self.policy_now, &policy.image)
        ea_fence()
        for k in range(self.worker_count):
            while ea_get(&self.workers[k].using) not in (0, policy.image.generation):
                _time.sleep(0.0005)
        self.policy = policy
        # Calls that the old policy let in for a slot's last owner while this went on.
        for slot, owner in self.reused:
            leases_purge(&self.state, slot, owner)
            toll_forget(&self.state, slot)

    # A peer that goes keeps its slot, and so its counters, until the slots run out.
    cdef int slot_of(self, name, names) except -1:
        cdef int slot, k
        if name in self.slots:
            return self.slots[name]
        if None in self.slot_names:
            slot = self.slot_names.index(None)
        else:
            slot = next(self.slots.pop(gone) for gone in list(self.slots) if gone not in names)
            for k in range(self.worker_count):
                memset(&self.workers[k].verdicts[slot * REASONS * ACT_COUNT], 0, REASONS * ACT_COUNT * 8)
                memset(&self.workers[k].monitored[slot * MAX_RULES], 0, MAX_RULES * 8)
                memset(findings_of(&self.workers[k], slot, 0, False), 0, FINDINGS_BYTES)
            # Its number of calls goes with their leases, so that each is taken off once.
            leases_purge(&self.state, <uint16_t>slot, peer_id(name))
            toll_forget(&self.state, <uint16_t>slot)
            self.reused.append((slot, peer_id(name)))
            memset(&self.state.peers[slot], 0, <uint8_t *>self.state.peers[slot].calls - <uint8_t *>&self.state.peers[slot])
            memset(&self.state.open[slot], 0, sizeof(OpenCells))
            behaviour_purge(&self.state, <uint16_t>slot)
        self.slot_names[slot] = name
        self.slots[name] = slot
        self.touch_slot(slot)
        return slot

    # The counters of a slot are in memory before the first message that is counted there.
    cdef touch_slot(self, int slot):
        cdef int k
        for k in range(self.worker_count):
            ea_table_touch(&self.workers[k].verdicts[slot * REASONS * ACT_COUNT], REASONS * ACT_COUNT * 8)
            ea_table_touch(&self.workers[k].monitored[slot * MAX_RULES], MAX_RULES * 8)
            ea_table_touch(findings_of(&self.workers[k], slot, 0, False), FINDINGS_BYTES)

    cdef keep_health(self, Policy new, Policy old):
        cdef uint32_t i, k
        cdef Peer *p
        was = {}
        for i in range(old.image.peer_count):
            p = &old.image.peers[i]
            for k in range(p.target_count):
                was[p.id, addr_to_text(&old.image.targets[p.first_target + k].address)] = (
                    old.image.targets[p.first_target + k].up)
        for i in range(new.image.peer_count):
            p = &new.image.peers[i]
            for k in range(p.target_count):
                new.image.targets[p.first_target + k].up = was.get(
                    (p.id, addr_to_text(&new.image.targets[p.first_target + k].address)), 1)

    def set_target(self, upstream: str, target: int, up: bool) -> None:
        """The health of an upstream's target, by its place in `targets`. Unknown ones are ignored.

        RuntimeError before the first publish.
        """
        cdef Policy policy = self.published()
        cdef uint32_t i
        cdef Peer *p
        wanted = peer_id(upstream)
        for i in range(policy.image.peer_count):
            p = &policy.image.peers[i]
            if p.id == wanted and 0 <= target < p.target_count:
                policy.image.targets[p.first_target + <uint32_t>target].up = up

    # ---- the seam ----

    cdef Policy published(self):
        if self.policy is None:
            raise RuntimeError("no policy is published")
        return self.policy

    cdef check_listener(self, listener):
        if not 0 <= listener < self.published().image.listener_count:
            raise IndexError(f"no listener {listener}")

    def process(self, Batch batch not None, now: int, OutBatch out, worker: int = 0) -> None:
        """Screens every packet of `batch` at monotonic time `now` (ns); replies and forwarded messages go into `out`.

        `out` is emptied first; None: decide and count, write nothing. RuntimeError before the first publish,
        IndexError for a worker or a packet's listener that there isn't.
        """
        cdef uint64_t at = now
        cdef int own = worker
        cdef uint32_t i, listeners = self.published().image.listener_count
        if not 0 <= worker < self.worker_count:
            raise IndexError(f"no worker {worker}")
        for i in range(batch.count):
            if batch.packet[i].listener >= listeners:
                self.check_listener(batch.packet[i].listener)
        if out is not None:
            out.origin = batch
        with nogil:
            engine_process(self, engine_enter(self, &self.workers[own]), batch, at, out, &self.workers[own])
            ea_set(&self.workers[own].using, 0)

    def pump(self, worker: int, sockets: list, strangers=()) -> None:
        """Receives, screens and sends until stop(). One thread per worker; the GIL is released.

        ``sockets``: (file descriptor, listener index) pairs, one for each listener
        of the policy; ``strangers``: more of them that are only read, and after the
        others. OSError when the kernel refuses epoll, RuntimeError before the first
        publish, IndexError for a worker or listener that there isn't.
        """
        cdef Batch batch = Batch()
        cdef OutBatch out = OutBatch()
        cdef int fds[2 * MAX_LISTENERS]
        cdef int ep, count = <int>len(sockets), own = worker
        cdef epoll_event want
        if not 0 <= worker < self.worker_count or count > MAX_LISTENERS or len(strangers) > MAX_LISTENERS:
            raise IndexError(f"no worker {worker}, or more than {MAX_LISTENERS} sockets")
        for _, listener in (*sockets, *strangers):
            self.check_listener(listener)
            self.most_listeners = max(self.most_listeners, listener + 1)
        memset(fds, 0xff, sizeof(fds))
        ep = epoll_create1(EPOLL_CLOEXEC)
        if ep < 0:
            raise OSError("epoll_create1")
        try:
            memset(&want, 0, sizeof(want))
            want.events = EPOLLIN
            want.data.u64 = 2 * MAX_LISTENERS
            if epoll_ctl(ep, EPOLL_CTL_ADD, self.wake, &want):
                raise OSError("epoll_ctl")
            want.data.u64 = 2 * MAX_LISTENERS + 1
            if epoll_ctl(ep, EPOLL_CTL_ADD, self.workers[own].wake, &want):
                raise OSError("epoll_ctl")
            for fd, at in [*sockets, *((fd, MAX_LISTENERS + listener) for fd, listener in strangers)]:
                fds[<int>at] = fd
                want.data.u64 = at
                if epoll_ctl(ep, EPOLL_CTL_ADD, fd, &want):
                    raise OSError("epoll_ctl")
            with nogil:
                engine_pump(self, own, ep, fds, batch, out)
        finally:
            close(ep)

    def deferred(self, limit: int = 64) -> list:
        """Takes up to `limit` INVITEs that wait out of the rings, each once."""
        return deferred_take(self, limit)

    @property
    def deferred_share(self) -> int:
        """How many one peer may have waiting."""
        return self.state.deferred.share

    def resolve(self, ticket: int, reason: int = 0, verstat: int = 0, attest: str = "", monitored=(), text: bytes = b"",
                priority=(), callback: bool = False) -> bool:
        """Answers for an INVITE that waits. False: it waits no more."""
        return deferred_resolve(self, ticket, reason, verstat, attest, monitored, text, priority, callback)

    def resume(self, now: int, OutBatch out not None, worker: int = 0) -> int:
        """Lets those go on that are answered, cancelled or too late; how many. At most a full `out`; a pump does it itself."""
        cdef uint64_t at = now
        cdef int own = worker
        cdef uint32_t n
        if not 0 <= worker < self.worker_count:
            raise IndexError(f"no worker {worker}")
        self.published()
        with nogil:
            n = engine_resume(self, engine_enter(self, &self.workers[own]), at, out, &self.workers[own])
            ea_set(&self.workers[own].using, 0)
        return n

    def set_load(self, fill: float, now: int, worker: int = 0) -> None:
        """One look at the receive queue of a worker, `fill` of it full, as its pump takes for itself."""
        if not 0 <= worker < self.worker_count:
            raise IndexError(worker)
        load_look(&self.workers[<int>worker], 0, <uint32_t>(min(max(fill, 0.0), 1.0) * LOAD_FULL), now)

    def stop(self) -> None:
        """Ends every pump, within a batch."""
        cdef uint64_t one = 1
        ea_set(&self.stopping, 1)
        write(self.wake, &one, 8)

    # ---- what the control plane reads ----

    def counters(self) -> dict:
        """Totals over all workers; see the balance in account.pxi."""
        cdef int k, r, a
        cdef Worker *w
        cdef uint64_t n
        total = {"received": 0, "forwarded": 0, "answered": 0, "dropped": 0, "responses": 0, "events_dropped": 0,
                 "send_errors": 0, "batches": 0, "strikes_dropped": 0, "alerts_dropped": 0, "waiting": 0}
        verdicts = {}
        monitored = {}
        methods = dict.fromkeys(METHODS[1:], 0)
        rules = self.policy.tables.rules if self.policy is not None else ()
        slots = [slot for slot, name in enumerate(self.slot_names) if name is not None]
        for k in range(self.worker_count):
            w = &self.workers[k]
            for name, value in (("received", w.received), ("forwarded", w.acted[ACT_FORWARD]),
                                ("answered", w.acted[ACT_ANSWER]), ("dropped", w.acted[ACT_DROP]),
                                ("responses", w.responses), ("events_dropped", w.events_dropped),
                                ("send_errors", w.send_errors), ("batches", w.batches),
                                ("strikes_dropped", w.strikes_dropped), ("alerts_dropped", w.alerts_dropped),
                                ("waiting", ea_get_relaxed(&w.waiting))):
                total[name] += value
            methods["other"] = methods.get("other", 0) + w.methods[0]
            for a in range(1, M_COUNT):
                methods[METHODS[a]] += w.methods[a]
            for slot in slots:
                peer = self.slot_names[slot]
                for r in range(RSN_COUNT):
                    for a in range(1, ACT_COUNT):
                        n = ea_get_relaxed(&w.verdicts[(<int>slot * REASONS + r) * ACT_COUNT + a])
                        if n:
                            key = (ACTIONS[a], _REASONS[r].rule, _REASONS[r].name, peer)
                            verdicts[key] = verdicts.get(key, 0) + n
                for r in range(len(rules)):
                    n = ea_get_relaxed(&w.monitored[<int>slot * MAX_RULES + r])
                    if n:
                        key = (rules[r], peer)
                        monitored[key] = monitored.get(key, 0) + n
        total["by_verdict"] = verdicts
        total["monitored"], total["unsent"] = monitored, engine_unsent(self)
        total["methods"] = methods
        total["overload"] = [self.workers[k].load.level for k in range(self.worker_count)]
        total["heartbeats"] = [self.workers[k].heartbeat for k in range(self.worker_count)]
        return total

    def findings(self) -> dict:
        """Calls that went on, and how many were answered, by peer, direction and the rule that found something."""
        return findings_read(self)

    def events(self, limit: int = 1000) -> list:
        """Takes up to `limit` events out of the rings: emergency calls first, oldest first per worker."""
        return engine_events(self, limit)

    # ---- bans ----

    def ban(self, network: str, until_ns: int, forced: bool = False) -> bool:
        """Drops what comes from `network` until then; what is a peer's only if `forced`. False: there is no room."""
        cdef EaAddr a
        cdef uint32_t bits = ban_network(&a, network)
        return ban_put(&self.state, &a, bits, until_ns, forced, ea_now())

    def lift(self, network: str) -> bool:
        """Ends a ban. False: there was none."""
        cdef EaAddr a
        cdef uint32_t bits = ban_network(&a, network)
        return ban_lift(&self.state, &a, bits, ea_now())

    def bans(self) -> list:
        """(network, until_ns) of each ban in force."""
        return bans_list(&self.state.bans, ea_now())

    def strikes(self, limit: int = 1000) -> list:
        """Takes up to `limit` sources with too many strikes out of the rings."""
        cdef int k
        found = []
        bans_tidy(&self.state.bans, ea_now())
        for k in range(self.worker_count):
            strikes_read(&self.workers[k], self.slot_names, limit, found)
        return found

    # ---- do-not-call requests, budgets of dear calls ----

    def request(self, number: str, trunk: str = "") -> bool:
        """From now on that number (digits) isn't called by the trunk; "": by nobody. False: there is no room."""
        return request_put(&self.state, request_number(number), peer_id(trunk) if trunk else 0)

    def unrequest(self, number: str, trunk: str = "") -> bool:
        """Takes such a request away. False: there was none."""
        return request_take(&self.state, request_number(number), peer_id(trunk) if trunk else 0)

    @property
    def toll_changes(self) -> int:
        """A number that moves with every dear call that begins or ends."""
        return ea_get_relaxed(&self.state.toll.changes)

    def budgets(self, now: int) -> list:
        """What is used of each budget of dear calls, calls that are up among it."""
        return toll_read(self, now, DEAR_CLASSES)

    def restore_budget(self, budget: Budget, now: int) -> bool:
        """Adds what was used before a restart. False: its trunk is gone, or there is no room."""
        return toll_write(self, budget, now, DEAR_CLASSES)

    def tables(self) -> dict:
        """Entries, evictions (or refusals of a full bucket) and bytes of each state table. Walks them: not for often."""
        return engine_tables(self)

    def behaviour(self, trunk: str, caller: str = "", *, now: int) -> dict | None:
        """What a trunk did, or one caller of it (canonical digits); None: that caller isn't kept. ValueError: no such trunk."""
        return engine_behaviour(self, trunk, caller, now)

    def calls(self, now: int) -> dict:
        """Calls of each trunk at the time `now`: {"out", "in", "emergency", "limit"}. Walks the leases: not for often."""
        return engine_calls(self, now)

    def explain(self, data: bytes, source: tuple, listener: int, now: int) -> list:
        """Every rule in order with what it saw, its limit and its answer, and the verdict last. Changes no state.

        RuntimeError before the first publish, IndexError for a listener that there isn't.
        """
        self.check_listener(listener)
        return engine_explain(self, data, source, listener, now)


cdef str text_of(uint8_t *raw, uint32_t n):
    return PyBytes_FromStringAndSize(<char *>raw, n).decode("utf-8", "replace")
