# send.pxi: OutBatch to sockets, with one sendmmsg per listener in use. A datagram that the kernel refuses is counted,
# and the last one remembered for the log.
#
# Consecutive datagrams to one destination go through the kernel's stack as one
# train (UDP_SEGMENT), which costs a fraction of sending each; the wire sees the
# same datagrams. A train needs cars of one length, so shorter ones get blanks
# behind the colon of a header of ours, where any number may stand (RFC 3261
# §25.1, HCOLON). A train that the path can't take (its MTU, no checksum offload)
# comes back unsent: it goes car by car then, and later ones keep below its length.

cdef enum:
    TRAIN_CARS = 64         # the kernel's UDP_MAX_SEGMENTS
    TRAIN_BYTES = 65000
    TRAIN_SHORTEST = 512    # below this the path takes no trains at all

cdef extern from "hot.h" nogil:
    int EIO, EINVAL, EMSGSIZE
    int errno
    void ea_segment(msghdr *, uint8_t *, uint16_t)
    void ea_pin(msghdr *, uint8_t *, const EaAddr *)

cdef uint8_t BLANKS[MAX_BLANKS]
memset(BLANKS, 32, MAX_BLANKS)


cdef inline uint32_t datagram_len(Datagram *d) noexcept nogil:
    return d.len + d.rest_len


# Behind the last datagram that can go in one train with `first`; their longest length.
cdef uint32_t train_end(OutBatch out, uint32_t first, Worker *w, uint32_t *length) noexcept nogil:
    cdef Datagram *head = &out.datagram[first]
    cdef Datagram *d
    cdef uint32_t i = first + 1, low = datagram_len(head), high = low, n
    length[0] = high
    while i < out.count and i - first < TRAIN_CARS:
        d = &out.datagram[i]
        if (d.listener != head.listener or d.destination.port != head.destination.port
                or not ea_addr_same_host(&d.destination, &head.destination) or d.blank == 0 or head.blank == 0
                or d.pinned != head.pinned or (d.pinned and not ea_addr_same_host(&d.local, &head.local))):
            break
        n = datagram_len(d)
        if n < low:
            low = n
        if n > high:
            high = n
        if high - low > MAX_BLANKS or high > w.train_limit or high * (i + 1 - first) > TRAIN_BYTES:
            break
        length[0] = high
        i += 1
    return i


cdef inline void vector_put(iovec *v, const uint8_t *base, uint32_t n) noexcept nogil:
    v.iov_base = <void *>base
    v.iov_len = n


# One message for the kernel: [first, end) as a train, or one datagram. Returns how many vectors it took.
cdef uint32_t send_prepare(OutBatch out, uint32_t first, uint32_t end, uint32_t length, mmsghdr *header, iovec *vector,
                           uint8_t *control) noexcept nogil:
    cdef Datagram *d
    cdef const uint8_t *p
    cdef uint32_t i, n = 0, blanks
    header.msg_hdr.msg_iov = vector
    header.msg_hdr.msg_control = NULL
    header.msg_hdr.msg_controllen = 0
    for i in range(first, end):
        d = &out.datagram[i]
        p = out.arena + d.off
        blanks = length - datagram_len(d)
        if blanks == 0 or i + 1 == end:
            vector_put(&vector[n], p, d.len)
            n += 1
        else:
            vector_put(&vector[n], p, d.blank)
            vector_put(&vector[n + 1], BLANKS, blanks)
            vector_put(&vector[n + 2], p + d.blank, d.len - d.blank)
            n += 3
        if d.rest_len:
            vector_put(&vector[n], d.rest, d.rest_len)
            n += 1
    header.msg_hdr.msg_iovlen = n
    if out.datagram[first].pinned:
        ea_pin(&header.msg_hdr, control, &out.datagram[first].local)
    if end - first > 1:
        ea_segment(&header.msg_hdr, control, <uint16_t>length)
    return n


cdef void send_failed(Worker *w, Datagram *d) noexcept nogil:
    w.unsent = d.destination
    w.unsent_at = ea_now()
    w.unsent_errno = <uint32_t>errno
    w.unsent_listener = d.listener
    ea_count(&w.send_errors, 1)


# What came to a wildcard listener over loopback can't leave the host from there: the kernel chooses then.
cdef bint send_unpinned(Datagram *d) noexcept nogil:
    return d.pinned and errno == EINVAL and ea_addr_loopback(&d.local)


# Datagrams [first, end), one by one.
cdef void send_singly(OutBatch out, uint32_t first, uint32_t end, int fd, Worker *w) noexcept nogil:
    cdef mmsghdr header
    cdef iovec vector[VECTORS]
    cdef uint8_t *control = out.control     # of the trains before it, which are sent
    cdef uint32_t i
    for i in range(first, end):
        header = out.header[i]
        send_prepare(out, i, i + 1, datagram_len(&out.datagram[i]), &header, vector, control)
        if sendmmsg(fd, &header, 1, 0) == 1:
            continue
        if send_unpinned(&out.datagram[i]):
            header.msg_hdr.msg_control = NULL
            header.msg_hdr.msg_controllen = 0
            if sendmmsg(fd, &header, 1, 0) == 1:
                continue
        send_failed(w, &out.datagram[i])


cdef void send_batch(OutBatch out, int *fds, Listener *listeners, Worker *w) noexcept nogil:
    cdef uint32_t start = 0, end, n, i, vectors, length
    cdef uint32_t firsts[MAX_BATCH + 1]
    cdef int sent
    cdef uint16_t listener
    cdef Datagram *d
    for i in range(out.count):
        d = &out.datagram[i]
        out.header[i].msg_hdr.msg_name = &out.name[i]
        out.header[i].msg_hdr.msg_namelen = ea_to_sockaddr(&d.destination, listeners[d.listener].v6, &out.name[i])
    while start < out.count:
        # All that leaves by one socket: trains and single datagrams, in their order.
        listener = out.datagram[start].listener
        n = vectors = 0
        end = start
        while end < out.count and out.datagram[end].listener == listener:
            firsts[n] = end
            out.message[n] = out.header[end]
            i = train_end(out, end, w, &length)
            vectors += send_prepare(out, end, i, length, &out.message[n], out.vector + vectors,
                                    out.control + n * CONTROL_BYTES)
            end = i
            n += 1
        firsts[n] = end
        i = 0
        while i < n:
            sent = sendmmsg(fds[listener], out.message + i, n - i, 0)
            if sent > 0:
                i += <uint32_t>sent
                continue
            if firsts[i + 1] - firsts[i] > 1:
                length = datagram_len(&out.datagram[firsts[i]])
                if (errno == EIO or errno == EINVAL or errno == EMSGSIZE) and not send_unpinned(&out.datagram[firsts[i]]):
                    w.train_limit = 0 if errno == EIO or length <= TRAIN_SHORTEST else length - 1
                send_singly(out, firsts[i], firsts[i + 1], fds[listener], w)
            elif send_unpinned(&out.datagram[firsts[i]]):
                send_singly(out, firsts[i], firsts[i + 1], fds[listener], w)
            else:
                send_failed(w, &out.datagram[firsts[i]])
            i += 1
        start = end
