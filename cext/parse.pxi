# parse.pxi: bytes to SipMsg, in one bounded pass over the lines.
#
# Each line is found by one scan that also proves it free of control bytes and
# marks the stops that the reading of its value then goes by (scan.h); its name is
# looked up in perfect hashes, first of the usual ones; the values that screening or forwarding
# reads are parsed at once, the others are only kept as rows. The first fault
# stays in `reason`, and the scan goes on, so that a refusal can still be
# addressed with the rows that are sound (parse_fault.pxi: what a fault weighs).
# Nothing is copied, nothing is guessed: what two readers could read differently
# is a fault.
#
# Grammar: RFC 3261 §25.1, RFC 3966 (tel), RFC 5031 (service URNs), RFC 3325
# (P-Asserted-Identity), RFC 5118 (IPv6). It never looks at sources or policy.

cdef enum:
    OWN_BRANCH_LEN = 52     # cookie.pxi writes it
    NAME_BAD = 256          # beside a H_: the line has no header name


cdef bint parse_via_row(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m) noexcept nogil:
    cdef Via further
    cdef Via *v
    cdef int64_t next_
    while True:
        if m.vias >= MAX_VIAS:
            parse_fault(m, RSN_TOO_MANY_VIAS)
            return True
        v = &m.via[m.vias] if m.vias < 2 else &further
        next_ = parse_via(p, stop, i, n, v)
        if next_ < 0:
            return False
        m.vias += 1
        if EA_UNLIKELY(v.padded):
            parse_soft(m, RSN_VIA)
        if (v.branch.len == OWN_BRANCH_LEN and p[v.branch.off + 7] == b'e' and p[v.branch.off + 8] == b'a'
                and m.own_vias < MAX_OWN_VIAS):
            m.own_via[m.own_vias] = v.branch
            m.own_vias += 1
        if <size_t>next_ >= n:
            return True
        i = <size_t>next_ + 1


cdef bint parse_route_row(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m,
                          Row *row) noexcept nogil:
    cdef Uri spare
    cdef Uri *u
    cdef int64_t next_
    cdef size_t start
    cdef bint keep
    while True:
        start = parse_blanks(p, i, n)
        keep = row.id == H_ROUTE and m.routes < MAX_ROUTES
        u = &m.route[m.routes] if keep else &spare
        next_ = parse_addr(p, stop, i, n, u, NULL)
        # RFC 3261 §20.34: name-addr only; without <> nobody knows whose ;lr it is.
        if next_ < 0 or p[u.whole.off - 1] != b'<':
            return False
        if keep:
            m.route_value[m.routes] = slice_of(start, <size_t>next_)
            m.route_row[m.routes] = <uint16_t>(row - m.row)
            m.routes += 1
        if row.id == H_ROUTE:
            m.routes_total += 1
        if <size_t>next_ >= n:
            return True
        i = <size_t>next_ + 1


cdef bint parse_identity_row(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m,
                             Row *row) noexcept nogil:
    cdef Identity *it
    cdef int64_t next_
    cdef int header = row.id
    cdef uint8_t order = 0
    cdef int k
    for k in range(m.identities):
        if m.identity[k].header == header:
            order += 1
    while True:
        if m.identities >= MAX_IDENTITIES:
            return False
        it = &m.identity[m.identities]
        i = parse_blanks(p, i, n)
        # A tag and no fault: this message's From has been read.
        if m.from_tag.len != 0 and m.core == 0 and parse_same_uri(p, i, n, &m.from_, &it.uri):
            next_ = <int64_t>n
        else:
            next_ = parse_addr(p, stop, i, n, &it.uri, NULL)
        if next_ < 0:
            return False
        it.header = <uint8_t>header
        it.order = order
        it.row = <uint16_t>(row - m.row)
        it.value = slice_of(i, <size_t>next_)
        if parse_marked(&it.uri, <size_t>next_ - it.uri.whole.off - it.uri.whole.len):
            m.marked = 1
        if header == H_P_ASSERTED_IDENTITY or header == H_P_PREFERRED_IDENTITY:
            # RFC 3325 §9.1: at most one sip or sips and one tel value.
            for k in range(m.identities):
                if m.identity[k].header == header and (
                        (m.identity[k].uri.scheme == SCHEME_TEL) == (it.uri.scheme == SCHEME_TEL)):
                    return False
        m.identities += 1
        order += 1
        if <size_t>next_ >= n:
            return True
        i = <size_t>next_ + 1


