# ops/overload.pxi: more work than there is room for: the agent's own queue, and what neighbours say of theirs (RFC 7339).
#
# Own queue. Every look at a full batch's socket says how full its receive buffer
# is. What counts is the least fill of a window of 100 ms: a burst that the worker
# digests leaves none, a queue that stands does (the idea of RFC 8289). Of that, the
# part that peers' messages make up is the load: shedding calls can't help where
# strangers fill the queue. From half full, requests that open no call are shed;
# from five eighths, a growing share of new calls, at twice the share for a trunk
# that has used half of its burst. Levels are left lower than they are entered.
#
# Neighbours. Our Via towards an upstream with `overload_control` offers the loss
# algorithm; the values of its proven responses hold for new requests to it. Peers
# with the key whose own Via offers it are told our load in the same way.
#
# Which calls are shed is decided by a keyed hash over Call-ID and From tag: copies
# and resubmissions share their call's fate, and nobody can choose one that passes.
# It never sheds emergency calls, ACK, CANCEL, responses or anything inside a
# dialog, and it never sends Retry-After. No header buys a better place.

cdef enum:
    LOAD_FULL = 256         # a fill, in parts of the receive buffer
    LOAD_OTHERS = 128       # level 1 is entered
    LOAD_OTHERS_END = 80    # and left
    LOAD_CALLS = 160        # level 2
    LOAD_CALLS_END = 112
    LOAD_UNSEEN = 257
    LOAD_WINDOW_NS = 100000000
    OC_VALIDITY_MS = 500    # RFC 7339 §4.3
    OC_LONGEST_MS = 3600000
    OC_FORGET_MS = 10000    # an older oc-seq is believed again: the neighbour has started anew


# The level and share that go with a standing fill.
cdef void load_set(Load *l, uint32_t fill) noexcept nogil:
    l.fill = fill
    l.shed = 0
    if fill >= LOAD_CALLS or (l.level == 2 and fill >= LOAD_CALLS_END):
        l.level = 2
        l.shed = (fill - LOAD_CALLS_END) * LOAD_FULL / (LOAD_FULL - LOAD_CALLS_END)
    elif fill >= LOAD_OTHERS or (l.level != 0 and fill >= LOAD_OTHERS_END):
        l.level = 1
    else:
        l.level = 0


# One look at a listener's queue.
cdef void load_look(Worker *w, uint32_t listener, uint32_t fill, uint64_t now) noexcept nogil:
    cdef Load *l = &w.load
    cdef uint64_t received = w.received - l.received, strangers = w.strangers - l.strangers
    cdef uint32_t most = 0, i
    if l.since == 0:
        l.since = now
        for i in range(MAX_LISTENERS):
            l.low[i] = LOAD_UNSEEN
    if fill < l.low[listener]:
        l.low[listener] = <uint16_t>fill
    if now - l.since < LOAD_WINDOW_NS:
        return
    for i in range(MAX_LISTENERS):
        if l.low[i] != LOAD_UNSEEN and l.low[i] > most:
            most = l.low[i]
        l.low[i] = LOAD_UNSEEN
    if strangers and strangers <= received:
        most = <uint32_t>(most * (received - strangers) / received)
    l.since = now
    l.received = w.received
    l.strangers = w.strangers
    load_set(l, most)


# So many strangers waited in a queue of their own: they are no part of the one that is looked at.
cdef inline void load_leave_out(Worker *w, uint32_t count) noexcept nogil:
    w.load.received += count
    w.load.strangers += count


# Where this request falls, the same for all copies of a call; another number for each request that opens none.
cdef uint64_t overload_draw(Screen *s, bint call) noexcept nogil:
    return call_mac(&s.state.keys.table, first_word(FOR_DRAW, s.peer.id | (
        <uint64_t>0 if call else <uint64_t>(s.m.cseq & 0xffffff) << 32)), s.p, s.m, s.m.from_tag)


