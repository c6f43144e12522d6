# cookie.pxi: the proofs that need no state: branch, To tag, dialog cookie (AES-CMAC, keys from [keys]; of branches
# over a sum, see hash.h).
#
# Branch    z9hG4bK "ea1" listener:2 peer:8 loop:16 mac:16          (hex; listener + 0x80: of the emergency lane,
#           + 0x40: there, but no emergency call itself)
#           mac over {next Via's sent-by and branch, where its response goes,
#           Call-ID, CSeq number, loop, peer, listener}. The response must come
#           from `peer` and goes where the mac says, whatever its Via claims.
# To tag    "ea" epoch:1 mac:16   mac over {Call-ID, From tag, CSeq number,
#           source address and port, epoch of 64 s}.
# Cookie    user part of our Record-Route, base64url of
#           {key id 1, trunk id 4, flags 1, lease 4, originator address 4|16 and
#           port 2, mac 12}; mac over these, Call-ID and the originating tag.
#
# Nothing here decides; it only makes and checks.

cdef enum:
    COOKIE_FROM_UPSTREAM = 1
    COOKIE_EMERGENCY = 2
    COOKIE_V6 = 4
    COOKIE_VOUCHED = 8      # times VOUCH_
    COOKIE_FROM_SERVICE = 32
    COOKIE_V4_BYTES = 28
    COOKIE_V6_BYTES = 40
    COOKIE_ROOM = 64        # for either with what ea_put_b64 and ea_mac_text read behind it
    TAG_LEN = 19
    TAG_EPOCH_SHIFT = 36    # ns to epochs of 68.7 s
    BRANCH_LANE = 0x80      # beside the listener, of which there are 64
    BRANCH_CALM = 0x40      # and beside that: its 2xx opens no call-back window

# What the MAC of a key or of an id is for: in its first word, so that what was made for one is never taken for another.
cdef enum Purpose:
    FOR_PASSED = 1          # a caller and a called number that went to the trunk: caller-owned
    FOR_CHALLENGE           # the call that a 401 or 407 answered
    FOR_DIALOG              # a dialog's rate
    FOR_DIALOG_END          # that of what ends it
    FOR_ACKED               # a To tag that was acknowledged
    FOR_NONCE               # a challenge, and where it went
    FOR_NONCE_TEXT          # a challenge, wherever it went
    FOR_EXCHANGE            # a request with credentials
    FOR_TRUNK               # what a trunk's responses say of it: sweep, auth-abuse
    FOR_CALLBACK            # a number that called for help
    FOR_HAIRPIN             # a call to a number of ours, which may come back
    FOR_TOLL                # a caller's meter
    FOR_REQUEST             # a number that isn't to be called
    FOR_CALLER              # a trunk's caller
    FOR_CALLEE              # a number that a trunk calls
    FOR_NAME                # a name that it calls
    FOR_EXPLAINED           # the id of a 603+
    FOR_EVADER              # who was refused
    FOR_DISTANCE            # the hops of a trunk's address
    FOR_FAR_TAG             # the called side's tag of a lease
    FOR_DRAW                # who goes first under overload
    FOR_TOLD                # a call whose verification failed

cdef inline uint64_t first_word(Purpose purpose, uint64_t whose) noexcept nogil:
    return <uint64_t>purpose << 56 | whose


# Of a text, and a word that says what for.
cdef inline uint64_t text_mac(const EaMacKey *key, uint64_t word, const uint8_t *p, Slice text) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, key, word, text.len)
    ea_mac_text(&h, p + text.off, text.len)
    return ea_mac_end(&h, NULL)


# Of a call: its Call-ID and one of its tags.
cdef inline uint64_t call_mac(const EaMacKey *key, uint64_t word, const uint8_t *p, SipMsg *m, Slice tag) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, key, word, m.call_id.len | <uint64_t>tag.len << 32)
    ea_mac_text(&h, p + m.call_id.off, m.call_id.len)
    ea_mac_text(&h, p + tag.off, tag.len)
    return ea_mac_end(&h, NULL)


# The sum of a Call-ID, from which those of the message's Via and of its call go on.
cdef inline void call_id_sum(State *state, const uint8_t *p, SipMsg *m, EaSum *sum) noexcept nogil:
    ea_sum_init(sum, state.keys.sum)
    ea_sum_slice(sum, p + m.call_id.off, m.call_id.len)


