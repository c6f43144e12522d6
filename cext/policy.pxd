"""The compiled policy: flat rows and tables, read-only once published. Declarations only.

Every array lives in memory of the Policy object that owns it and goes with it;
NumberSet objects are shared between policies.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cext.hot cimport EaAddr
from cext.msg cimport Slice

cdef enum:
    MAX_RULES = 64
    MAX_PEERS = 1024
    MAX_SOURCE_PORTS = 16
    MAX_LISTENERS = 64
    NO_PEER = 65535
    OWNER_SELF = 65534

cdef enum:
    PEER_UNKNOWN = 0
    PEER_TRUNK = 1
    PEER_UPSTREAM = 2

cdef enum:
    MODE_OFF = 0
    MODE_MONITOR = 1
    MODE_ENFORCE = 2

cdef enum:
    EMERGENCY_REJECT = 0
    EMERGENCY_ROUTE = 1
    EMERGENCY_REDIRECT = 2

cdef enum:                  # what becomes of a trunk's Identity headers
    STIR_IGNORE = 0
    STIR_TAG = 1
    STIR_REQUIRE = 2

cdef enum:                  # what is asked of the control plane, bits
    ASK_VERIFY = 1
    ASK_SIGN = 2

cdef enum:                  # markings that a peer may assert, in the order of ASSERTS in policy.pxi
    ASSERT_PAI = 1
    ASSERT_RESOURCE = 2
    ASSERT_PRIORITY = 4
    ASSERT_CHARGE = 8
    ASSERT_VERSTAT = 16
    ASSERT_ROUTING = 32     # routing parameters of the called number: target

cdef enum:                  # RFC 7339 with a peer
    OC_TELL = 1             # it is told when we shed its requests
    OC_HEED = 2             # it may ask for fewer of ours

cdef enum:                  # kinds of requests outside a dialog that open no call, each with a budget
    BUDGET_REGISTER = 0
    BUDGET_OPTIONS
    BUDGET_SUBSCRIBE
    BUDGET_MESSAGE
    BUDGET_OTHER
    BUDGETS

cdef enum:                  # as they are asked; also the order of OP_NAMES in policy.pxi and of OPS in screen.pxi
    OP_HOPS = 0
    OP_TARGET
    OP_INTERFACE
    OP_DIALOG
    OP_OVERLOAD
    OP_SCANNER
    OP_SOURCE_RATE
    OP_OPEN_RATE
    OP_TRUNK_RATE
    OP_METHOD_RATE
    OP_TRUNK_CALLS
    OP_CALLER_RATE
    OP_CALLEE_RATE
    OP_CALLER_FORMAT
    OP_CALLER_OWNED
    OP_CALLER_CONSISTENT
    OP_CALLER_ANONYMOUS
    OP_DO_NOT_ORIGINATE
    OP_DISPLAY_NAME
    OP_OWN_NUMBER_INBOUND
    OP_FORGED_MARKING
    OP_DESTINATION
    OP_TOLL_FRAUD
    OP_DO_NOT_CALL
    OP_CALLING_HOURS
    OP_DISPERSAL            # the patterns: in the order of PATTERN_
    OP_SEQUENTIAL
    OP_SHORT_CALLS
    OP_LOW_ANSWER
    OP_WANGIRI
    OP_COUNT

cdef enum:                  # patterns of behaviour, each a rule; see behaviour.pxi
    PATTERN_DISPERSAL = 0
    PATTERN_SEQUENTIAL
    PATTERN_SHORT_CALLS
    PATTERN_LOW_ANSWER
    PATTERN_WANGIRI
    PATTERNS

cdef struct Behaviour:      # what a trunk's calls are measured by; shares are of 256
    uint16_t weight[PATTERNS]
    uint16_t share[PATTERNS]
    uint16_t refused        # low-answer: share of calls that end at no number, or unwanted
    uint32_t short_ticks    # short-calls: an answered call that ended so soon
    uint32_t ring_ticks     # wangiri: one that was cancelled so soon after its ring began
    uint8_t on              # bit PATTERN_: its rule isn't off
    uint8_t enforced        # and enforces

cdef struct Limit:          # GCRA: nanoseconds per event, and the burst in nanoseconds
    uint64_t step
    uint64_t tolerance

cdef struct NumberTable:    # what NumberSet owns; see ops/numbers.pxi for keys
    const uint64_t *slot    # buckets of eight words, 0: empty; 51 bits of key, 12 of its end, 1 of the bucket's filter
    const uint64_t *ranges  # pairs of low (with its end) and high; sorted and disjoint
    const uint64_t *ends    # when entries end, ns; 0 stands for never
    const uint32_t *line    # instead of `slot`, for a long list: lines of sixteen words, see ops/lines.pxi
    const uint16_t *line_ends   # of each word of a line its end; NULL: no number has one
    uint64_t lines
    uint32_t key_bits       # no key in them is longer
    uint64_t buckets
    uint64_t longest        # buckets behind its own that a number may stand in
    uint64_t single_count
    uint64_t range_count
    uint64_t end_count

cdef struct PrefixTable:    # what Prefixes owns, see ops/destination.pxi
    uint64_t *slot          # key of a prefix, its value above; 0: empty
    uint64_t mask
    uint32_t lengths        # bit n: some prefix has n digits
    uint64_t lead[16]       # bit of each three digits that a prefix begins with, or may

cdef enum:
    TOLL_CLASSES = 10       # of dear prefixes, from 1 on

cdef struct TollRate:       # what a dear prefix is
    float price             # a minute
    uint8_t cls             # 0: not dear after all

cdef struct TollLimits:     # a trunk's budgets a day: calls, minutes, money; 0: none
    double trunk[3]
    double off[3]           # outside of its business hours
    double caller[3]
    double cls[TOLL_CLASSES][3]
    double warn             # share of each that is told

cdef struct Plan:           # how numbers without '+' are read in a country
    uint32_t cc
    uint32_t cc_len
    uint64_t *idd           # international prefixes, packed and sorted
    uint32_t idd_count
    uint32_t idd_lengths    # bit n: some have n digits
    uint64_t national_prefix
    uint32_t national_prefix_len
    uint32_t lengths        # bit n: a national number may have n digits

cdef struct EmergencyTable: # packed numbers, sorted
    uint64_t *exact
    uint64_t *plus
    uint64_t *test
    uint32_t exact_count
    uint32_t plus_count
    uint32_t test_count
    uint32_t longest        # digits

cdef struct Peer:
    uint32_t id             # hash of the name, never 0: what branches and cookies carry
    uint16_t slot           # its cells and counters in State; kept over a reload
    uint16_t upstream       # trunk: index of the peer its calls go to
    uint16_t emergency_upstream
    uint8_t kind            # PEER_
    uint8_t emergency       # EMERGENCY_
    uint8_t forwards_trust
    uint8_t overload_control    # bits OC_
    uint8_t open            # a trunk that takes callers from any address
    uint8_t probed          # an upstream without probes is never down
    uint16_t over_limit     # status
    uint16_t plan
    uint16_t emergency_table
    uint32_t methods        # bit M_: allowed out of dialog
    uint32_t first_target   # upstream: its targets; trunk: its contacts
    uint32_t target_count
    uint32_t first_set
    uint32_t set_count
    Slice marks             # of display-name: a length byte and letters each
    Slice domain            # host[:port] that replaces an own name in the Request-URI
    Limit rate              # trunk-rate
    uint32_t ops            # bit OP_: its row applies to this kind of peer, and its rule is not off
    Limit method_rate[BUDGETS]
    Limit caller_rate
    Limit callee_rate
    uint64_t callee_known_ns        # how long callee-rate knows who called
    uint64_t concurrent     # trunk-calls
    uint8_t stir            # STIR_, of a trunk: calls from it and to it
    uint8_t distance        # MODE_ of source-hops
    uint8_t sign            # an upstream whose calls get an Identity header
    uint8_t mode[MAX_RULES]
    uint8_t asserts         # bits ASSERT_
    uint32_t first_pilot    # in sets too
    uint32_t pilot_count
    uint32_t diversions     # of one call, at most
    Limit forwards          # forwarded calls that pass on trust
    Limit unvouched         # stir-attestation: calls that no PASSporT vouches for; step 0: any number
    uint8_t emergency_urn   # an upstream that takes emergency calls by their service URN
    Slice location          # a trunk's default one, a URI; empty: none
    PrefixTable *destination        # of a trunk with a deny list, NULL: none
    TollLimits *toll        # toll-fraud, NULL: off
    uint64_t toll_off       # 1: outside of its business hours; written by the control plane
    Behaviour behaviour     # of a trunk
    uint64_t *closed        # calling-hours: bit of each zone class where no call may go now; written by the control plane

cdef struct SourceRow:      # a network that is a peer's
    uint64_t hi, lo
    uint16_t bits           # of 128
    uint16_t peer
    uint16_t port_count     # 0: any source port
    uint16_t ports[MAX_SOURCE_PORTS]
    int32_t next            # another row of the same network, -1: none

cdef enum:                  # what the lists say of a source that is no peer's
    LIST_NONE = 0
    LIST_DENY = 1
    LIST_ALLOW = 2

cdef struct NetRow:         # a listed network
    uint64_t hi, lo
    uint64_t until          # ns: by the engine's clock in a policy, wall time in a NetworkSet; 0: no end
    int32_t next            # another row of the same hash, -1: none; in a NetworkSet its line
    uint16_t bits           # of 128
    uint16_t kind           # LIST_

cdef struct NetTable:
    NetRow *row
    int32_t *head           # hash of network -> row, -1: none
    uint64_t mask
    uint32_t count
    uint16_t v4_count, v6_count
    uint16_t v4_bits[33]    # distinct lengths, longest first
    uint16_t v6_bits[129]

cdef struct NameRow:        # a host that a URI may name
    uint64_t hash
    EaAddr address          # when is_address
    Slice text              # lower case
    uint16_t owner          # peer index or OWNER_SELF
    uint16_t port           # 0: any
    uint16_t is_address
    int32_t next            # same hash, -1: none

cdef struct Target:
    EaAddr address
    Slice text              # host:port for a Request-URI; empty: its peer's domain
    uint32_t up             # written by the control plane
    uint32_t listener       # it is sent to by this one, unless the one that a message came in at is able to
    uint64_t able           # listeners that can send to it, a bit each; 0: nobody looked

cdef struct Listener:
    EaAddr address
    Slice sent_by           # host:port for Via and Record-Route
    uint16_t v6
    uint16_t wildcard       # of every address: what comes in is answered from where it was sent to

cdef struct OwnerRange:     # which trunk owns [low, high], for calls from an upstream
    uint64_t low, high
    uint32_t peer

cdef struct PolicyImage:
    uint64_t generation
    int64_t wall_ahead      # of the engine's clock, ns
    uint32_t peer_count, source_count, name_count, target_count, listener_count
    uint32_t range_count, file_set_count, set_count
    uint32_t bits_count
    uint32_t source_mask, name_mask
    uint16_t source_bits[129]       # distinct network lengths, longest first
    Peer *peers
    SourceRow *sources
    int32_t *source_heads           # hash of network -> row, -1: none
    NetTable listed                 # networks of [lists] allow and deny
    NameRow *names
    int32_t *name_heads
    Target *targets
    Listener *listeners
    OwnerRange *owners
    NumberTable **sets              # Peer.first_set indexes here
    uint32_t *file_set_peer
    NumberTable **file_sets
    NumberTable *no_callers         # [lists] do_not_originate, then may_originate, then nanp_unallocated; ends by our clock
    uint32_t no_caller_count, may_call_count, unallocated_count
    uint32_t no_callers_far         # 1: some of the first are too long to be in a cache
    NumberTable *no_callees         # [lists] do_not_call; ends by our clock
    uint32_t no_callee_count
    uint32_t no_callees_far         # 1: some are too long to be in a cache
    Plan *plans
    EmergencyTable *emergencies
    uint8_t *text
    uint32_t cc_lengths[1000]       # bit n: n national digits are possible; 0: no such country code
    # settings of single rules
    uint32_t interface_methods
    uint32_t dialog_methods
    uint32_t interface_max_bytes
    uint32_t max_forwards
    uint32_t forwards_per_call
    Limit source_rate, prefix_rate, dialog_grace, dialog_rate, ack_budget, emergency_rate, answers
    Limit site_rate, caller_calls, open_answers, unknown_answers
    Limit sweep, auth_abuse, user_failures
    Limit evasion           # attempts to get a refused call through
    uint32_t sweep_adjacent         # weight of a neighbour
    uint8_t stir_reject             # a certificate can't be had: 436
    Limit strikes                   # a step is the time that forgets one strike, the tolerance all that make a ban
    uint64_t emergency_caller_ns
    uint64_t emergency_concurrent
    uint64_t callback_ns            # how long who called an emergency service may be called back
    Limit callbacks                 # of one trunk, in that time
    uint64_t grace_until            # monotonic ns; 0: no grace
    uint8_t reason_rule[192]        # rule of each RSN_, 255: none
    uint8_t unknown_mode[MAX_RULES] # of each rule on sources that are nobody's
    uint32_t ops                    # bits OP_ that have a row
    uint8_t op_rule[OP_COUNT]       # rule of each
    uint8_t *signatures             # length byte and text, folded
    uint32_t signature_bytes
    uint32_t signature_stride       # windows of three bytes that every signature has, one behind the other
    uint8_t signature_windows[4096] # 1 for each of them, see ops/scanner.pxi
    uint8_t *skeleton               # of display-name: pages of 256 classes, see numbering/skeleton.py
    uint8_t *skeleton_index
    uint8_t *body_types             # length byte and text, lower case
    uint32_t body_type_bytes
    uint32_t behaviour_calls        # of a caller, before anything is held against it
    uint32_t behaviour_trunk_calls  # of a whole trunk
    uint32_t behaviour_learn        # ticks; so long nothing is held against a new caller or trunk
    uint32_t behaviour_step         # ticks; a sixteenth of the time in which half of what was counted is forgotten
    uint32_t behaviour_hold         # the same of a score
    uint32_t behaviour_warn         # score that is told of
    uint32_t behaviour_block        # score that is refused
    uint32_t behaviour_share        # buckets of callers that one trunk has; set when the policy is published
    Slice redress           # of 603+ answers: v=analytics1 and whom to turn to
    uint32_t own_numbers    # 1: own-number-inbound looks at some upstream's calls
    PrefixTable *toll               # places in toll_rates of dear prefixes; NULL: nobody is asked
    TollRate *toll_rates
    PrefixTable *zones              # calling-hours: zone class of a number; NULL: no trunk is asked
