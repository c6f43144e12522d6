# bans_face.pxi: bans and strikes as Python sees them: networks as text, records as tuples. Never on the path of a message.

import ipaddress as _ipaddress

Strike = namedtuple("Strike", "time_ns network rule reason trunk proven count")


cdef uint32_t ban_network(EaAddr *a, network: str) except 0:
    """The network's address and its length in bits of 128. ValueError when it isn't one that a ban may have."""
    cdef uint32_t bits
    found = _ipaddress.ip_network(network)
    addr_from_text(a, str(found.network_address), 0)
    bits = found.prefixlen + (96 if found.version == 4 else 0)
    if ban_kind(bits, a.v4 != 0) < 0:
        raise ValueError(f"{network}: a ban covers an IPv4 /32 or /24, or an IPv6 /128, /64, /56 or /48")
    return bits


cdef str network_text(EaAddr *a, uint32_t bits):
    host, _ = addr_to_text(a)
    return f"{host}/{bits - 96 if a.v4 else bits}"


cdef list bans_list(BanTable *t, uint64_t now):
    cdef uint64_t at
    cdef EaAddr a
    cdef uint8_t raw[16]
    cdef uint32_t bits
    found = []
    if t.count == 0:
        return found
    for at in range(BAN_BUCKETS * BAN_WAYS):
        if t.entry[at].until > now:
            bits = <uint32_t>(t.entry[at].version >> 1 & 255)
            memcpy(raw, &t.entry[at].hi, 8)
            memcpy(raw + 8, &t.entry[at].lo, 8)
            ea_addr_v6(&a, raw, 0)
            found.append((network_text(&a, bits), t.entry[at].until))
    return found


cdef strikes_read(Worker *w, names, size_t limit, list found):
    cdef StrikeRecord *r
    while ea_get(&w.strike_tail) != ea_get(&w.strike_head) and <size_t>len(found) < limit:
        r = &w.strikes[w.strike_tail & (STRIKES - 1)]
        reason = _REASONS[r.reason]
        found.append(Strike(r.time, network_text(&r.network, r.bits), reason.rule or "unknown-source", reason.name,
                            names[r.slot] or "", r.proven != 0, r.count))
        ea_set(&w.strike_tail, w.strike_tail + 1)