# Adds what a response's next Via and CSeq will say again; branch_mac and screen_key go on from it.
cdef inline void via_sum(const uint8_t *p, SipMsg *m, Via *via, EaAddr *reply_to, EaSum *sum) noexcept nogil:
    ea_sum_slice(sum, p + via.sent_by.off, via.sent_by.len)
    ea_sum_slice(sum, p + via.branch.off, via.branch.len)
    ea_sum_pair(sum, reply_to.lo, reply_to.port | <uint64_t>reply_to.v4 << 16 | <uint64_t>m.cseq << 32)
    if not reply_to.v4:
        ea_sum_pair(sum, reply_to.hi, 0)


cdef inline uint64_t branch_mac(State *state, EaSum *via, uint64_t loop, uint32_t peer_id, uint16_t listener) noexcept nogil:
    cdef EaSum sum = via[0]
    ea_sum_pair(&sum, loop, <uint64_t>peer_id << 16 | listener)
    return ea_sum_mac(&sum, &state.keys.branch)


cdef uint8_t *branch_put(uint8_t *to, uint16_t listener, uint32_t peer_id, uint64_t loop, uint64_t mac) noexcept nogil:
    to = ea_put(to, b"z9hG4bKea1", 10)
    to = ea_put_hex16(to, <uint64_t>listener << 56 | <uint64_t>peer_id << 24) - 6
    to = ea_put_hex16(to, loop)
    return ea_put_hex16(to, mac)


# What routing depends on (RFC 5393 §4.2.1): the Request-URI, the Routes, and whose request it is.
cdef uint64_t loop_hash(State *state, const uint8_t *p, SipMsg *m, uint32_t source_id) noexcept nogil:
    cdef EaSum sum
    cdef uint32_t i
    ea_sum_init(&sum, state.keys.sum)
    ea_sum_pair(&sum, source_id, 0)
    ea_sum_slice(&sum, p + m.uri.whole.off, m.uri.whole.len)
    if m.present >> H_ROUTE & 1:
        for i in range(m.rows):
            if m.row[i].id == H_ROUTE:
                ea_sum_slice(&sum, p + m.row[i].value, m.row[i].value_len)
    return ea_sum_mac(&sum, &state.keys.loop)


cdef uint64_t tag_mac(State *state, const uint8_t *p, SipMsg *m, EaAddr *source, uint64_t epoch) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &state.keys.tag, m.call_id.len | <uint64_t>m.from_tag.len << 32, epoch)
    ea_mac_pair(&h, source.hi, source.lo)
    ea_mac_pair(&h, source.port, m.cseq)
    ea_mac_text(&h, p + m.call_id.off, m.call_id.len)
    ea_mac_text(&h, p + m.from_tag.off, m.from_tag.len)
    return ea_mac_end(&h, NULL)


cdef uint8_t *tag_put(uint8_t *to, State *state, const uint8_t *p, SipMsg *m, EaAddr *source, uint64_t time) noexcept nogil:
    cdef uint64_t epoch = time >> TAG_EPOCH_SHIFT
    to = ea_put(to, b"ea", 2)
    to = ea_put_hex(to, epoch & 15, 1)
    return ea_put_hex16(to, tag_mac(state, p, m, source, epoch))


# Is the To tag one that we gave this source in this epoch or the last one?
cdef bint tag_is_own(State *state, const uint8_t *p, SipMsg *m, EaAddr *source, uint64_t now) noexcept nogil:
    cdef uint64_t mac, nibble, epoch = now >> TAG_EPOCH_SHIFT
    cdef const uint8_t *tag = p + m.to_tag.off
    if m.to_tag.len != TAG_LEN or tag[0] != b'e' or tag[1] != b'a':
        return False
    if not ea_get_hex(tag + 2, 1, &nibble) or not ea_get_hex(tag + 3, 16, &mac):
        return False
    if (epoch & 15) != nibble:
        epoch -= 1
        if (epoch & 15) != nibble:
            return False
    return tag_mac(state, p, m, source, epoch) == mac