cdef bint parse_contact_row(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m) noexcept nogil:
    cdef Uri further
    cdef int64_t next_
    if n - i == 1 and p[i] == b'*':
        return True
    while True:
        next_ = parse_addr(p, stop, i, n, &m.contact[m.contacts] if m.contacts < MAX_CONTACTS else &further, NULL)
        if next_ < 0:
            return False
        m.contacts += 1
        if <size_t>next_ >= n:
            return True
        i = <size_t>next_ + 1


cdef inline void parse_value(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m, Row *row,
                             int id) noexcept nogil:
    cdef uint64_t number
    cdef int64_t next_
    if id == H_VIA:
        if not parse_via_row(p, stop, i, n, m):
            parse_fault(m, RSN_VIA)
    elif id == H_FROM:
        next_ = parse_addr(p, stop, i, n, &m.from_, &m.from_tag)
        if next_ < 0 or <size_t>next_ != n:
            parse_party_fault(m, next_, n, RSN_FROM)
        if parse_marked(&m.from_, n - m.from_.whole.off - m.from_.whole.len - m.from_tag.len):
            m.marked = 1
    elif id == H_TO:
        m.to_value = slice_of(i, n)
        next_ = parse_addr(p, stop, i, n, &m.to, &m.to_tag)
        if next_ < 0 or <size_t>next_ != n:
            parse_party_fault(m, next_, n, RSN_TO)
    elif id == H_CALL_ID:
        if not parse_call_id(p, stop, i, n, m):
            if parse_padded_call_id(p, i, n, m):
                parse_soft(m, RSN_CALL_ID)
            else:
                parse_fault(m, RSN_CALL_ID)
    elif id == H_CSEQ:
        if not parse_cseq(p, stop, i, n, m):
            parse_fault(m, RSN_CSEQ)
    elif id == H_MAX_FORWARDS:
        if not parse_uint(p, i, n, 255, &number):
            parse_soft(m, RSN_MAX_FORWARDS)
            m.max_forwards = -2
        else:
            m.max_forwards = <int32_t>number
        m.max_forwards_value = slice_of(i, n)
    elif id == H_CONTENT_LENGTH:
        if not parse_uint(p, i, n, 0x7fffffff, &number):
            parse_fault(m, RSN_CONTENT_LENGTH)
        else:
            m.content_length = <int32_t>number
    elif id == H_CONTENT_TYPE:
        m.content_type = slice_of(i, n)
    elif id == H_CONTACT:
        if not parse_contact_row(p, stop, i, n, m):
            parse_soft(m, RSN_CONTACT)
    elif id == H_ROUTE or id == H_RECORD_ROUTE:
        if not parse_route_row(p, stop, i, n, m, row):
            parse_soft(m, RSN_ROUTE)
            if id == H_ROUTE:
                m.routes_total |= ROUTES_BROKEN
    elif (id == H_P_ASSERTED_IDENTITY or id == H_P_PREFERRED_IDENTITY or id == H_REMOTE_PARTY_ID
            or id == H_DIVERSION or id == H_HISTORY_INFO):
        if not parse_identity_row(p, stop, i, n, m, row):
            parse_soft(m, RSN_IDENTITY_HEADER)
    elif id == H_USER_AGENT:
        m.user_agent = slice_of(i, n)
    elif id == H_PRIVACY:
        if m.privacy.len == 0:
            m.privacy = slice_of(i, n)
    elif id == H_REFER_TO:
        next_ = parse_addr(p, stop, i, n, &m.refer_to, NULL)
        if next_ < 0 or <size_t>next_ != n:
            parse_fault(m, RSN_IDENTITY_HEADER)


