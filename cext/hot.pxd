"""hot.h as Cython sees it. Declarations only."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "hot.h" nogil:
    int CLS_TOKEN, CLS_USER, CLS_HOST, CLS_PARAM, CLS_DIGIT, CLS_HEX, CLS_LWS, CLS_WORD, CLS_VALUE
    bint EA_LIKELY(bint)
    bint EA_UNLIKELY(bint)
    void EA_PREFETCH(const void *)
    void ea_first(uint16_t *kept, int value)
    void ea_class_init()
    void ea_scan_init()
    void ea_text_init()
    void ea_hash_init()
    int ea_aes_fast
    uint64_t ea_name_hash(const uint8_t *, uint32_t)
    int EA_IS(uint8_t, int)
    uint64_t ea_load64(const uint8_t *)
    uint32_t ea_load32(const uint8_t *)
    uint16_t ea_load16(const uint8_t *)
    uint64_t ea_fold8(const uint8_t *, uint32_t)
    bint ea_same(const uint8_t *, const uint8_t *, uint32_t)
    bint ea_same_blocks(const uint8_t *, const uint8_t *, size_t)
    bint ea_same_fold(const uint8_t *, const char *, uint32_t)

    uint32_t ea_find(const uint8_t *, uint32_t, uint32_t, uint8_t)
    uint32_t ea_run(const uint8_t *, uint32_t, uint32_t, int)
    int64_t ea_digits(const uint8_t *, size_t)
    int64_t ea_digits_before(const uint8_t *, size_t)
    int64_t ea_eight_digits(const uint8_t *, size_t)
    int32_t ea_four_digits(const uint8_t *, size_t)
    bint ea_same_name(const uint8_t *, const uint8_t *, uint32_t)
    bint ea_set_bit(uint64_t *, int)
    int ea_count_digits(const uint8_t *, uint32_t)
    void ea_clear(void *, size_t)

    ctypedef struct EaScan:
        uint64_t *stop
    void ea_scan_start(EaScan *, const uint8_t *, size_t)
    size_t ea_scan_line(EaScan *, size_t, size_t *)
    size_t ea_scan_more(EaScan *, size_t)
    size_t ea_scan_control(EaScan *, size_t)
    size_t ea_scan_run(const uint8_t *, const uint64_t *, size_t, size_t, int)
    size_t ea_low_bit(uint64_t)
    size_t ea_stop(const uint64_t *, size_t)
    ctypedef struct EaStops:
        pass
    size_t ea_stops_first(EaStops *, const uint64_t *, size_t)
    size_t ea_stops_next(EaStops *)

    ctypedef struct EaMacKey:
        pass
    ctypedef struct EaMac:
        pass
    void ea_mac_key(EaMacKey *, const uint8_t *)
    void ea_mac_start(EaMac *, const EaMacKey *, uint64_t, uint64_t)
    void ea_mac_pair(EaMac *, uint64_t, uint64_t)
    void ea_mac_text(EaMac *, const uint8_t *, uint32_t)
    uint64_t ea_mac_end(EaMac *, uint64_t *)
    uint64_t ea_mac_words(const EaMacKey *, uint64_t, uint64_t)

    int EA_SUM_PAIRS
    ctypedef struct EaSumKey:
        pass
    ctypedef struct EaSum:
        pass
    void ea_sum_init(EaSum *, const EaSumKey *)
    void ea_sum_pair(EaSum *, uint64_t, uint64_t)
    void ea_sum_slice(EaSum *, const uint8_t *, uint32_t)
    void ea_sum_tagged(EaSum *, const uint8_t *, uint32_t, uint32_t)
    uint64_t ea_sum_mac(EaSum *, const EaMacKey *)

    uint64_t ea_get(const uint64_t *)
    uint64_t ea_get_relaxed(const uint64_t *)
    bint ea_near(const uint32_t *, uint32_t, uint32_t, uint32_t)
    int ea_find_word(const uint64_t *, int, int, int, uint64_t)
    void ea_set(uint64_t *, uint64_t)
    void ea_set_relaxed(uint64_t *, uint64_t)
    bint ea_swap(uint64_t *, uint64_t, uint64_t)
    void *ea_get_ptr(void **)
    void ea_set_ptr(void **, void *)
    void ea_fence()
    void ea_count(uint64_t *, uint64_t)

    uint8_t *ea_put(uint8_t *, const void *, uint32_t)
    uint8_t *ea_copy(uint8_t *, const uint8_t *, uint32_t)
    uint8_t *ea_put_uint(uint8_t *, uint64_t)
    uint8_t *ea_put_hex(uint8_t *, uint64_t, int)
    uint8_t *ea_put_hex16(uint8_t *, uint64_t)
    bint ea_get_hex(const uint8_t *, int, uint64_t *)
    uint8_t *ea_put_b64(uint8_t *, const uint8_t *, uint32_t)
    int ea_get_b64(uint8_t *, uint32_t, const uint8_t *, uint32_t)

    ctypedef struct EaAddr:
        uint64_t hi, lo
        uint16_t port
        uint16_t v4
        uint32_t pad
    void ea_addr_v4(EaAddr *, uint32_t, uint16_t)
    void ea_addr_v6(EaAddr *, const uint8_t *, uint16_t)
    bint ea_addr_same_host(const EaAddr *, const EaAddr *)
    bint ea_addr_loopback(const EaAddr *)
    bint ea_parse_v4(const uint8_t *, uint32_t, uint32_t *)
    bint ea_parse_v6(const uint8_t *, uint32_t, uint8_t *)
    uint8_t *ea_put_host(uint8_t *, const EaAddr *)
    uint64_t ea_now()
    void ea_pause(long)
    uint32_t ea_queue_fill(int)
    void ea_exact_sleeps()
    void *ea_table_alloc(size_t)
    void *ea_table_reserve(size_t)
    int ea_table_touch(void *, size_t)
    void *ea_calloc_now(uint32_t, size_t)
