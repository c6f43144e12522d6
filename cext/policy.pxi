# policy.pxi: Policy: the tables that policy/compile.py worked out, copied into flat arrays. It checks nothing twice.

OP_NAMES = ("hops", "target", "interface", "dialog", "overload", "scanner", "source_rate", "open_rate", "trunk_rate",
            "method_rate", "trunk_calls", "caller_rate", "callee_rate", "caller_format", "caller_owned",
            "caller_consistent", "caller_anonymous", "do_not_originate", "display_name", "own_number_inbound",
            "forged_marking", "destination", "toll_fraud", "do_not_call", "calling_hours", "dispersal", "sequential",
            "short_calls", "low_answer", "wangiri")
ASSERTS = ("PAI", "Resource-Priority", "Priority", "P-Charge-Info", "verstat", "routing")
_WILDCARDS = ("0.0.0.0", "::")
METHODS = tuple(METHOD_NAMES[i].decode() for i in range(M_COUNT))


def peer_id(name: str) -> int:
    """The 32-bit id that branches and cookies carry for a peer: a hash of its name, the same on every node."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h or 1


cdef uint64_t request_number(number) except 0:
    if not number.isascii() or not number.isdigit() or not 4 <= len(number) <= 15:
        raise ValueError(f"no number: {number!r}")
    return number_pack(int(number), len(number))


# Is this set too long to be in a cache?
cdef bint far(numbers) except -1:
    return numbers.nbytes > 1 << 20


# No sum of a time and a limit may wrap 64 bits; settings stay far below.
cdef uint64_t LONGEST_NS = <uint64_t>1 << 62


cdef Limit limit_of(pair) except *:
    """(per second, burst) to GCRA terms."""
    cdef Limit limit
    per_second, burst = pair
    step = max(int(min(1e9 / per_second, LONGEST_NS)), 1)
    limit.step = step
    limit.tolerance = min(step * max(int(burst), 1), LONGEST_NS)
    return limit


# The same for a hashed cell, which can't look further ahead than CELL_AHEAD: check refuses what would have to.
cdef Limit cell_limit_of(pair) except *:
    cdef Limit limit = limit_of(pair)
    cdef uint64_t longest = CELL_AHEAD << CELL_SHIFT, burst = limit.tolerance / limit.step
    if limit.tolerance > longest:
        limit.step = longest / burst
        limit.tolerance = limit.step * burst
    return limit


cdef str target_text(address):
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


cdef class Policy:
    """One compiled policy. Made by ``policy.compile`` from a ``Tables`` value; read-only afterwards.

    Only the health of targets changes, by Engine.set_target, and what time it is, by set_closed and set_off_hours.
    """

    cdef PolicyImage image
    cdef list blocks            # keeps every array and NumberSet alive
    cdef bytearray text
    cdef uint64_t *closed       # of each span of hours ZONE_WORDS words
    cdef int spans
    cdef readonly object tables

    def __cinit__(self, tables=None):
        self.blocks = []
        self.text = bytearray()
        if tables is None:
            return
        self.tables = tables
        self.fill_peers(tables)
        self.fill_sources(tables)
        fill_list_table(&self.image.listed, self, tables.lists, tables.wall_ahead)
        self.fill_names(tables)
        self.fill_numbers(tables)
        self.fill_prefixes(tables)
        self.fill_rows(tables)
        self.fill_settings(tables)
        self.fill_behaviour(tables.behaviour)
        self.image.generation = tables.generation
        self.image.wall_ahead = tables.wall_ahead
        self.image.text = <uint8_t *>self.keep(bytes(self.text) + bytes(SLOT_PAD))

    cdef void *room(self, size_t count, size_t size) except NULL:
        return self.keep(bytes(max(count, 1) * size))

    cdef void *keep(self, bytes block) except NULL:
        cdef char *raw = block
        self.blocks.append(block)
        return raw

    cdef Slice put_text(self, text: str):
        return self.put_bytes(text.encode())

    cdef Slice put_bytes(self, bytes raw):
        cdef Slice s
        s.off = <uint32_t>len(self.text)
        s.len = <uint32_t>len(raw)
        self.text += raw
        return s

    cdef fill_peers(self, t):
        cdef Peer *p
        cdef uint32_t i, k, target = 0
        self.image.peer_count = len(t.peers)
        self.image.peers = <Peer *>self.room(len(t.peers), sizeof(Peer))
        self.image.target_count = sum(len(peer.targets) for peer in t.peers)
        self.image.targets = <Target *>self.room(self.image.target_count, sizeof(Target))
        for i, peer in enumerate(t.peers):
            p = &self.image.peers[i]
            p.id = peer_id(peer.name)
            p.kind = PEER_UPSTREAM if peer.upstream_kind else PEER_TRUNK
            p.upstream = NO_PEER if peer.upstream is None else peer.upstream
            p.emergency_upstream = NO_PEER if peer.emergency_upstream is None else peer.emergency_upstream
            p.emergency = EMERGENCY_ROUTE if peer.emergency_route else EMERGENCY_REJECT
            if peer.emergency_redirect:
                p.emergency = EMERGENCY_REDIRECT
            p.emergency_urn = peer.emergency_urn
            p.location = self.put_text(peer.location)
            p.forwards_trust = peer.forwards_trust
            p.probed = peer.probed
            if peer.overload_control:
                p.overload_control = OC_TELL | OC_HEED if peer.upstream_kind else OC_TELL
            p.over_limit = peer.over_limit
            p.plan = peer.plan
            p.emergency_table = peer.emergency_table
            p.methods = methods_mask(peer.methods)
            p.rate = limit_of(peer.rate)
            for k, rate in enumerate(peer.method_rates):
                p.method_rate[k] = limit_of(rate)
            p.caller_rate = cell_limit_of(peer.caller_rate)
            p.callee_rate = cell_limit_of(peer.callee_rate)
            p.callee_known_ns = <uint64_t>(peer.callee_known_hours * 3.6e12)
            p.concurrent = peer.concurrent
            p.stir = peer.stir
            p.sign = peer.sign
            p.distance = peer.distance
            p.open = peer.open
            p.forwards = limit_of(peer.forwards)
            if peer.unvouched is not None:
                p.unvouched = limit_of(peer.unvouched)
            p.diversions = peer.diversions
            p.asserts = sum(1 << ASSERTS.index(name) for name in set(peer.asserts))
            p.domain = self.put_text(peer.domain)
            p.marks = self.put_bytes(b"".join(bytes([len(mark)]) + mark.encode() for mark in peer.marks))
            p.first_target = target
            p.target_count = len(peer.targets)
            for k, (host, port) in enumerate(peer.targets):
                if k < len(peer.ways) and peer.ways[k]:
                    if not all(0 <= n < len(t.listeners) for n in peer.ways[k]):
                        raise IndexError(f"no such listeners: {peer.ways[k]}")
                    self.image.targets[target].listener = peer.ways[k][0]
                    self.image.targets[target].able = sum(1 << n for n in set(peer.ways[k]))
                if peer.domain == target_text(peer.targets[0]):
                    self.image.targets[target].text = self.put_text(target_text((host, port)))
                addr_from_text(&self.image.targets[target].address, host, port)
                self.image.targets[target].up = 1
                target += 1
            for k, mode in enumerate(peer.modes):
                p.mode[k] = mode
        self.image.listener_count = len(t.listeners)
        self.image.listeners = <Listener *>self.room(len(t.listeners), sizeof(Listener))
        for i, listener in enumerate(t.listeners):
            addr_from_text(&self.image.listeners[i].address, listener.host, listener.port)
            self.image.listeners[i].sent_by = self.put_text(listener.sent_by)
            self.image.listeners[i].v6 = ":" in listener.host
            self.image.listeners[i].wildcard = listener.host in _WILDCARDS

    cdef fill_sources(self, t):
        cdef SourceRow *row
        cdef EaAddr a
        cdef uint32_t i, k, size = 1
        cdef uint64_t h
        while size < 2 * len(t.sources) + 2:
            size *= 2
        self.image.source_count = len(t.sources)
        self.image.source_mask = size - 1
        self.image.sources = <SourceRow *>self.room(len(t.sources), sizeof(SourceRow))
        self.image.source_heads = <int32_t *>self.room(size, 4)
        memset(self.image.source_heads, 0xff, size * 4)
        bits = sorted({s.bits for s in t.sources}, reverse=True)
        self.image.bits_count = len(bits)
        for i, b in enumerate(bits):
            self.image.source_bits[i] = b
        for i, source in enumerate(t.sources):
            row = &self.image.sources[i]
            addr_from_text(&a, source.host, 0)
            row.hi, row.lo, row.bits, row.peer = a.hi, a.lo, source.bits, source.peer
            row.port_count = len(source.ports)
            for k, port in enumerate(source.ports):
                row.ports[k] = port
            h = source_hash(row.hi, row.lo, row.bits) & self.image.source_mask
            row.next = self.image.source_heads[h]
            self.image.source_heads[h] = <int32_t>i

    cdef fill_names(self, t):
        cdef NameRow *row
        cdef uint32_t i, size = 1
        cdef const uint8_t *raw
        while size < 2 * len(t.names) + 2:
            size *= 2
        self.image.name_count = len(t.names)
        self.image.name_mask = size - 1
        self.image.names = <NameRow *>self.room(len(t.names), sizeof(NameRow))
        self.image.name_heads = <int32_t *>self.room(size, 4)
        memset(self.image.name_heads, 0xff, size * 4)
        for i, name in enumerate(t.names):
            row = &self.image.names[i]
            row.owner = OWNER_SELF if name.owner is None else name.owner
            row.port = name.port
            row.is_address = name.is_address
            if name.is_address:
                addr_from_text(&row.address, name.host, 0)
                row.hash = source_hash(row.address.hi, row.address.lo, 128)
            else:
                host = name.host.lower().rstrip(".")
                row.text = self.put_text(host)
                encoded = host.encode() + bytes(8)
                raw = encoded
                row.hash = ea_name_hash(raw, row.text.len)
            row.next = self.image.name_heads[row.hash & self.image.name_mask]
            self.image.name_heads[row.hash & self.image.name_mask] = <int32_t>i

    cdef fill_numbers(self, t):
        cdef uint32_t i, at = 0
        cdef NumberSet numbers
        cdef EmergencyTable *e
        self.image.set_count = sum(len(peer.numbers) + len(peer.pilots) for peer in t.peers)
        self.image.sets = <NumberTable **>self.room(self.image.set_count, sizeof(void *))
        for i, peer in enumerate(t.peers):
            self.image.peers[i].first_set = at
            self.image.peers[i].set_count = len(peer.numbers)
            for numbers in peer.numbers:
                self.blocks.append(numbers)
                self.image.sets[at] = &numbers.table
                at += 1
            self.image.peers[i].first_pilot = at
            self.image.peers[i].pilot_count = len(peer.pilots)
            for numbers in peer.pilots:
                self.blocks.append(numbers)
                self.image.sets[at] = &numbers.table
                at += 1
        self.image.range_count = len(t.owners)
        self.image.owners = <OwnerRange *>self.room(len(t.owners), sizeof(OwnerRange))
        for i, (low, high, peer) in enumerate(t.owners):
            self.image.owners[i].low, self.image.owners[i].high, self.image.owners[i].peer = low, high, peer
        self.image.file_set_count = len(t.file_sets)
        self.image.file_sets = <NumberTable **>self.room(len(t.file_sets), sizeof(void *))
        self.image.file_set_peer = <uint32_t *>self.room(len(t.file_sets), 4)
        for i, (numbers, peer) in enumerate(t.file_sets):
            self.blocks.append(numbers)
            self.image.file_sets[i] = &numbers.table
            self.image.file_set_peer[i] = peer
        dated = (*t.do_not_originate, *t.may_originate, *t.nanp_unallocated)
        self.image.no_caller_count = len(t.do_not_originate)
        self.image.may_call_count = len(t.may_originate)
        self.image.unallocated_count = len(t.nanp_unallocated)
        self.image.no_callers = self.dated_sets(dated, t.wall_ahead)
        self.image.no_callers_far = any(far(numbers) for numbers in t.do_not_originate)
        self.image.no_callee_count = len(t.do_not_call)
        self.image.no_callees = self.dated_sets(t.do_not_call, t.wall_ahead)
        self.image.no_callees_far = any(far(numbers) for numbers in t.do_not_call)
        self.image.plans = <Plan *>self.room(len(t.plans), sizeof(Plan))
        for i, p in enumerate(t.plans):
            self.fill_plan(&self.image.plans[i], p)
        self.image.emergencies = <EmergencyTable *>self.room(len(t.emergencies), sizeof(EmergencyTable))
        for i, dial in enumerate(t.emergencies):
            e = &self.image.emergencies[i]
            e.exact = self.packed(dial.exact, &e.exact_count)
            e.plus = self.packed(dial.plus, &e.plus_count)
            e.test = self.packed(dial.tests, &e.test_count)
            e.longest = max((len(d) for d in (*dial.exact, *dial.plus, *dial.tests)), default=0)
        for code, lengths in t.country_codes.items():
            self.image.cc_lengths[<uint32_t>code] = sum(1 << n for n in lengths if n < 16)

    # Sets whose entries may end.
    cdef NumberTable *dated_sets(self, sets, ahead) except NULL:
        cdef NumberTable *tables = <NumberTable *>self.room(len(sets), sizeof(NumberTable))
        cdef NumberSet numbers
        cdef uint32_t i
        for i, numbers in enumerate(sets):
            self.blocks.append(numbers)
            tables[i] = numbers.table
            tables[i].ends = self.ends_of(&numbers.table, ahead)
        return tables

    # The ends of a set by the engine's clock, so that nobody who turns the wall clock moves them.
    cdef uint64_t *ends_of(self, NumberTable *table, ahead) except NULL:
        cdef uint64_t *ends = <uint64_t *>self.room(table.end_count, 8)
        cdef uint64_t i
        for i in range(1, table.end_count):
            ends[i] = min(max(table.ends[i] - ahead, 1), 2**64 - 1)
        return ends

    cdef fill_prefixes(self, t):
        cdef uint32_t i
        cdef Prefixes prefixes
        self.spans = len(t.hours)
        self.closed = <uint64_t *>self.room(self.spans * ZONE_WORDS, 8)
        # Closed until somebody says that it is day.
        memset(self.closed, 0xff, self.spans * ZONE_WORDS * 8)
        for i, peer in enumerate(t.peers):
            if peer.destination is not None:
                prefixes = peer.destination
                self.blocks.append(prefixes)
                self.image.peers[i].destination = &prefixes.table
            if peer.toll is not None:
                self.image.peers[i].toll = self.toll_limits(peer.toll)
            if peer.hours is not None:
                self.image.peers[i].closed = &self.closed[<int>peer.hours * ZONE_WORDS]
        if t.toll is not None:
            prefixes = t.toll
            self.blocks.append(prefixes)
            self.image.toll = &prefixes.table
        self.image.toll_rates = <TollRate *>self.room(8192, sizeof(TollRate))
        for i, (kind, price) in enumerate(t.toll_rates, 1):
            self.image.toll_rates[i].cls, self.image.toll_rates[i].price = kind, price
        if t.zones is not None:
            prefixes = t.zones
            self.blocks.append(prefixes)
            self.image.zones = &prefixes.table

    cdef TollLimits *toll_limits(self, budgets) except NULL:
        cdef TollLimits *limits = <TollLimits *>self.room(1, sizeof(TollLimits))
        cdef int i, k
        for k in range(3):
            limits.trunk[k], limits.off[k], limits.caller[k] = budgets.trunk[k], budgets.off[k], budgets.caller[k]
            for i in range(TOLL_CLASSES):
                limits.cls[i][k] = budgets.classes[i][k]
        limits.warn = budgets.warn
        return limits

    def set_off_hours(self, peer: int, off: bool) -> None:
        """Is it outside of the business hours of the peer at that place now?"""
        if not 0 <= peer < self.image.peer_count:
            raise IndexError(peer)
        ea_set_relaxed(&self.image.peers[<uint32_t>peer].toll_off, 1 if off else 0)
    cdef fill_behaviour(self, t):
        cdef Behaviour *b
        cdef uint32_t i, k
        self.image.redress = self.put_text(t.redress)
        self.image.behaviour_calls = t.calls
        self.image.behaviour_trunk_calls = t.trunk_calls
        self.image.behaviour_learn = ticks_of(t.learn_seconds)
        self.image.behaviour_step = max(ticks_of(t.forget_seconds) // 16, 1)
        self.image.behaviour_hold = max(ticks_of(t.hold_seconds) // 16, 1)
        self.image.behaviour_warn = t.warn
        self.image.behaviour_block = t.block
        for i, row in enumerate(t.peers):
            b = &self.image.peers[i].behaviour
            for k in range(PATTERNS):
                b.weight[k] = row.weights[k]
                b.share[k] = round(256 * row.shares[k])
                if row.modes[k] != MODE_OFF:
                    b.on |= 1 << k
                if row.modes[k] == MODE_ENFORCE:
                    b.enforced |= 1 << k
            b.refused = round(256 * row.refused)
            b.short_ticks = ticks_of(row.short_seconds)
            b.ring_ticks = ticks_of(row.ring_seconds)

    def set_closed(self, hours: int, closed: bytes) -> None:
        """Where it is outside the span of hours now: bit n of byte n // 8 for each zone class; what is past the end is closed."""
        cdef const uint8_t *p
        cdef int i, span = hours
        if not 0 <= span < self.spans:
            raise IndexError(hours)
        padded = closed[:8 * ZONE_WORDS] + b"\xff" * (8 * ZONE_WORDS - len(closed))
        p = padded
        for i in range(ZONE_WORDS):
            ea_set_relaxed(&self.closed[span * ZONE_WORDS + i], ea_load64(p + 8 * i))

    cdef fill_plan(self, Plan *to, plan):
        to.cc = plan.country_code
        to.cc_len = len(str(plan.country_code))
        to.idd = self.packed(plan.idd, &to.idd_count)
        to.idd_lengths = sum(1 << n for n in {len(digits) for digits in plan.idd} if n < 16)
        to.national_prefix = int(plan.national_prefix or "0")
        to.national_prefix_len = len(plan.national_prefix)
        to.lengths = sum(1 << n for n in plan.national_lengths if n < 16)

    cdef uint64_t *packed(self, digits, uint32_t *count) except NULL:
        cdef uint64_t *table = <uint64_t *>self.room(len(digits), 8)
        for i, number in enumerate(sorted(number_pack(int(d), len(d)) for d in digits)):
            table[<uint32_t>i] = number
        count[0] = len(digits)
        return table

    cdef fill_rows(self, t):
        cdef uint32_t i, k, bit
        cdef Peer *p
        ops = [OP_NAMES.index(row.op) for row in t.rows]
        if ops != sorted(set(ops)):
            raise ValueError("an op has one row, in the order of OP_NAMES")
        for i, row in zip(ops, t.rows):
            bit = <uint32_t>1 << i
            self.image.ops |= bit
            self.image.op_rule[i] = row.rule
            for k in range(self.image.peer_count):
                p = &self.image.peers[k]
                if (row.dirs & (DIR_UPSTREAM if p.kind == PEER_UPSTREAM else DIR_TRUNK) and p.mode[<int>row.rule]
                        and (p.open or row.op != "open_rate")
                        and (p.destination != NULL or row.op != "destination")
                        and (p.closed != NULL or row.op != "calling_hours")
                        and (p.toll != NULL or row.op != "toll_fraud")):
                    p.ops |= bit
                    self.image.own_numbers |= row.op == "own_number_inbound"

    cdef fill_settings(self, t):
        cdef uint32_t i, k, window
        for i, mode in enumerate(t.unknown_modes):
            self.image.unknown_mode[i] = mode
        memset(self.image.reason_rule, 255, sizeof(self.image.reason_rule))
        for reason, rule in t.reason_rules.items():
            self.image.reason_rule[<uint32_t>reason] = rule
        self.image.interface_methods = methods_mask(t.methods)
        self.image.dialog_methods = methods_mask(t.dialog_methods)
        self.image.interface_max_bytes = t.max_bytes
        self.image.max_forwards = t.max_forwards
        self.image.forwards_per_call = t.forwards_per_call
        self.image.source_rate = cell_limit_of(t.source_rate)
        self.image.prefix_rate = cell_limit_of(t.prefix_rate)
        self.image.dialog_grace = limit_of(t.dialog_grace)
        self.image.dialog_rate = cell_limit_of(t.dialog_rate)
        self.image.ack_budget = limit_of(t.ack_budget)
        self.image.answers = limit_of(t.answers)
        self.image.emergency_rate = limit_of(t.emergency_rate)
        self.image.stir_reject = t.stir_reject
        self.image.strikes = cell_limit_of(t.strikes)
        self.image.site_rate = cell_limit_of(t.site_rate)
        self.image.caller_calls = cell_limit_of(t.caller_calls)
        self.image.open_answers = limit_of(t.open_answers)
        self.image.unknown_answers = limit_of(t.unknown_answers)
        self.image.sweep = cell_limit_of(t.sweep)
        self.image.sweep_adjacent = t.sweep_adjacent
        self.image.evasion = cell_limit_of(t.evasion)
        self.image.auth_abuse = cell_limit_of(t.auth_abuse)
        # What one user failed is only ever taken back: it never asks for anything itself.
        self.image.user_failures = limit_of((t.auth_abuse[0], 1_000_000))
        self.image.emergency_concurrent = t.emergency_concurrent
        self.image.callback_ns = <uint64_t>(t.callback_seconds * 1e9)
        self.image.callbacks = limit_of((t.callbacks / max(t.callback_seconds, 1.0), t.callbacks))
        self.image.emergency_caller_ns = <uint64_t>(t.emergency_caller_seconds * 1e9)
        self.image.grace_until = t.grace_until
        folded = [s.lower().encode() for s in t.signatures]
        block = b"".join(bytes([len(s)]) + s for s in folded)
        self.image.signatures = <uint8_t *>self.keep(block)
        self.image.signature_bytes = <uint32_t>len(block)
        self.image.signature_stride = min([len(s) for s in folded], default=256) - WINDOW + 1
        for s in folded:
            for k in range(self.image.signature_stride):
                window = signature_window(int.from_bytes(s[k : k + WINDOW], "little"))
                self.image.signature_windows[window] = 1
        self.image.skeleton = <uint8_t *>self.keep(t.skeleton.pages)
        self.image.skeleton_index = <uint8_t *>self.keep(t.skeleton.page_of)
        block = b"".join(bytes([len(s)]) + s.lower().encode() for s in t.body_types)
        self.image.body_types = <uint8_t *>self.keep(block)
        self.image.body_type_bytes = <uint32_t>len(block)


cdef uint32_t ticks_of(seconds) except *:
    return min(<uint64_t>(seconds * 1e9) >> TICK_SHIFT, TICK_MASK >> 2)


cdef uint32_t methods_mask(names) except *:
    return sum(1 << METHODS.index(name) for name in names)
