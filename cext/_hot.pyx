# cython: language_level=3
# distutils: language = c
"""The screening engine: one compile unit, its stages included in the order of the flow.

`Engine.process(batch, now, out)` is the seam: no socket, no clock, no
allocation, no Python object per packet. `Engine.pump` puts recvmmsg and
sendmmsg around it. Everything between is `noexcept nogil`.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memchr, memcmp, memcpy, memmove, memset, strlen

from cext.batch cimport *
from cext.hot cimport *
from cext.msg cimport *
from cext.policy cimport *
from cext.screen cimport *
from cext.state cimport *
from cext.verdict cimport *

from collections import namedtuple

cdef extern from *:
    uint64_t __builtin_bswap64(uint64_t) nogil

cdef extern from "string.h" nogil:
    void *memmem(const void *, size_t, const void *, size_t)

cdef enum:
    PARSE_END = -1

include "sys.pxi"
include "header_names.pxi"
include "reasons.pxi"
include "batch.pxi"
include "receive.pxi"
include "parse_uri.pxi"
include "parse_fault.pxi"
include "parse_addr.pxi"
include "parse_start.pxi"
include "parse.pxi"
include "sources.pxi"
include "ops/numbers.pxi"
include "ops/lines.pxi"
include "cookie.pxi"
include "emergency.pxi"
include "ops/rate.pxi"
include "txn.pxi"
include "toll.pxi"
include "behaviour.pxi"
include "leases_table.pxi"
include "findings.pxi"
include "leases.pxi"
include "ops/calls.pxi"
include "ops/limits.pxi"
include "bans.pxi"
include "ops/structure.pxi"
include "ops/scanner.pxi"
include "ops/originate.pxi"
include "ops/caller.pxi"
include "ops/diverted.pxi"
include "ops/display.pxi"
include "ops/marking.pxi"
include "ops/parties.pxi"
include "ops/destination.pxi"
include "ops/hours.pxi"
include "requests.pxi"
include "ops/do_not_call.pxi"
include "ops/toll.pxi"
include "ops/behaviour.pxi"
include "distance.pxi"
include "deferred.pxi"
include "ops/own_number.pxi"
include "callbacks.pxi"
include "route.pxi"
include "lane.pxi"
include "callers.pxi"
include "strangers.pxi"
include "evasion.pxi"
include "screen.pxi"
include "act_lane.pxi"
include "privacy.pxi"
include "act.pxi"
include "stir.pxi"
include "marking.pxi"
include "ops/overload.pxi"
include "account.pxi"
include "send.pxi"
include "number_ranges.pxi"
include "number_builder.pxi"
include "number_sets.pxi"
include "prefixes.pxi"
include "policy.pxi"
include "networks.pxi"
include "bans_face.pxi"
include "deferred_face.pxi"
include "toll_face.pxi"
include "behaviour_face.pxi"
include "engine.pxi"
include "process.pxi"
include "pump.pxi"
include "tokens.pxi"
include "inspect.pxi"

if <int>RSN_COUNT > <int>REASONS:
    raise ImportError("more reasons than the counters have room for: raise REASONS in state.pxd, and reason_rule in policy.pxd")
ea_class_init()
ea_scan_init()
ea_text_init()
ea_hash_init()
AES_FAST = bool(ea_aes_fast)
numbers_init()
