# sys.pxi: the system calls of the data plane. Declarations only.

cdef extern from "hot.h" nogil:
    struct sockaddr_storage:
        pass
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        uint32_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int MSG_DONTWAIT, MSG_TRUNC
    int recvmmsg(int, mmsghdr *, unsigned int, int, void *)
    int sendmmsg(int, mmsghdr *, unsigned int, int)
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int EPOLLIN, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CLOEXEC, EFD_NONBLOCK, EFD_CLOEXEC
    int epoll_create1(int)
    int epoll_ctl(int, int, int, epoll_event *)
    int epoll_wait(int, epoll_event *, int, int)
    int eventfd(unsigned int, int)
    int close(int)
    ssize_t write(int, const void *, size_t)
    ssize_t read(int, void *, size_t)
    int munmap(void *, size_t)
    void ea_local(EaAddr *, msghdr *)
    uint32_t ea_distance(msghdr *)
    void ea_from_sockaddr(EaAddr *, const sockaddr_storage *)
    uint32_t ea_to_sockaddr(const EaAddr *, int, sockaddr_storage *)