# By how many of a hundred a neighbour wants its new requests reduced now.
cdef inline uint32_t overload_asked(PeerCells *cells, uint64_t now) noexcept nogil:
    cdef uint64_t told = ea_get_relaxed(&cells.oc)
    return <uint32_t>(told & 127) if told >> 7 > now / 1000000 else 0


cdef int op_overload(Screen *s) noexcept nogil:
    cdef Load *l = &s.worker.load
    cdef bint call = s.m.method == M_INVITE or s.m.method == M_REFER
    cdef uint32_t share = l.shed, asked
    cdef uint64_t used
    cdef Peer *to = &s.policy.peers[s.peer.upstream] if s.dir == DIR_TRUNK else s.peer
    if EA_LIKELY(l.level == 0 and not to.overload_control & OC_HEED and s.trace == NULL):
        return 0
    s.found = <uint64_t>l.fill * 100 / LOAD_FULL
    s.limit = 100 * LOAD_CALLS / LOAD_FULL if call else 100 * LOAD_OTHERS / LOAD_FULL
    if s.m.to_tag.len:
        return 0                    # in the grace time: it may be a dialog's
    if l.level != 0:
        if not call:
            return RSN_OVERLOAD
        if s.dir == DIR_TRUNK:
            used = ea_get_relaxed(&s.state.peers[s.peer.slot].rate)
            if used > s.now and 2 * (used - s.now) > s.peer.rate.tolerance:
                share *= 2
        if l.level == 2 and (overload_draw(s, call) & (LOAD_FULL - 1)) < share:
            return RSN_OVERLOAD
    if s.dir == DIR_TRUNK and to.overload_control & OC_HEED:
        asked = overload_asked(&s.state.peers[to.slot], s.now)
        if asked:
            s.found = asked
            s.limit = 0
            if (overload_draw(s, call) >> 32) % 100 < asked:
                return RSN_OVERLOAD_UPSTREAM
    return 0


# ---- RFC 7339: the parameters in a Via ----

# `;name` or `;name=value` of a Via, outside of quotes: its place from the name on, and the value.
cdef bint oc_param(const uint8_t *p, Slice via, const char *name, uint32_t n, Slice *whole, Slice *value) noexcept nogil:
    cdef uint32_t i = via.off, end = via.off + via.len, start, k
    while i < end:
        if p[i] == b'"':
            i = oc_quoted(p, i, end)
            continue
        i += 1
        if p[i - 1] != b';':
            continue
        i = oc_blank(p, i, end)
        start = i
        i = ea_run(p, i, end, CLS_TOKEN)
        if i - start != n or not ea_same_fold(p + start, name, n):
            continue
        k = oc_blank(p, i, end)
        value[0] = slice_of(i, i)
        if k < end and p[k] == b'=':
            k = oc_blank(p, k + 1, end)
            i = oc_quoted(p, k, end) if k < end and p[k] == b'"' else ea_run(p, k, end, CLS_TOKEN)
            value[0] = slice_of(k, i)
        whole[0] = slice_of(start, i)
        return True
    return False


cdef inline uint32_t oc_blank(const uint8_t *p, uint32_t i, uint32_t end) noexcept nogil:
    while i < end and (p[i] == b' ' or p[i] == b'\t' or p[i] == b'\r' or p[i] == b'\n'):
        i += 1
    return i


# Behind the closing quote of the string that begins at i.
cdef inline uint32_t oc_quoted(const uint8_t *p, uint32_t i, uint32_t end) noexcept nogil:
    i += 1
    while i < end and p[i] != b'"':
        i += 2 if p[i] == b'\\' else 1
    return i + 1 if i < end else end


# oc-seq, up to twelve digits, a point and up to five (RFC 7339 §4.4), as one number; 0: no such thing.
cdef uint64_t oc_seq(const uint8_t *p, Slice value) noexcept nogil:
    cdef uint32_t end = value.off + value.len, point = ea_find(p, value.off, end, b'.'), i
    cdef uint64_t whole, part
    if point - value.off > 12 or point >= end or end - point > 6:
        return 0
    if not (parse_uint(p, value.off, point, ~<uint64_t>0, &whole) and parse_uint(p, point + 1, end, 99999, &part)):
        return 0
    for i in range(end - point - 1, 5):
        part *= 10
    return whole * 100000 + part


