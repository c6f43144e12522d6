# txn.pxi: the transaction cache: what the first copy of a request was told, so that every copy is told the same.
#
# Key: source, peer, top Via, Call-ID, From tag and CSeq number, hashed to 64
# bits under a random key. Value: the verdict and a keyed digest of all that was
# screened (design: a copy that differs is refused). An entry lives 32 s (64 * T1,
# RFC 3261 §17.1.1.2). A full bucket gives way where one peer holds most of it,
# oldest first, so that one peer's flood pushes out its own entries.
#
# An entry is written between key = 1 and key = its own, and read between two
# looks at the key, so another thread sees it whole or not at all.

cdef enum:
    MAX_COPIES = 32         # of one INVITE: T1 doubling up to 64 * T1 makes seven, each perhaps twice on the way
    TXN_COPIES = 54
    TXN_COPIES_MASK = 63
    TXN_NEW = 0
    TXN_SAME = 1
    TXN_CHANGED = 2

cdef extern from *:
    """
    #define TXN_LIFE 33000000000ull
    """
    uint64_t TXN_LIFE


# action 2 | reason 8 | vouched 2 | status 10 | target 12 | peer slot 12 | flags 8 | copies 6 | verstat 2 | signed 1, from bit 0 up. Of a call
# that waits (ACT_DEFER) the action is none, and the target its slot in deferred.pxi.
cdef inline uint64_t txn_pack(Verdict *v, uint16_t slot) noexcept nogil:
    return (<uint64_t>(v.action & 3) | <uint64_t>(v.reason & 255) << 2 | <uint64_t>v.vouched << 10 | <uint64_t>v.status << 12 | <uint64_t>(v.route.target & 4095) << 22
            | <uint64_t>slot << 34 | <uint64_t>(v.route.flags & 255) << 46 | <uint64_t>v.verstat << 60
            | <uint64_t>v.signed_ << 62 | <uint64_t>1 << 63)


cdef inline void txn_unpack(uint64_t packed, Verdict *v) noexcept nogil:
    v.action = <uint8_t>(packed & 3)
    v.reason = <uint16_t>(packed >> 2 & 255)
    v.vouched = <uint8_t>(packed >> 10 & 3)
    v.status = <uint16_t>(packed >> 12 & 1023)
    v.route.target = <uint16_t>(packed >> 22 & 4095)
    v.route.flags = <uint32_t>(packed >> 46 & 255)
    v.verstat = <uint8_t>(packed >> 60 & 3)
    v.signed_ = <uint8_t>(packed >> 62 & 1)


# Workers take the time once a batch, so an entry may be a little younger than `now`.
cdef inline bint txn_fresh(uint64_t at, uint64_t now) noexcept nogil:
    return <int64_t>(now - at) <= <int64_t>TXN_LIFE


cdef inline Transaction *txn_bucket(TransactionTable *t, uint64_t key) noexcept nogil:
    return t.entry + (key >> 20 & t.mask) * WAYS


cdef inline void txn_prefetch(TransactionTable *t, uint64_t key) noexcept nogil:
    cdef uint8_t *line = <uint8_t *>txn_bucket(t, key)
    EA_PREFETCH(line)
    EA_PREFETCH(line + 64)
    EA_PREFETCH(line + 128)
    EA_PREFETCH(line + 192)


cdef inline uint64_t txn_key(uint64_t hash) noexcept nogil:
    return hash if hash > 1 else hash + 2


# The first entry with this key, or WAYS. The first is the youngest: a new one is written over an old one of its key.
cdef inline int txn_way(Transaction *bucket, uint64_t key) noexcept nogil:
    return ea_find_word(&bucket.key, 0, WAYS, sizeof(Transaction) / 8, key)


# TXN_NEW, or the first copy's verdict and time and whether the digest is the same.
cdef int txn_find(TransactionTable *t, uint64_t key, uint64_t digest, uint64_t now, Verdict *v,
                  uint64_t *first, uint32_t *copies) noexcept nogil:
    cdef Transaction *bucket = txn_bucket(t, key)
    cdef Transaction *e
    cdef uint64_t packed, same, at
    cdef int i = txn_way(bucket, key)
    if i == WAYS:
        return TXN_NEW
    e = &bucket[i]
    packed = ea_get(&e.verdict)
    same = ea_get(&e.digest)
    at = ea_get(&e.time)
    if ea_get(&e.key) != key or not txn_fresh(at, now):
        return TXN_NEW
    if same != digest:
        return TXN_CHANGED
    txn_unpack(packed, v)
    first[0] = at
    copies[0] = <uint32_t>(packed >> TXN_COPIES & TXN_COPIES_MASK) + 1
    if copies[0] <= MAX_COPIES:
        # Another thread that counts just now does as well: the number need not be exact.
        ea_swap(&e.verdict, packed, packed + (<uint64_t>1 << TXN_COPIES))
    return TXN_SAME


