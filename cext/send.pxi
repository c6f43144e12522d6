# send.pxi: OutBatch to sockets, with one sendmmsg per listener in use. A datagram that the kernel refuses is counted.

cdef void send_batch(OutBatch out, int *fds, Listener *listeners, Worker *w) noexcept nogil:
    cdef uint32_t i, start = 0, n
    cdef int sent
    cdef uint16_t listener
    cdef Datagram *d
    for i in range(out.count):
        d = &out.datagram[i]
        out.vector[i].iov_base = out.arena + d.off
        out.vector[i].iov_len = d.len
        out.header[i].msg_hdr.msg_namelen = ea_to_sockaddr(
            &d.destination, listeners[d.listener].v6, &out.name[i])
    while start < out.count:
        listener = out.datagram[start].listener
        n = 1
        while start + n < out.count and out.datagram[start + n].listener == listener:
            n += 1
        while n:
            sent = sendmmsg(fds[listener], out.header + start, n, 0)
            if sent <= 0:
                ea_count(&w.send_errors, 1)
                sent = 1
            start += sent
            n -= sent