# The header of a name, H_OTHER for one that the engine doesn't know. A hit proves
# every byte of the name: the first, the middle and the last eight are compared as words.
cdef inline int parse_name(const uint8_t *p, size_t i, size_t end) noexcept nogil:
    cdef size_t n = end - i
    cdef uint64_t fold = ea_fold8(p + i, n)
    cdef const EaHeaderName *name = &ea_header_names[
        ((fold ^ (<uint64_t>n << 56)) * HEADER_HASH_MULTIPLIER) >> HEADER_HASH_SHIFT]
    if name.fold != fold or name.len != n:      # an empty slot's id is H_OTHER
        return H_X_EDGE if EA_UNLIKELY(fold << 8 == WORD_X_EDGE << 8) else H_OTHER
    if n > 8 and ea_fold8(p + end - 8, 8) != name.fold_end:
        return H_OTHER
    if n > 16 and ea_fold8(p + i + 8, 8) != name.fold_middle:
        return H_OTHER
    return name.id


# The same for a name with a blank before its ':', or with other than plain characters. *colon is where that stands.
cdef int parse_odd_name(const uint8_t *p, const uint64_t *stop, size_t i, size_t end, size_t *colon) noexcept nogil:
    cdef size_t k = ea_find(p, i, end, b':'), j = k
    cdef int id
    colon[0] = k
    while j > i and (p[j - 1] == b' ' or p[j - 1] == b'\t'):
        j -= 1
    id = parse_name(p, i, j)
    if k >= end or (id == H_OTHER or id == H_X_EDGE) and (j == i or ea_scan_run(p, stop, i, j, CLS_TOKEN) != j):
        id |= NAME_BAD
    return id


# The end of the line that starts at i when it isn't a CRLF that no fold follows: j is the first control byte in it.
# Returns the first byte behind it, or 0 when the datagram ends first. A line that must not be echoed is `bad`.
cdef size_t parse_odd_line(const uint8_t *p, EaScan *scan, size_t i, size_t j, size_t n, SipMsg *m,
                           size_t *end, uint16_t *bad) noexcept nogil:
    cdef size_t next_
    cdef bint controls = False
    while True:
        if j >= n:
            parse_fault(m, RSN_NO_END)
            return 0
        if p[j] == b'\r' and j + 1 < n and p[j + 1] == b'\n':
            end[0] = j
            next_ = j + 2
        elif p[j] == b'\n':
            parse_fault(m, RSN_LINE_END)
            end[0] = j
            next_ = j + 1
        else:
            if p[j] == b'\r':
                parse_fault(m, RSN_LINE_END)
                bad[0] = 1
            controls = True
            j = ea_scan_control(scan, j + 1)
            continue
        if next_ < n and (p[next_] == b' ' or p[next_] == b'\t'):
            j = ea_scan_control(scan, next_)
            continue
        break
    if controls and not parse_controls_quoted(p, i, end[0]):
        parse_fault(m, RSN_CONTROL_BYTE)
        bad[0] = 1
    return next_


# The header of a name that ends at k, where nearly every one is found, by all its bytes. -1: another, or one whose
# place there a more frequent one has. Three bytes before k may be read: a start line and at least one byte stand there.
cdef inline int parse_usual_name(const uint8_t *p, size_t i, size_t k) noexcept nogil:
    cdef uint32_t key, n = <uint32_t>(k - i)
    cdef const EaUsualName *name
    if EA_UNLIKELY(n == 0):
        return -1
    key = (ea_load32(p + k - 3) | 0x20202020) + 8 * n
    name = &ea_usual_names[key * USUAL_MULTIPLIER >> USUAL_SHIFT]
    return name.id if EA_LIKELY(ea_same_name(p + i, name.low, name.others)) else -1