# As txn_find, for ACK and CANCEL, whose other headers may differ.
cdef bint txn_peek(TransactionTable *t, uint64_t key, uint64_t now, Verdict *v) noexcept nogil:
    cdef Transaction *bucket = txn_bucket(t, key)
    cdef uint64_t packed, at
    cdef int i = txn_way(bucket, key)
    if i == WAYS:
        return False
    packed = ea_get(&bucket[i].verdict)
    at = ea_get(&bucket[i].time)
    if ea_get(&bucket[i].key) != key or not txn_fresh(at, now):
        return False
    txn_unpack(packed, v)
    return True


# One more ACK or CANCEL of this transaction, counted with its copies. False when there were too many: seven of its
# request, twice eleven of either, each perhaps twice on the way, are fewer (RFC 3261 §17.1).
cdef bint txn_follows(TransactionTable *t, uint64_t key) noexcept nogil:
    cdef Transaction *bucket = txn_bucket(t, key)
    cdef uint64_t packed
    cdef int i = txn_way(bucket, key)
    if i == WAYS:
        return True
    packed = ea_get(&bucket[i].verdict)
    if (packed >> TXN_COPIES & TXN_COPIES_MASK) == TXN_COPIES_MASK:
        return False
    ea_swap(&bucket[i].verdict, packed, packed + (<uint64_t>1 << TXN_COPIES))
    return True


cdef inline uint16_t txn_slot(Transaction *e) noexcept nogil:
    return <uint16_t>(ea_get_relaxed(&e.verdict) >> 34 & 4095)


# The oldest entry of the peer that holds most of a full bucket.
cdef int txn_victim(Transaction *bucket) noexcept nogil:
    cdef int i, k, count, most = 0, victim = 0
    cdef uint64_t oldest = 0
    for i in range(WAYS):
        count = 0
        for k in range(WAYS):
            if txn_slot(&bucket[k]) == txn_slot(&bucket[i]):
                count += 1
        if count > most or (count == most and bucket[i].time < oldest):
            most = count
            victim = i
            oldest = bucket[i].time
    return victim


# The first entry that is empty or has run out, or WAYS.
cdef inline int txn_free(Transaction *bucket, uint64_t now) noexcept nogil:
    cdef uint64_t key
    cdef int i
    for i in range(WAYS):
        key = ea_get(&bucket[i].key)
        if key == 0 or key != 1 and not txn_fresh(ea_get(&bucket[i].time), now):
            return i
    return WAYS


cdef void txn_put(TransactionTable *t, uint64_t key, uint64_t digest, uint64_t now, uint64_t packed) noexcept nogil:
    cdef Transaction *bucket = txn_bucket(t, key)
    cdef Transaction *e
    cdef uint64_t old
    cdef int at = txn_way(bucket, key)
    if at < WAYS and txn_fresh(ea_get(&bucket[at].time), now):
        return
    if at == WAYS:
        at = txn_free(bucket, now)
    if at == WAYS:
        at = txn_victim(bucket)
        t.evicted += 1
    e = &bucket[at]
    old = ea_get(&e.key)
    if old == 1 or not ea_swap(&e.key, old, 1):
        # Another thread writes here: this copy goes without an entry, as if evicted at once.
        t.evicted += 1
        return
    ea_set(&e.digest, digest)
    ea_set(&e.verdict, packed)
    ea_set(&e.time, now)
    ea_set(&e.key, key)


# A call that waited is decided: its entry says so from now on. Without one, later copies are screened as new.
cdef void txn_settle(TransactionTable *t, uint64_t key, uint64_t now, uint64_t packed) noexcept nogil:
    cdef Transaction *bucket = txn_bucket(t, key)
    cdef uint64_t old, copies = <uint64_t>TXN_COPIES_MASK << TXN_COPIES
    cdef int i, tries
    for i in range(WAYS):
        if ea_get(&bucket[i].key) != key:
            continue
        for tries in range(4):
            old = ea_get(&bucket[i].verdict)
            if old & 3 or not txn_fresh(ea_get(&bucket[i].time), now):
                return
            if ea_swap(&bucket[i].verdict, old, packed | old & copies):
                return


cdef bint txn_init(TransactionTable *t, uint64_t bytes) noexcept nogil:
    cdef uint64_t buckets = 1
    while buckets * 2 * WAYS * sizeof(Transaction) <= bytes:
        buckets *= 2
    t.mask = buckets - 1
    t.bytes = buckets * WAYS * sizeof(Transaction)
    t.evicted = 0
    t.entry = <Transaction *>ea_table_alloc(t.bytes)
    return t.entry != NULL


cdef uint64_t txn_live(TransactionTable *t, uint64_t now) noexcept nogil:
    cdef uint64_t i, live = 0
    for i in range((t.mask + 1) * WAYS):
        if ea_get(&t.entry[i].key) > 1 and txn_fresh(ea_get(&t.entry[i].time), now):
            live += 1
    return live
