# leases.pxi: which calls are up: one lease for each leg of a call, taken by its INVITE, ended by what its far side answers.
#
# A leg is {trunk, out of it or into it, Call-ID, originating tag, called number}.
# It lasts while an INVITE transaction of it is open or a far side that answered
# hasn't been hung up:
#
#   INVITE forwarded           takes the lease; same leg again (401 and the same call with
#                              credentials, a forked twin): a transaction more, never a call more
#   300 to 699 to that INVITE  its transaction is done
#   2xx to that INVITE         done as well, and this To tag has answered
#   2xx or 481 to BYE          that far side is hung up
#   expiry                     200 s from the last INVITE or 1xx; answered: 1.5 times Session-Expires, else 4 h
#
# Only responses that passed route_response get here, so no request and no forged
# answer ends a lease, and a refused BYE ends none. What is done stays marked in the
# entry, and an ended entry stays for 33 s uncounted, so that late copies change
# nothing and a 2xx behind a 6xx (RFC 3261 §16.7 step 5) is still counted.
#
# No call is refused for want of room, but where its own Call-ID and tag fill the bucket.

# Call-ID and originating tag. Under a key of the secret: the cookie of a copy, which names the lease, is the same on every node.
cdef uint64_t call_key(State *state, const uint8_t *p, const EaSum *call_id, Slice tag) noexcept nogil:
    cdef EaSum sum = call_id[0]
    ea_sum_slice(&sum, p + tag.off, tag.len)
    return ea_sum_mac(&sum, &state.keys.call) or 1


cdef inline uint32_t lease_tag(uint64_t hash) noexcept nogil:
    return <uint32_t>(hash >> 33) or 1


cdef uint32_t lease_far(State *state, const uint8_t *p, Slice tag) noexcept nogil:
    return lease_tag(text_mac(&state.keys.table, first_word(FOR_FAR_TAG, 0), p, tag))


# The called number of this INVITE, hashed with its call: the cookie's lease id.
cdef uint32_t lease_called(Screen *s) noexcept nogil:
    cdef uint64_t called
    cdef Slice text
    if s.lease:
        return s.lease
    called = uri_called(s)
    if called == 0:
        text = s.m.uri.user if s.m.uri.user.len else s.m.uri.whole
        called = text_mac(&s.state.keys.call, 0, s.p, text)
    called = (called ^ s.call_key) * 0xd6e8feb86659fd93ULL
    called = (called ^ called >> 32) * 0xd6e8feb86659fd93ULL
    s.lease = <uint32_t>(called >> 32) or 1
    return s.lease


# Where the tag stands, done or not; -1: nowhere.
cdef inline int lease_index(uint32_t *tags, uint32_t tag) noexcept nogil:
    cdef int i
    for i in range(LEASE_TAGS):
        if tags[i] & ~LEASE_DONE == tag:
            return i
    return -1


# Does one of the tags stand there that isn't done?
cdef inline bint lease_holds(uint32_t *tags) noexcept nogil:
    cdef int i
    for i in range(LEASE_TAGS):
        if tags[i] and not tags[i] & LEASE_DONE:
            return True
    return False


# A place for the tag: its own, an empty one, one that is done; -1: none.
cdef int lease_room(uint32_t *tags, uint32_t tag) noexcept nogil:
    cdef int i, at = lease_index(tags, tag)
    if at < 0:
        at = lease_index(tags, 0)
    for i in range(LEASE_TAGS):
        if at >= 0:
            break
        if tags[i] & LEASE_DONE:
            at = i
    return at


# Ends a lease that nothing holds any more.
cdef void lease_settle(State *state, Lease *e, uint64_t now) noexcept nogil:
    if not e.live or lease_holds(e.far):
        return
    if lease_holds(e.transaction):
        if e.expiry > now + LEASE_EARLY:
            ea_set_relaxed(&e.expiry, now + LEASE_EARLY)
        return
    e.live = 0
    calls_drop(lease_count(state, e))
    if EA_UNLIKELY(e.toll != 0):
        toll_end(state, e, now)
    ea_set_relaxed(&e.expiry, now + LEASE_ENDED)