# The name of the line that starts at i, when it isn't a usual one with ": " and a value behind it; k is its first stop.
# Where the value begins goes to *value; NAME_BAD beside the H_: the line has no name.
cdef int parse_rare_name(const uint8_t *p, const uint64_t *stop, size_t i, size_t k, size_t end,
                         size_t *value) noexcept nogil:
    cdef int id
    if EA_LIKELY(p[k] == b':' and k != i):
        id = parse_name(p, i, k)
    else:
        id = parse_odd_name(p, stop, i, end, &k)
    value[0] = end if id & NAME_BAD else parse_blanks(p, k + 1, end)
    return id


# A line's name and value to its row: it starts at i, has its first stop at k and ends at `end`. Returns the header
# whose value is to be read, or -1.
cdef inline int parse_row(const uint8_t *p, const uint64_t *stop, size_t i, size_t k, size_t end, SipMsg *m, Row *row,
                          uint64_t *present) noexcept nogil:
    cdef int id = -1
    # ": " and more than blanks; no line end stands before it.
    if EA_LIKELY(ea_load16(p + k) == 0x203a and p[k + 2] > 32):
        id = parse_usual_name(p, i, k)
        k += 2
    if EA_UNLIKELY(id < 0):
        id = parse_rare_name(p, stop, i, ea_stop(stop, i), end, &k)
        if id & NAME_BAD:
            parse_fault(m, RSN_HEADER_NAME)
            row.id = <uint16_t>(id & 0xff)
            row.value = end
            row.value_len = 0
            return -1
    if EA_UNLIKELY(p[end - 1] <= 32):
        while end > k and p[end - 1] <= 32:
            end -= 1
    row.id = <uint16_t>id
    row.value = k
    row.value_len = end - k
    if EA_UNLIKELY(ea_set_bit(present, id) and HEADER_SINGLE >> id & 1 != 0):
        id = parse_duplicate(m, id)
        ea_set_bit(present, id)
    return id


# The line that starts at i; *behind is the first byte behind it. *pause is the row before which to look whether another
# line follows. False when the datagram ends first.
cdef inline bint parse_line(const uint8_t *p, EaScan *scan, size_t i, size_t n, SipMsg *m, Row *row, Row **pause,
                            uint64_t *present, size_t *behind) noexcept nogil:
    cdef size_t k, end = ea_scan_line(scan, i, &k), next_ = end + 2
    cdef int id
    row.bad = 0
    if EA_UNLIKELY(next_ > n or ea_load16(p + end) != 0x0a0d or p[next_] <= 32):
        pause[0] = row + 1
        if next_ > n or ea_load16(p + end) != 0x0a0d or next_ != n and (p[next_] == b' ' or p[next_] == b'\t'):
            next_ = parse_odd_line(p, scan, i, ea_scan_control(scan, end), n, m, &end, &row.bad)
            if next_ == 0:
                return False
            k = ea_stop(scan.stop, i)
            if row.bad:
                row.off = i
                row.end = next_
                behind[0] = next_
                parse_row(p, scan.stop, i, k, end, m, row, present)
                return True
    row.off = i
    row.end = next_
    behind[0] = next_
    id = parse_row(p, scan.stop, i, k, end, m, row, present)
    parse_value(p, scan.stop, row.value, row.value + row.value_len, m, row, id)
    return True


# What stands at i, a control byte or a blank, where a line would begin: True when no line follows.
cdef bint parse_header_end(const uint8_t *p, size_t i, size_t n, SipMsg *m) noexcept nogil:
    if i + 1 >= n:
        parse_fault(m, RSN_NO_END)
        m.header_end = n
    elif p[i] == b'\r' and p[i + 1] == b'\n':
        m.header_end = i + 2
    elif p[i] == b'\n':
        parse_fault(m, RSN_LINE_END)
        m.header_end = i + 1
    else:
        return False
    return True


cdef inline void parse_reset(SipMsg *m) noexcept nogil:
    # Everything before `uri` is small; the arrays behind it are valid only as far as their counts.
    ea_clear(m, <size_t>(<uint8_t *>&m.uri - <uint8_t *>m))
    m.max_forwards = -1
    m.content_length = -1


