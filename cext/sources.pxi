# sources.pxi: whose address, whose host name: longest network to peer, URI host to owner. Read-only tables.

cdef inline uint64_t source_hash(uint64_t hi, uint64_t lo, uint32_t bits) noexcept nogil:
    cdef uint64_t x = (hi ^ (<uint64_t>bits << 57)) * 0x9e3779b97f4a7c15ULL ^ lo
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL
    return x ^ x >> 32


cdef inline uint64_t swap64(uint64_t x) noexcept nogil:
    return __builtin_bswap64(x)


# The address's network of `bits` leading bits, as it lies in memory.
cdef inline void source_mask(EaAddr *a, uint32_t bits, uint64_t *hi, uint64_t *lo) noexcept nogil:
    if bits == 128:
        hi[0] = a.hi
        lo[0] = a.lo
    elif bits > 64:
        hi[0] = a.hi
        lo[0] = a.lo & swap64(~(<uint64_t>0) << (128 - bits))
    else:
        hi[0] = 0 if bits == 0 else a.hi & swap64(~(<uint64_t>0) << (64 - bits))
        lo[0] = 0


# The peer of an address and port, NO_PEER for nobody's. `any_port` asks for the host alone.
cdef uint16_t source_peer(PolicyImage *policy, EaAddr *a, bint any_port) noexcept nogil:
    cdef uint64_t hi, lo
    cdef uint32_t k, i
    cdef int32_t at
    cdef SourceRow *row
    cdef bint known
    for k in range(policy.bits_count):
        if a.v4 and policy.source_bits[k] < 96:
            break                   # ::/0 holds no IPv4 address
        source_mask(a, policy.source_bits[k], &hi, &lo)
        at = policy.source_heads[source_hash(hi, lo, policy.source_bits[k]) & policy.source_mask]
        known = False
        while at >= 0:
            row = &policy.sources[at]
            if row.bits == policy.source_bits[k] and row.hi == hi and row.lo == lo:
                known = True
                if row.port_count == 0 or any_port:
                    return row.peer
                for i in range(row.port_count):
                    if row.ports[i] == a.port:
                        return row.peer
            at = row.next
        if known:
            return NO_PEER          # its ports are named, and this is none of them: a wider network has no say
    return NO_PEER


# Is the host one of the peer's networks? (Two peers may share a host.)
cdef bint source_belongs(PolicyImage *policy, EaAddr *a, uint16_t peer) noexcept nogil:
    cdef uint64_t hi, lo
    cdef uint32_t k
    cdef int32_t at
    cdef SourceRow *row
    for k in range(policy.bits_count):
        source_mask(a, policy.source_bits[k], &hi, &lo)
        at = policy.source_heads[source_hash(hi, lo, policy.source_bits[k]) & policy.source_mask]
        while at >= 0:
            row = &policy.sources[at]
            if row.bits == policy.source_bits[k] and row.hi == hi and row.lo == lo and row.peer == peer:
                return True
            at = row.next
    return False


cdef inline bint row_live(NetRow *row, uint64_t now) noexcept nogil:
    return row.until == 0 or row.until > now


# What the lists say of an address (LIST_): the longest network that is in force decides.
cdef int list_match(NetTable *t, EaAddr *a, uint64_t now) noexcept nogil:
    cdef uint16_t *lengths = &t.v4_bits[0] if a.v4 else &t.v6_bits[0]
    cdef uint32_t k, count = t.v4_count if a.v4 else t.v6_count
    cdef uint64_t hi, lo
    cdef int32_t at
    cdef NetRow *row
    for k in range(count):
        source_mask(a, lengths[k], &hi, &lo)
        at = t.head[source_hash(hi, lo, lengths[k]) & t.mask]
        while at >= 0:
            row = &t.row[at]
            if row.bits == lengths[k] and row.hi == hi and row.lo == lo and row_live(row, now):
                return row.kind
            at = row.next
    return LIST_NONE


cdef uint16_t peer_by_id(PolicyImage *policy, uint32_t id) noexcept nogil:
    cdef uint32_t i
    for i in range(policy.peer_count):
        if policy.peers[i].id == id:
            return <uint16_t>i
    return NO_PEER


# Host of a URI to an address; False for a name.
cdef bint host_address(const uint8_t *p, Slice host, bint v6, EaAddr *a) noexcept nogil:
    cdef uint32_t v4
    cdef uint8_t bytes16[16]
    if v6:
        if not ea_parse_v6(p + host.off, host.len, bytes16):
            return False
        ea_addr_v6(a, bytes16, 0)
        return True
    if host.len <= 15 and EA_IS(p[host.off], CLS_DIGIT) and ea_parse_v4(p + host.off, host.len, &v4):
        ea_addr_v4(a, v4, 0)
        return True
    return False


# Whose is host[:port]? NAME_SELF and NAME_OWNER (of the peer `owner`) in one look.
cdef int name_match(PolicyImage *policy, const uint8_t *p, Uri *u, uint16_t owner) noexcept nogil:
    cdef EaAddr a
    cdef uint32_t n = u.host.len
    cdef uint16_t port = u.port if u.port else 5060
    cdef uint64_t hash
    cdef int32_t at
    cdef NameRow *row
    cdef int found = 0
    cdef bint is_address = host_address(p, u.host, (u.flags & URI_V6) != 0, &a)
    if is_address:
        hash = source_hash(a.hi, a.lo, 128)
    else:
        if n and p[u.host.off + n - 1] == b'.':
            n -= 1
        hash = ea_name_hash(p + u.host.off, n)
    at = policy.name_heads[hash & policy.name_mask]
    while at >= 0:
        row = &policy.names[at]
        at = row.next
        if row.hash != hash or (row.port and row.port != port) or (row.is_address != 0) != is_address:
            continue
        if row.owner != owner and row.owner != OWNER_SELF:
            continue
        if is_address:
            if not ea_addr_same_host(&row.address, &a):
                continue
        elif row.text.len != n or not ea_same_fold(p + u.host.off, <const char *>policy.text + row.text.off, n):
            continue
        found |= NAME_SELF if row.owner == OWNER_SELF else NAME_OWNER
    return found


cdef inline bint uri_is_sip(Uri *u) noexcept nogil:
    return u.scheme == SCHEME_SIP or u.scheme == SCHEME_SIPS


cdef inline bint uri_is_own(PolicyImage *policy, const uint8_t *p, Uri *u) noexcept nogil:
    return uri_is_sip(u) and name_match(policy, p, u, OWNER_SELF) != 0
