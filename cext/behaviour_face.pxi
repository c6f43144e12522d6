# behaviour_face.pxi: what is known of a caller or a trunk, as Python values. Never on the path of a call.

_COUNTS = ("calls", "fresh", "near", "ends", "answered", "short", "refused", "rung", "found")
_PATTERNS = ("dispersal", "sequential", "short-calls", "low-answer", "wangiri")


cdef engine_behaviour(Engine engine, trunk, caller, uint64_t now):
    cdef Policy policy = engine.published()
    cdef BehaviourTable *t = &engine.state.behaviour
    cdef CallerBucket *b
    cdef Pattern p
    cdef Peer *peer
    cdef uint32_t tag, tick = behaviour_tick(now)
    cdef uint8_t found = 0
    cdef int way, i
    peer = &policy.image.peers[[row.name for row in policy.tables.peers].index(trunk)]
    p = t.trunk[peer.slot].pattern
    if caller:
        tag = caller_tag(ea_mac_words(&engine.state.keys.table, first_word(FOR_CALLER, peer.id),
                                      number_pack(int(caller), len(caller))))
        b = caller_bucket(t, &policy.image, peer.slot, tag)
        way = caller_way(b, tag)
        if way < 0:
            return None
        p = b.caller[way].pattern
    pattern_age(&p, tick, policy.image.behaviour_step)
    known = {name: <double>p.n[i] / 256 for i, name in enumerate(_COUNTS)}
    known["score"] = pattern_score(&p, &peer.behaviour, peer.behaviour.on, tick, policy.image.behaviour_hold, &found)
    known["patterns"] = tuple(name for i, name in enumerate(_PATTERNS) if found >> i & 1)
    return known
