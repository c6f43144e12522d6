"""All that changes while calls pass: rate cells, marks, transactions, leases, counters, the event ring. Declarations only.

Memory is fixed and faulted in at start. Threads share the tables by atomics;
counters and rings have one writer each.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from cext.hot cimport EaAddr, EaMacKey, EaSumKey
from cext.msg cimport M_COUNT, SipMsg
from cext.policy cimport BUDGETS, MAX_LISTENERS, MAX_PEERS, MAX_RULES, PATTERNS

cdef enum:
    CELLS = 8               # of a bucket: one cache line
    WAYS = 8                # entries of a transaction bucket
    LEASE_WAYS = 7          # of a lease bucket
    LEASE_TAGS = 4          # open transactions, and far sides that answered, of one lease
    LEASE_KINDS = 3
    MAX_WORKERS = 64
    REASONS = 192           # room for every RSN_
    RING = 4096             # events of a worker, a power of two
    EVENT_TEXT = 64
    EVENTS_PER_SECOND = 20  # of one reason, before they are only summed
    ALERTS = 1024           # emergency calls of a worker that wait to be told, a power of two
    LOCATION_TEXT = 224
    BAN_KINDS = 5           # lengths of network that a ban may have
    STRIKES = 1024          # reports of a worker that wait to be taken, a power of two
    DEFER_BYTES = 16384     # of an INVITE that waits; a longer one can't
    DEFER_MOST = 4096       # slots: the transaction cache keeps their number in 12 bits
    DEFER_TEXT = 4096       # header lines that are put into it
    DEFER_VALUES = 512      # bytes of Resource-Priority values that a PASSporT vouches for
    TOLL_MEASURES = 3       # calls, minutes, money
    TOLL_SCOPES = 12        # meters of a trunk, see toll.pxi
    TOLL_CALLERS = 4096
    TOLL_WAYS = 8           # callers of a bucket
    NEAR_CALLER = 24        # numbers last called, of a caller and of a trunk
    NEAR_TRUNK = 32
    SEEN_CALLER = 512       # bits of a generation of called numbers
    SEEN_TRUNK = 8192
    CALLER_WAYS = 8
    REFUSED_KEPT = 3        # refusals of one source, see evasion.pxi

cdef enum:                  # what is counted of a caller or a trunk
    COUNT_CALLS = 0         # that went on
    COUNT_FRESH             # of them to numbers that it hadn't called before
    COUNT_NEAR              # of those beside one that it called just now
    COUNT_ENDS              # calls that ended, answered or not, by their callees' doing
    COUNT_ANSWERED
    COUNT_SHORT             # of those hung up within seconds
    COUNT_REFUSED           # calls to no number, or unwanted
    COUNT_RUNG              # calls given up after one ring
    COUNT_FOUND             # of a trunk: its callers that were found
    COUNTS

cdef struct CellTable:      # GCRA cells and marks: 24 bits of tag, 40 bits of time
    uint64_t *cell
    uint64_t mask           # buckets - 1
    uint64_t bytes
    uint64_t full           # takes that found no free cell

cdef struct Transaction:    # 32 bytes
    uint64_t key            # 0: empty, 1: being written
    uint64_t digest
    uint64_t verdict        # packed, see txn.pxi
    uint64_t time           # monotonic ns of the first copy

cdef struct TransactionTable:
    Transaction *entry
    uint64_t mask           # buckets - 1
    uint64_t bytes
    uint64_t evicted        # live entries that gave way

cdef struct Ban:            # 32 bytes
    uint64_t version        # counter << 10 | 1: holds for peers too << 9 | bits of 128 << 1 | 1: being written
    uint64_t hi, lo         # the network, masked
    uint64_t until          # monotonic ns; 0: an empty place

cdef struct BanTable:       # written by the control plane alone
    uint64_t count          # places in use, expired ones too
    uint64_t forced         # of them those that hold for peers too
    uint64_t used[BAN_KINDS]
    uint64_t full           # bans that found no room
    uint64_t bytes
    uint64_t sweep          # next bucket to be rid of what has expired
    uint64_t *tags          # 32 bits for each entry, two in a word
    Ban *entry

cdef struct StrikeRecord:   # a source with too many strikes
    uint64_t time
    EaAddr network
    uint32_t count
    uint16_t bits
    uint16_t reason         # of the last strike
    uint16_t slot           # of the open trunk, 0: nobody's
    uint8_t proven

cdef struct Lease:          # 64 bytes: one leg of a call, see leases.pxi; written under its bucket's lock
    uint32_t transaction[LEASE_TAGS]    # its INVITEs, with LEASE_DONE once they had their final answer; 0: none
    uint32_t far[LEASE_TAGS]            # To tags that answered, with LEASE_DONE once hung up; 0: none
    uint64_t expiry         # monotonic ns
    uint32_t called         # hash of the called number
    uint32_t peer_id        # of the trunk
    uint16_t slot           # and its counters
    uint8_t kind            # LEASE_OUT and the like: index into PeerCells.calls
    uint8_t live            # 1: counted there; 0: ended, kept for its late copies
    uint32_t answered       # ticks, of a dear call that is up, see toll.pxi; 0: not answered
    float price             # a minute of it
    uint16_t toll_caller    # place of its caller + 1, 0: none
    uint8_t toll            # class of its prefix, 0: no dear call
    uint8_t toll_off        # 1: begun outside of business hours

cdef struct LeaseStory:     # what is remembered of a call beside its lease, see findings.pxi; under the same lock
    uint64_t found          # bit of each rule that would have refused it, but for its mode; STORY_ANSWERED
    uint32_t caller         # tag of who calls, in behaviour.pxi, with STORY_UP once answered; 0: nothing is counted of it (any more)
    uint32_t tick           # of its INVITE; of its first ring, with BEHAVIOUR_RANG; of its first 2xx

cdef struct Pattern:        # what one caller or trunk does, see behaviour.pxi; written under the lock before it
    uint32_t n[COUNTS]      # in 1/256, half of it forgotten in the time that the settings say
    uint32_t since          # tick of its first call
    uint32_t aged           # tick up to which that forgetting is done
    uint32_t at[PATTERNS]   # tick at which a pattern was last there, 0: never
    uint32_t begun[PATTERNS]    # tick since which it is there, 0: it isn't
    uint32_t told           # tick of the last warning
    uint32_t next           # place in the numbers last called
    uint32_t bits[2]        # that are set in this and in the last generation of called numbers
    uint32_t half           # which half holds this generation
    uint32_t out            # 1: over the level that blocks, and taken out of its trunk's counts

cdef struct CallerPattern:
    Pattern pattern
    uint32_t near[NEAR_CALLER]
    uint64_t seen[2 * SEEN_CALLER / 64]

cdef struct CallerBucket:
    uint64_t lock
    uint32_t tag[CALLER_WAYS]   # 0: empty
    uint16_t rank[CALLER_WAYS]  # calls, and those of whom it took the place of (space-saving)
    uint32_t aged               # tick up to which ranks were halved
    uint32_t hot                # bit way: some pattern was there
    CallerPattern caller[CALLER_WAYS]

cdef struct TrunkPattern:
    uint64_t lock
    Pattern pattern
    uint32_t near[NEAR_TRUNK]
    uint64_t seen[2 * SEEN_TRUNK / 64]

cdef struct BehaviourTable:
    TrunkPattern *trunk     # by slot
    CallerBucket *caller    # each trunk has a stretch of its own
    uint64_t buckets
    uint64_t bytes
    uint64_t trunk_bytes
    uint64_t evicted        # callers that gave way to others of their trunk
    uint64_t contended      # observations that found no lock in time

cdef struct Refused:        # a refusal, see evasion.pxi
    uint32_t caller         # last digits or a sum; 0: an empty place
    uint32_t callee
    uint32_t written        # sum of how it was written
    uint8_t method

cdef struct Evader:         # the last refusals of one source
    uint64_t lock
    uint64_t key
    uint64_t until          # monotonic ns
    Refused refused[REFUSED_KEPT]

cdef struct LeaseBucket:    # eight cache lines; the first tells which of the others matter
    uint64_t lock
    uint64_t key[LEASE_WAYS]            # hash of Call-ID and originating tag, 0: empty
    Lease lease[LEASE_WAYS]

cdef struct LeaseTable:
    LeaseBucket *bucket
    LeaseStory *story       # for each cache line of the buckets
    uint64_t mask           # buckets - 1
    uint64_t bytes          # of the buckets
    uint64_t story_bytes
    uint64_t full           # calls that found no room and went uncounted
    uint64_t contended      # changes that found no lock in time
    uint64_t swept          # time of the last slice
    uint64_t cursor         # next bucket to sweep
    uint64_t looked         # time of the last look at the whole table

cdef struct DeferSlot:      # an INVITE that waits, see deferred.pxi; its bytes lie in the arena
    uint64_t word           # generation << 3 | DEFER_
    uint64_t key            # of its transaction
    uint64_t time           # monotonic ns, of its first copy
    uint64_t cancelled      # generation that a CANCEL came for
    EaAddr source
    EaAddr local
    uint32_t len
    uint32_t peer_id        # of who sent it
    uint32_t subject_id     # of the trunk whose settings hold
    uint16_t listener
    uint16_t slot           # whose share it takes
    uint16_t worker
    uint8_t asks            # ASK_
    uint8_t owned           # the trunk owns the number that is signed for
    uint8_t dated           # it has a Date
    uint16_t unproven       # LEFT_: what holds unless the verification passes
    uint8_t pending         # VOUCH_ that are asked about
    uint8_t repeated        # a copy of a call that went on: only to be signed
    uint8_t again           # a resubmission after a challenge: counted when it came first
    uint64_t value          # of the first finding that was recorded
    uint64_t limit
    uint64_t monitored      # bit rule: recorded when it came, then by the answer too
    uint64_t refusable      # of those, the rules that would have refused it, but for their mode
    uint16_t finding        # RSN_ of the first of them
    # the answer
    uint16_t reason         # RSN_ that decides, 0: it goes on
    uint8_t verstat         # VERSTAT_
    uint8_t told            # RSN_ that replies tell of, 0: none
    uint8_t attest          # "A", "B", "C" or 0
    uint8_t callback        # 1: the call comes back from a PSAP (RFC 9027)
    uint16_t values_len
    uint8_t values[DEFER_VALUES]    # length byte and text, in small letters
    uint16_t text_len
    uint8_t text[DEFER_TEXT]    # header lines to put in

cdef struct DeferTable:
    DeferSlot *call
    uint8_t *arena
    uint64_t *of_peer       # slots that each peer has
    uint32_t count
    uint32_t share          # slots that one peer may have
    uint64_t ring           # length of each worker's ring, a power of two
    uint64_t bytes
    uint64_t full           # calls that found no room

cdef struct PeerCells:      # a peer's own limits: indexed, never hashed; theoretical arrival time in ns
    uint64_t rate
    uint64_t ack
    uint64_t grace
    uint64_t emergency
    uint64_t emergency_owned
    uint64_t emergency_test
    uint64_t other          # of dialogs without a cell of their own
    uint64_t answers        # outside of calls
    uint64_t crowd_caller   # callers without a cell of their own, see ops/parties.pxi
    uint64_t crowd_callee
    uint64_t method[BUDGETS]    # requests outside a dialog that open no call, by kind
    uint64_t oc             # until, in ms, << 7 | of a hundred: what it asked of us, see ops/overload.pxi
    uint64_t oc_seq         # of that
    uint64_t forwards       # forwarded calls that passed on trust
    uint64_t callbacks      # windows for calling back
    uint64_t unvouched      # new calls of a trunk or to it that no PASSporT vouches for
    uint64_t options        # answers to OPTIONS
    uint64_t calls[LEASE_KINDS]     # leases of each kind; three cache lines. A new owner of the slot zeroes what stands before

cdef struct TollMeter:      # what is used of a day's budget, see toll.pxi; under the table's lock
    double used[TOLL_MEASURES]
    double limit[TOLL_MEASURES]     # a day, as when it was last used; 0: no limit
    uint64_t at             # that `used` is of, monotonic ns
    double up               # calls that are answered
    double since            # sum of the ticks when they were
    double price            # sum of their prices a minute
    double price_since      # sum of these times those ticks
    uint32_t held           # leases that count here
    uint32_t warned         # bit of each measure whose warning was told

cdef struct TollTrunk:
    TollMeter meter[TOLL_SCOPES]

cdef struct TollCaller:
    uint64_t number         # canonical, 0: empty
    uint32_t peer_id
    uint16_t slot
    TollMeter meter

cdef struct TollTable:
    TollTrunk *trunk        # of each slot
    TollCaller *caller
    uint64_t lock
    uint64_t bytes
    uint64_t full           # callers that gave way, or found no room
    uint64_t contended      # changes that found no lock in time
    uint64_t changes        # so that nothing is saved twice

cdef struct RequestTable:   # do-not-call requests, see requests.pxi; written by the control plane alone
    uint64_t *slot          # a number's key and a sum of its trunk; 0: empty
    uint64_t count
    uint64_t full           # requests that found no room
    uint64_t bytes

cdef struct OpenCells:      # an open trunk's limits for its callers; theoretical arrival times in ns
    uint64_t calls          # of callers who proved nothing, together
    uint64_t method[BUDGETS]
    uint64_t answers        # to callers over their rate
    uint64_t told_until     # when all that answers told of this trunk is forgotten

cdef struct AssertedCaller:     # of an emergency call that isn't answered yet
    uint64_t call           # its lease key ^ number
    uint64_t number         # canonical

cdef struct Keys:
    EaMacKey table          # of tables and digests: never leaves the process
    EaSumKey *sum           # of all sums
    EaMacKey branch
    EaMacKey loop           # with `sum` and `branch`: parts of branches, so a restart and the rest of a fleet make the same ones
    EaMacKey call           # of leases, and of what cookies say of them
    EaMacKey tag
    EaMacKey cookie[2]      # current, and the one before it
    uint8_t cookie_id[2]
    uint64_t cookie_count   # 1 once the one before has had its time

cdef struct EventRecord:
    uint64_t time
    uint64_t value
    uint64_t limit
    uint64_t monitored
    EaAddr source
    uint16_t reason
    uint64_t id             # of an answer that names one, 0: none
    uint16_t finding        # RSN_ of the first finding in monitor mode
    uint16_t status
    uint16_t slot
    uint8_t action
    uint8_t rule
    uint8_t method
    uint8_t call_id_len, from_len, to_len, agent_len
    uint8_t call_id[EVENT_TEXT]
    uint8_t from_user[EVENT_TEXT]
    uint8_t to_user[EVENT_TEXT]
    uint8_t agent[EVENT_TEXT]

cdef struct Alert:          # an emergency call, see account.pxi
    EventRecord event
    uint64_t asserted       # canonical number of another caller than From's, 0: none
    uint8_t owned           # 1: who calls is a number of the trunk
    uint8_t lane            # LANE_
    uint8_t supplied        # 1: the location is the trunk's default one
    uint8_t location_len
    uint8_t location[LOCATION_TEXT]

cdef struct Load:           # of a worker, see ops/overload.pxi
    uint64_t since          # when this window began, monotonic ns
    uint64_t received       # by then
    uint64_t strangers
    uint32_t fill           # standing, of 256
    uint32_t level          # 0, 1: requests that open no call are shed, 2: new calls too
    uint32_t shed           # share of them, of 256
    uint16_t low[MAX_LISTENERS]     # least fill of each listener's queue in this window

cdef struct Worker:
    uint64_t received
    uint64_t strangers      # of these from nobody's address
    uint64_t acted[4]       # by ACT_
    uint64_t methods[M_COUNT]
    uint64_t responses
    uint64_t heartbeat
    uint64_t batches
    uint64_t send_errors
    EaAddr unsent           # where the last of them should have gone
    uint64_t unsent_at
    uint32_t unsent_errno
    uint32_t unsent_listener
    uint64_t train_limit    # longest datagram that trains may have, see send.pxi
    uint64_t events_dropped
    uint64_t using          # generation of the policy in use, 0: none
    uint64_t ring_head      # written by the worker
    uint64_t ring_tail      # written by the reader
    uint64_t second         # that `logged` counts
    uint16_t logged[REASONS]
    Load load
    uint64_t *verdicts      # [slot][reason][action]
    uint64_t *monitored     # [slot][rule]
    uint64_t *findings      # [slot][kind of lease][answered][rule], see findings.pxi
    EventRecord *ring
    Alert *alerts
    uint64_t alert_head     # written by the worker
    uint64_t alert_tail     # written by the reader
    uint64_t alerts_dropped
    uint8_t alerted[MAX_PEERS + 1]      # of each peer in this `second`
    uint64_t strike_head    # written by the worker
    uint64_t strike_tail    # written by the reader
    uint64_t strikes_dropped
    StrikeRecord *strikes
    uint64_t waiting        # INVITEs that it holds
    uint64_t deferred_head  # written by the worker
    uint64_t deferred_tail  # written by the reader
    uint64_t deferred_ready # 1: something may be resumed
    uint64_t deferred_looked    # time of the last look at all of them
    uint64_t *deferred_ring # tickets: generation << 16 | slot
    uint32_t deferred_cursor
    uint32_t deferred_new   # some since the control plane was told
    int wake                # eventfd
    uint16_t index          # its own
    SipMsg *again           # what is resumed is parsed into this

cdef struct State:
    Keys keys
    CellTable rates
    CellTable strikes
    BanTable bans
    CellTable callers       # who has called whom before
    CellTable marks
    LeaseTable leases
    TransactionTable transactions
    DeferTable deferred
    TollTable toll
    RequestTable requests
    BehaviourTable behaviour
    uint64_t evaders_gone   # that gave way to others while they were live
    Evader *evaders         # strangers and callers of open trunks, then trunks by slot
    PeerCells *peers
    OpenCells *open
    Worker *workers
    uint64_t stir_told      # when no reply has a verification to tell of any more, monotonic ns
    AssertedCaller *asserted        # see callbacks.pxi
    uint64_t callback_until         # no window for calling back is open from then on
    uint64_t callbacks_full         # windows that a trunk had no more of
