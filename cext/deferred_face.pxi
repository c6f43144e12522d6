# deferred_face.pxi: INVITEs that wait, as the control plane sees them: taken as tuples, answered by ticket.
#
# It reads a private copy of the message, since the worker may give the slot up at any time.

import re as _re
from email.utils import formatdate as _formatdate

Deferred = namedtuple("Deferred", "ticket time_ns peer subject upstream verify sign owned caller to called date "
                                  "identities call_id")
_FOLD = _re.compile(r"\r\n[ \t]+")


cdef uint64_t deferred_live(DeferTable *t) noexcept nogil:
    cdef uint64_t live = 0
    cdef uint32_t i
    for i in range(t.count):
        if ea_get(&t.call[i].word) & DEFER_STATES != DEFER_FREE:
            live += 1
    return live


cdef list deferred_take(Engine engine, size_t limit):
    cdef Policy policy = engine.published()
    cdef Worker *w
    cdef uint64_t ticket
    cdef int k
    found = []
    for k in range(engine.worker_count):
        w = &engine.workers[k]
        while ea_get(&w.deferred_tail) != ea_get(&w.deferred_head) and <size_t>len(found) < limit:
            ticket = w.deferred_ring[w.deferred_tail & (engine.state.deferred.ring - 1)]
            ea_set(&w.deferred_tail, w.deferred_tail + 1)
            one = deferred_read(engine, policy, ticket)
            if one is not None:
                found.append(one)
    return found


# One call, now the control plane's to answer; None when it waits no more.
cdef deferred_read(Engine engine, Policy policy, uint64_t ticket):
    cdef DeferTable *t = &engine.state.deferred
    cdef DeferSlot *d = &t.call[ticket & 0xffff]
    cdef DeferSlot copy
    cdef Packet *packet = &engine.taken.packet[0]
    cdef SipMsg *m = &engine.taken.msg[0]
    cdef PolicyImage *image = &policy.image
    cdef Plan *plan
    cdef const uint8_t *p
    cdef uint64_t word = ea_get(&d.word)
    cdef uint16_t peer, subject
    cdef int i
    if word >> DEFER_SHIFT != ticket >> 16 or not ea_swap(&d.word, word & ~<uint64_t>DEFER_STATES | DEFER_WAITING,
                                                          deferred_next(word, DEFER_TAKEN)):
        return None
    memcpy(&copy, d, sizeof(DeferSlot))
    if copy.len > DEFER_BYTES:
        return None
    memcpy(packet.data, deferred_data(t, <uint32_t>(ticket & 0xffff)), copy.len)
    memset(packet.data + copy.len, 0, SLOT_PAD)
    if ea_get(&d.word) != deferred_next(word, DEFER_TAKEN):
        return None
    packet.len = copy.len
    p = packet.data + parse_message(packet.data, packet.len, m)
    peer = peer_by_id(image, copy.peer_id)
    subject = peer_by_id(image, copy.subject_id)
    if m.reason or peer == NO_PEER or subject == NO_PEER:
        # A reload took one of them away; the worker says what becomes of the call.
        deferred_resolve(engine, ticket, 0, VERSTAT_UNKNOWN, "", (), b"")
        return None
    plan = &image.plans[image.peers[peer].plan]
    peers = policy.tables.peers
    identities = []
    date = ""
    for i in range(m.rows):
        if m.row[i].id == H_IDENTITY:
            identities.append(row_text(p, &m.row[i]))
        elif m.row[i].id == H_DATE:
            date = row_text(p, &m.row[i])
    upstream = peers[image.peers[peer].upstream].name if image.peers[peer].kind == PEER_TRUNK else ""
    return Deferred(ticket, copy.time, peers[peer].name, peers[subject].name, upstream, (copy.asks & ASK_VERIFY) != 0,
                   (copy.asks & ASK_SIGN) != 0, copy.owned != 0, number_or_none(stir_caller(image, &image.peers[peer], p, m)),
                   number_or_none(uri_canonical(p, &m.to, plan)), number_or_none(uri_canonical(p, &m.uri, plan)), date,
                   identities, bytes_of(p, m.call_id).decode("utf-8", "replace"))


cdef str number_or_none(uint64_t number):
    return number_text(number) if number else ""


# A row's value on one line (RFC 3261 §7.3.1).
cdef str row_text(const uint8_t *p, Row *row):
    raw = PyBytes_FromStringAndSize(<char *>p + row.value, row.value_len).decode("utf-8", "replace")
    return _FOLD.sub(" ", raw)


# The values of an answer, each with its length before it; those that find no room aren't vouched for.
cdef bytes deferred_values(priority):
    values = bytearray()
    for value in priority:
        one = value.encode("ascii", "replace").lower()
        if 0 < len(one) < 256 and len(values) + 1 + len(one) <= DEFER_VALUES:
            values += bytes([len(one)]) + one
    return bytes(values)


cdef bint deferred_resolve(Engine engine, uint64_t ticket, int reason, int verstat, str attest, monitored, bytes text,
                           priority=(), bint callback=False) except -1:
    cdef DeferTable *t = &engine.state.deferred
    cdef Policy policy = engine.published()
    cdef DeferSlot *d
    cdef uint64_t word
    cdef const uint8_t *raw
    cdef uint16_t trunk
    cdef int rule
    cdef bytes values = deferred_values(priority)
    if not 0 <= reason < RSN_COUNT or not VERSTAT_NONE <= verstat <= VERSTAT_UNKNOWN or attest not in ("", "A", "B", "C"):
        raise ValueError((reason, verstat, attest))
    if ticket & 0xffff >= t.count or any(not 0 < one < RSN_COUNT for one in monitored):
        raise ValueError((ticket, monitored))
    if b"\r" in text or b"\n" in text or len(text) > DEFER_TEXT - 128:
        raise ValueError("no header value")
    d = &t.call[ticket & 0xffff]
    word = ticket >> 16 << DEFER_SHIFT
    if not ea_swap(&d.word, word | DEFER_TAKEN, word | DEFER_ANSWERING):
        return False
    trunk = peer_by_id(&policy.image, d.subject_id)
    d.reason = <uint16_t>reason
    d.verstat = <uint8_t>verstat
    d.attest = <uint8_t>(ord(attest) if attest else 0)
    d.callback = callback
    d.values_len = <uint16_t>len(values)
    memcpy(d.values, <const char *>values, len(values))
    for one in monitored:
        if d.monitored == 0:
            d.finding = one
        rule = policy.image.reason_rule[<int>one]
        if rule < MAX_RULES:
            d.monitored |= <uint64_t>1 << rule
            if trunk != NO_PEER and stir_refusable(&policy.image, &policy.image.peers[trunk], <int>one):
                d.refusable |= <uint64_t>1 << rule
        if d.told == 0 and rule == policy.image.reason_rule[RSN_IDENTITY_MISSING]:
            d.told = <uint8_t>one
    if text:
        lines = b"Identity: " + text + b"\r\n"
        if not d.dated:
            lines += b"Date: " + _formatdate(usegmt=True).encode() + b"\r\n"     # RFC 8224 §4.1: a signer adds one
        raw = lines
        memcpy(d.text, raw, len(lines))
        d.text_len = <uint16_t>len(lines)
    ea_set(&d.word, word | DEFER_DECIDED)
    deferred_wake(&engine.workers[d.worker])
    return True
