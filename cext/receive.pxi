# receive.pxi: socket to Batch, with one recvmmsg. It looks at no byte.

cdef int receive_batch(Batch batch, int fd, uint16_t listener) noexcept nogil:
    cdef int i, n
    cdef Packet *packet
    for i in range(<int>batch.slots):
        batch.header[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
    n = recvmmsg(fd, batch.header, batch.slots, MSG_DONTWAIT, NULL)
    if n <= 0:
        batch.count = 0
        return n
    for i in range(n):
        packet = &batch.packet[i]
        packet.len = batch.header[i].msg_len
        packet.truncated = (batch.header[i].msg_hdr.msg_flags & MSG_TRUNC) != 0
        packet.listener = listener
        ea_from_sockaddr(&packet.source, &batch.name[i])
    batch.count = n
    return n