# A proven response of a peer that may ask for fewer requests: what it says in the Via that we wrote.
cdef void overload_told(Screen *s, Peer *peer) noexcept nogil:
    cdef PeerCells *cells = &s.state.peers[peer.slot]
    cdef Slice via = s.m.via[0].value, whole, value
    cdef uint64_t asked, validity = OC_VALIDITY_MS, seq = 0, old, now = s.now / 1000000
    cdef const uint8_t *p = s.p
    if not oc_param(p, via, b"oc", 2, &whole, &value) or not parse_uint(p, value.off, value.off + value.len, 100, &asked):
        return                      # nothing said, or nothing that the loss algorithm knows
    if oc_param(p, via, b"oc-algo", 7, &whole, &value):
        if value.len and p[value.off] == b'"':
            value.off += 1
            value.len -= 2 if value.len > 1 else 1
        if value.len != 4 or not ea_same_fold(p + value.off, b"loss", 4):
            return
    if oc_param(p, via, b"oc-validity", 11, &whole, &value):
        if not parse_uint(p, value.off, value.off + value.len, ~<uint64_t>0 / 16, &validity):
            return
        if validity > OC_LONGEST_MS:
            validity = OC_LONGEST_MS
    if oc_param(p, via, b"oc-seq", 6, &whole, &value):
        seq = oc_seq(p, value)
        old = ea_get_relaxed(&cells.oc_seq)
        if seq == 0 or (seq < old and now < (ea_get_relaxed(&cells.oc) >> 7) + OC_FORGET_MS):
            return                  # overtaken by a newer one
        if seq != old and not ea_swap(&cells.oc_seq, old, seq):
            return                  # another thread has one just now
    ea_set_relaxed(&cells.oc, (now + validity) << 7 | (asked if validity else 0))


# Tells a peer whose Via offers overload control how many of a hundred new requests are shed here.
cdef void edit_overload(Edits *e, Screen *s, Via *via) noexcept nogil:
    cdef Load *l = &s.worker.load
    cdef Slice oc, algo, value
    cdef uint64_t at = (s.now + s.policy.wall_ahead) / 10000
    cdef uint32_t share = l.shed * 100 / LOAD_FULL
    cdef uint8_t *to = e.free
    if not oc_param(s.p, via.value, b"oc", 2, &oc, &value) or value.len:
        return
    if not oc_param(s.p, via.value, b"oc-algo", 7, &algo, &value) or not oc_offers_loss(s.p, value):
        return
    to = ea_put(to, b"oc=", 3)
    to = ea_put_uint(to, share)
    to = ea_put(to, b";oc-algo=\"loss\";oc-validity=", 28)
    to = ea_put_uint(to, OC_VALIDITY_MS if share else 0)
    to = ea_put(to, b";oc-seq=", 8)
    to = ea_put_uint(to, at / 100000)
    to = ea_put(to, b".", 1)
    # Five digits: the leading zeros count.
    at = at % 100000
    if at < 10000:
        to = ea_put(to, b"0000", 4 if at < 10 else 3 if at < 100 else 2 if at < 1000 else 1)
    to = ea_put_uint(to, at)
    edit_scratch(e, oc.off, oc.len, to)
    # Its offer, with the semicolon before it.
    edit_add(e, algo.off - 1, algo.len + 1, NULL, 0)


# Does a list of algorithms name `loss`?
cdef bint oc_offers_loss(const uint8_t *p, Slice value) noexcept nogil:
    cdef uint32_t i
    for i in range(value.off, value.off + value.len):
        if value.off + value.len - i >= 4 and ea_same_fold(p + i, b"loss", 4):
            return True
    return False