# n bytes at p, of which the slot holds 64 more that may be read but never mean anything.
# Returns how many leading bytes to cut; all offsets count from there.
cdef size_t parse_message(const uint8_t *p, size_t n, SipMsg *m) noexcept nogil:
    cdef size_t skip = 0, i, end
    cdef bint more
    cdef EaScan scan
    cdef Row *row = m.row
    cdef Row *pause = &m.row[MAX_ROWS]
    cdef uint64_t present = 0
    parse_reset(m)
    if n > SLOT_BYTES - 2 * MAX_GROWTH:
        parse_fault(m, RSN_TOO_LARGE)
    if EA_UNLIKELY(n < 12 or p[0] <= 32):
        # RFC 3261 §7.5: empty lines before the start line are ignored.
        while skip < n and (p[skip] == b'\r' or p[skip] == b'\n'):
            skip += 1
        p += skip
        n -= skip
        if n == 0 or (n < 12 and not EA_IS(p[0], CLS_TOKEN)) or p[0] == 0:
            m.kind = KIND_KEEPALIVE
            parse_fault(m, RSN_KEEPALIVE)
            return skip
    ea_scan_start(&scan, p, n)
    end = ea_scan_more(&scan, 0)
    if EA_UNLIKELY(end < n and (p[end] == b'\t' or p[end] >= 0x80)):
        end = ea_scan_control(&scan, end)
    i = end + 2
    if EA_LIKELY(i <= n and ea_load16(p + end) == 0x0a0d):
        parse_start_line(p, scan.stop, end, m)
    elif end < n and p[end] == b'\n':
        i = end + 1
        parse_start_line(p, scan.stop, end, m)
        parse_fault(m, RSN_LINE_END)
    else:
        parse_fault(m, RSN_START_LINE)
        return skip
    m.first_row = i
    more = p[i] > 32                    # n may be read
    if EA_UNLIKELY(not more):
        if i < n and (p[i] == b' ' or p[i] == b'\t'):
            parse_fault(m, RSN_START_LINE)
        more = not parse_header_end(p, i, n, m)
    if more:
        while True:
            if not parse_line(p, &scan, i, n, m, row, &pause, &present, &i):
                m.header_end = n
                break
            row += 1
            if EA_UNLIKELY(row == pause):
                if p[i] <= 32 and parse_header_end(p, i, n, m):
                    break
                pause = &m.row[MAX_ROWS]
                if row == pause:
                    parse_fault(m, RSN_NO_END if i + 1 >= n else RSN_TOO_MANY_HEADERS)
                    m.header_end = n
                    break
    m.rows = <uint16_t>(row - m.row)
    m.length = n
    m.present = present & ~<uint64_t>(1 << H_OTHER)
    parse_whole(p, n, m)
    if m.core:
        m.method = m.method if m.kind == KIND_REQUEST else M_UNKNOWN
    return skip


# What no single line can tell: mandatory headers, CSeq against the start line, the body's length.
cdef void parse_whole(const uint8_t *p, size_t n, SipMsg *m) noexcept nogil:
    cdef uint64_t mandatory = (<uint64_t>1 << H_VIA | <uint64_t>1 << H_FROM | <uint64_t>1 << H_TO
                               | <uint64_t>1 << H_CALL_ID | <uint64_t>1 << H_CSEQ)
    if m.header_end > MAX_HEADER_BYTES:
        parse_fault(m, RSN_TOO_LARGE)
    if m.present & mandatory != mandatory:
        parse_fault(m, RSN_MISSING_HEADER)
    if m.core:
        return
    if m.content_length >= 0:
        if <uint32_t>m.content_length > n - m.header_end:
            parse_fault(m, RSN_CONTENT_LENGTH)
            return
        # RFC 3261 §18.3: on UDP, bytes beyond Content-Length are no part of the message.
        m.length = m.header_end + <uint32_t>m.content_length
    if m.kind == KIND_RESPONSE:
        m.method = <uint8_t>parse_method(p, m.cseq_method)
    elif (m.cseq_method.len != m.method_name.len
            or not ea_same(p + m.cseq_method.off, p + m.method_name.off, m.method_name.len)):
        parse_fault(m, RSN_CSEQ_METHOD)