cdef uint32_t cookie_bytes(Cookie *c, uint8_t key_id, uint8_t *out) noexcept nogil:
    cdef uint8_t *to = out
    cdef uint8_t flags = <uint8_t>((COOKIE_FROM_UPSTREAM if c.from_upstream else 0)
                                   | (COOKIE_EMERGENCY if c.emergency else 0) | (0 if c.originator.v4 else COOKIE_V6)
                                   | c.vouched * COOKIE_VOUCHED | (COOKIE_FROM_SERVICE if c.from_service else 0))
    to[0] = key_id
    to = ea_put(to + 1, &c.peer_id, 4)
    to[0] = flags
    to = ea_put(to + 1, &c.lease, 4)
    if c.originator.v4:
        to = ea_put(to, <uint8_t *>&c.originator.lo + 4, 4)
    else:
        to = ea_put(to, &c.originator.hi, 8)
        to = ea_put(to, &c.originator.lo, 8)
    to = ea_put(to, &c.originator.port, 2)
    return <uint32_t>(to - out)


cdef void cookie_mac(State *state, int key, const uint8_t *body, uint32_t n, const uint8_t *call_id, uint32_t call_id_len,
                     const uint8_t *tag, uint32_t tag_len, uint8_t *out) noexcept nogil:
    cdef EaMac h
    cdef uint64_t low, high
    ea_mac_start(&h, &state.keys.cookie[key], n | <uint64_t>call_id_len << 8 | <uint64_t>tag_len << 32, 0)
    ea_mac_text(&h, body, n)
    ea_mac_text(&h, call_id, call_id_len)
    ea_mac_text(&h, tag, tag_len)
    low = ea_mac_end(&h, &high)
    memcpy(out, &low, 8)
    memcpy(out + 8, &high, 4)


# The cookie's text for a call that this request opens.
cdef uint8_t *cookie_put(uint8_t *to, State *state, Cookie *c, const uint8_t *p, SipMsg *m) noexcept nogil:
    cdef uint8_t raw[COOKIE_ROOM]
    cdef uint32_t n
    memset(raw, 0, sizeof(raw))
    n = cookie_bytes(c, state.keys.cookie_id[0], raw)
    cookie_mac(state, 0, raw, n, p + m.call_id.off, m.call_id.len, p + m.from_tag.off, m.from_tag.len, raw + n)
    return ea_put_b64(to, raw, n + 12)


# Reads and checks the cookie in `user`. `tag` is the originating tag.
cdef bint cookie_get(State *state, const uint8_t *p, Slice user, SipMsg *m, Cookie *c, bint upstream_sends) noexcept nogil:
    cdef uint8_t raw[COOKIE_ROOM]
    cdef uint8_t mac[12]
    cdef int n = ea_get_b64(raw, COOKIE_V6_BYTES, p + user.off, user.len), key
    cdef uint8_t flags
    cdef uint16_t port
    cdef uint32_t v4
    cdef Slice tag
    if n != COOKIE_V4_BYTES and n != COOKIE_V6_BYTES:
        return False
    flags = raw[5]
    if ((flags & COOKIE_V6) != 0) != (n == COOKIE_V6_BYTES):
        return False
    memset(c, 0, sizeof(Cookie))
    c.key = raw[0]
    memcpy(&c.peer_id, raw + 1, 4)
    memcpy(&c.lease, raw + 6, 4)
    memcpy(&port, raw + n - 14, 2)
    c.from_upstream = flags & COOKIE_FROM_UPSTREAM
    c.emergency = (flags & COOKIE_EMERGENCY) != 0
    c.from_service = (flags & COOKIE_FROM_SERVICE) != 0
    c.vouched = <uint8_t>(flags / COOKIE_VOUCHED & (VOUCH_PRIORITY | VOUCH_CALLBACK))
    if n == COOKIE_V4_BYTES:
        memcpy(&v4, raw + 10, 4)
        ea_addr_v4(&c.originator, v4, port)
    else:
        ea_addr_v6(&c.originator, raw + 10, port)
    # The originating side writes its own tag into From, the other side into To.
    tag = m.from_tag if (c.from_upstream != 0) == upstream_sends else m.to_tag
    for key in range(<int>ea_get_relaxed(&state.keys.cookie_count)):
        if state.keys.cookie_id[key] == c.key:
            cookie_mac(state, key, raw, <uint32_t>n - 12, p + m.call_id.off, m.call_id.len, p + tag.off, tag.len, mac)
            if memcmp(mac, raw + n - 12, 12) == 0:
                return True
    return False