# ---- requests ----

# The lease that this INVITE is of: a live one that nobody answered yet, or else one that
# ended just now (*ended); -1: none. The bucket is locked. Tag LEASE_NO_TAG: of no transaction yet.
cdef int lease_same(Screen *s, LeaseBucket *b, Peer *trunk, int kind, uint32_t tag, int *ended) noexcept nogil:
    cdef uint32_t called = lease_called(s)
    cdef Lease *e
    cdef int i, at, found = -1
    ended[0] = -1
    for i in range(LEASE_WAYS):
        e = &b.lease[i]
        if b.key[i] != s.call_key or e.called != called or e.peer_id != trunk.id or e.kind != kind:
            continue
        if e.expiry <= s.now:
            continue
        if not e.live:
            ended[0] = i
            continue
        at = lease_index(e.transaction, tag)
        if at >= 0 and not e.transaction[at] & LEASE_DONE:
            return i
        # Answered: a new INVITE is a new call.
        if not lease_holds(e.far) and lease_room(e.transaction, tag) >= 0:
            found = i
    return found


# Is this INVITE one of a call that is counted?
cdef bint lease_joins(Screen *s, Peer *trunk, int kind) noexcept nogil:
    cdef LeaseBucket *b = lease_bucket(&s.state.leases, s.call_key)
    cdef int ended
    cdef bint found
    if not lease_lock(&s.state.leases, b):
        return False
    found = lease_same(s, b, trunk, kind, LEASE_NO_TAG, &ended) >= 0
    lease_unlock(b)
    return found


# Of a bucket without an empty way: one that expired, or the one that ended longest ago; -1: all live.
cdef int lease_way(Screen *s, LeaseBucket *b) noexcept nogil:
    cdef int i, way = -1
    for i in range(LEASE_WAYS):
        if b.lease[i].expiry <= s.now:
            way = i
            break
        if not b.lease[i].live and (way < 0 or b.lease[i].expiry < b.lease[way].expiry):
            way = i
    if way >= 0:
        lease_free(s.state, b, way, s.now)
    return way


# The INVITE goes on: one call more, or a transaction more of one that is counted.
cdef int lease_take(Screen *s, Peer *trunk, int kind, uint64_t limit) noexcept nogil:
    cdef LeaseTable *t = &s.state.leases
    cdef LeaseBucket *b = lease_bucket(t, s.call_key)
    cdef uint64_t *count = &s.state.peers[trunk.slot].calls[kind]
    cdef uint32_t tag = lease_tag(route_mac(s))
    cdef Lease *e
    cdef int i, at = -1, ended = -1, own = 0
    cdef bint fresh = False
    if not lease_lock(t, b):
        return LEASE_LOST
    i = ea_find_word(b.key, 0, LEASE_WAYS, 1, s.call_key)
    while EA_UNLIKELY(i < LEASE_WAYS):
        own += 1
        i = ea_find_word(b.key, i + 1, LEASE_WAYS, 1, s.call_key)
    if own:
        at = lease_same(s, b, trunk, kind, tag, &ended)
    if at < 0 and not calls_add(count, limit):
        lease_unlock(b)
        return LEASE_OVER
    if at < 0 and ended >= 0:
        at = ended
        b.lease[at].live = 1
        b.lease[at].slot = trunk.slot
        b.lease[at].toll = 0
        if EA_UNLIKELY(s.toll != 0):
            toll_begin(s, &b.lease[at], call_again(s))
    if at < 0:
        at = ea_find_word(b.key, 0, LEASE_WAYS, 1, 0)
        if at == LEASE_WAYS:
            at = lease_way(s, b)
        if at < 0:
            calls_drop(count)
            t.full += 1
            lease_unlock(b)
            # One call's names fill the bucket: they would be a way round the limit.
            return LEASE_OVER if 2 * own > LEASE_WAYS and limit != LEASE_NO_LIMIT else LEASE_LOST
        e = &b.lease[at]
        memset(e, 0, sizeof(Lease))
        e.called = lease_called(s)
        e.peer_id = trunk.id
        e.slot = trunk.slot
        e.kind = <uint8_t>kind
        e.live = 1
        fresh = True
        ea_set_relaxed(&b.key[at], s.call_key)
        lease_story(t, e).found = s.v.refusable
        lease_story(t, e).caller = s.caller_tag
        lease_story(t, e).tick = behaviour_tick(s.now)
        findings_count(s.worker, e, s.v.refusable, False)
        if EA_UNLIKELY(s.toll != 0):
            toll_begin(s, e, call_again(s))
    e = &b.lease[at]
    i = 0 if fresh else lease_room(e.transaction, tag)
    if i >= 0:
        e.transaction[i] = tag
    ea_set_relaxed(&e.expiry, s.now + LEASE_EARLY)
    lease_unlock(b)
    return LEASE_TAKEN if fresh else LEASE_JOINED


# ---- responses ----

# An answered lease lasts until then; where another far side is up too, never shorter than before.
cdef inline void lease_until(Lease *e, int own, uint64_t until) noexcept nogil:
    cdef int i
    for i in range(LEASE_TAGS):
        if i != own and e.far[i] and not e.far[i] & LEASE_DONE and until < e.expiry:
            return
    ea_set_relaxed(&e.expiry, until)


# How long an answered call may go without a sign (RFC 4028 §4: no less than 90 s).
cdef uint64_t lease_life(Screen *s) noexcept nogil:
    cdef uint64_t seconds
    cdef uint32_t i, k
    if s.m.present >> H_SESSION_EXPIRES & 1:
        for i in range(s.m.rows):
            if s.m.row[i].id == H_SESSION_EXPIRES:
                k = s.m.row[i].value
                if parse_uint(s.p, k, parse_digits(s.p, k, k + s.m.row[i].value_len), 0x7fffffff, &seconds):
                    seconds = 7 * 86400 if seconds > 7 * 86400 else seconds
                    return (seconds if seconds > 90 else 90) * 1500000000ULL
    return LEASE_UP


# What this answer to an INVITE tells behaviour.pxi, once: a COUNT_; -1: nothing. The bucket is locked.
cdef int lease_told(Screen *s, Peer *trunk, LeaseStory *story) noexcept nogil:
    cdef uint32_t tick = behaviour_tick(s.now)
    cdef int what
    if s.m.status < 200:
        if s.m.status > 100 and not story.tick & BEHAVIOUR_RANG:
            story.tick = tick | BEHAVIOUR_RANG
        return -1
    what = behaviour_end(s, trunk, ticks_since(tick, story.tick & TICK_MASK))
    if what == COUNT_ANSWERED:
        story.caller |= STORY_UP
        story.tick = tick
    elif what >= 0:
        story.caller = 0
    return what


# An answer to an INVITE that took or joined a lease. False: it belongs to none.
cdef bint lease_answered(Screen *s, Peer *trunk, bint into, uint32_t tag) noexcept nogil:
    cdef LeaseTable *t = &s.state.leases
    cdef LeaseBucket *b
    cdef Lease *e = NULL
    cdef Lease *one
    cdef LeaseStory *story
    cdef uint64_t key
    cdef uint32_t far, caller = 0
    cdef int i, at = -1, k, what = -1
    cdef EaSum sum
    call_id_sum(s.state, s.p, s.m, &sum)
    key = call_key(s.state, s.p, &sum, s.m.from_tag)
    b = lease_bucket(t, key)
    if not lease_lock(t, b):
        return True
    for i in range(LEASE_WAYS):
        one = &b.lease[i]
        if b.key[i] != key or one.peer_id != trunk.id or (one.kind == LEASE_IN) != into or one.expiry <= s.now:
            continue
        k = lease_index(one.transaction, tag)
        if k >= 0 and (e == NULL or not one.transaction[k] & LEASE_DONE):
            e = one
            at = k
    if e == NULL:
        lease_unlock(b)
        return False
    story = lease_story(t, e)
    caller = story.caller
    if caller and not caller & STORY_UP:
        what = lease_told(s, trunk, story)
    if s.m.status < 200:
        if not e.transaction[at] & LEASE_DONE and not lease_holds(e.far):
            ea_set_relaxed(&e.expiry, s.now + LEASE_EARLY)
    elif s.m.status < 300:
        e.transaction[at] |= LEASE_DONE
        far = lease_far(s.state, s.p, s.m.to_tag)
        k = lease_index(e.far, far)
        if k < 0:
            k = lease_room(e.far, far)
            if k < 0:
                t.full += 1         # a fifth far side at once: it goes uncounted
            else:
                e.far[k] = far
                if not story.found & STORY_ANSWERED:
                    findings_count(s.worker, e, story.found, True)
                    story.found |= STORY_ANSWERED
                if not e.live:
                    e.live = 1
                    calls_add(lease_count(s.state, e), LEASE_NO_LIMIT)
                    if EA_UNLIKELY(e.toll != 0):
                        toll_again(s.state, e)
        if k >= 0 and e.far[k] == far:
            lease_until(e, k, s.now + lease_life(s))
            if EA_UNLIKELY(e.toll != 0) and e.answered == 0:
                toll_answered(s.state, e, s.now)
        lease_settle(s.state, e, s.now)
    else:
        e.transaction[at] |= LEASE_DONE
        lease_settle(s.state, e, s.now)
    lease_unlock(b)
    if what >= 0:
        behaviour_note(s, trunk, caller, what, 0, 0)
    return True


# An answer inside a dialog: the far side is hung up, or its session goes on.
cdef void lease_dialog(Screen *s, Peer *trunk, bint into, Slice near, Slice far_tag, bint over) noexcept nogil:
    cdef LeaseTable *t = &s.state.leases
    cdef LeaseBucket *b
    cdef Lease *e
    cdef LeaseStory *story
    cdef uint64_t key
    cdef uint32_t far = lease_far(s.state, s.p, far_tag), caller = 0
    cdef int i, k
    cdef EaSum sum
    call_id_sum(s.state, s.p, s.m, &sum)
    key = call_key(s.state, s.p, &sum, near)
    b = lease_bucket(t, key)
    if not lease_lock(t, b):
        return
    for i in range(LEASE_WAYS):
        e = &b.lease[i]
        if b.key[i] != key or e.peer_id != trunk.id or (e.kind == LEASE_IN) != into or e.expiry <= s.now:
            continue
        k = lease_index(e.far, far)
        if k < 0 or e.far[k] & LEASE_DONE:
            continue
        if over:
            story = lease_story(t, e)
            if story.caller & STORY_UP:
                if ticks_since(behaviour_tick(s.now), story.tick) <= trunk.behaviour.short_ticks:
                    caller = story.caller & ~STORY_UP
                story.caller = 0
            e.far[k] |= LEASE_DONE
            lease_settle(s.state, e, s.now)
        else:
            lease_until(e, k, s.now + lease_life(s))
    lease_unlock(b)
    if caller:
        behaviour_note(s, trunk, caller, COUNT_SHORT, 0, 0)


# A response that route_response let pass; `asked` is the peer that answers, `mac` that of its branch.
cdef void lease_response(Screen *s, uint16_t asked, uint16_t asker, uint64_t mac) noexcept nogil:
    cdef bint into = s.policy.peers[asked].kind == PEER_TRUNK, over = s.m.method == M_BYE
    cdef Peer *trunk
    if s.m.method == M_BYE:
        if s.m.status != 481 and s.m.status // 100 != 2:
            return
    elif s.m.method == M_UPDATE:
        if s.m.status // 100 != 2:
            return
    elif s.m.method != M_INVITE:
        return
    if not into and asker == NO_PEER:
        # Its Via names another port than it sends from.
        asker = source_peer(s.policy, &s.reply_to, True)
    if (asked if into else asker) == NO_PEER:
        return
    trunk = &s.policy.peers[asked if into else asker]
    if s.m.method == M_INVITE:
        if lease_answered(s, trunk, into, lease_tag(mac)) or s.m.status // 100 != 2:
            return
    # Whoever asked may be the side that called or the one that was called.
    lease_dialog(s, trunk, into, s.m.from_tag, s.m.to_tag, over)
    lease_dialog(s, trunk, not into, s.m.to_tag, s.m.from_tag, over)
