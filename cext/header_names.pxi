# Written by gen.py: the header names that the engine knows, as a perfect hash.

cdef enum:
    H_OTHER = 0
    H_VIA = 1
    H_FROM = 2
    H_TO = 3
    H_CALL_ID = 4
    H_CSEQ = 5
    H_MAX_FORWARDS = 6
    H_CONTENT_LENGTH = 7
    H_CONTENT_TYPE = 8
    H_CONTACT = 9
    H_ROUTE = 10
    H_RECORD_ROUTE = 11
    H_PROXY_REQUIRE = 12
    H_USER_AGENT = 13
    H_SERVER = 14
    H_P_ASSERTED_IDENTITY = 15
    H_P_PREFERRED_IDENTITY = 16
    H_REMOTE_PARTY_ID = 17
    H_DIVERSION = 18
    H_HISTORY_INFO = 19
    H_PRIVACY = 20
    H_IDENTITY = 21
    H_REFER_TO = 22
    H_REFERRED_BY = 23
    H_PROXY_AUTHORIZATION = 24
    H_AUTHORIZATION = 25
    H_DATE = 26
    H_SUBJECT = 27
    H_EXPIRES = 28
    H_SESSION_EXPIRES = 29
    H_MIN_SE = 30
    H_PRIORITY = 31
    H_ORGANIZATION = 32
    H_MIME_VERSION = 33
    H_TIMESTAMP = 34
    H_EVENT = 35
    H_CONTENT_DISPOSITION = 36
    H_MIN_EXPIRES = 37
    H_REPLY_TO = 38
    H_RSEQ = 39
    H_RACK = 40
    H_TARGET_DIALOG = 41
    H_REPLACES = 42
    H_JOIN = 43
    H_CONTENT_ENCODING = 44
    H_SUPPORTED = 45
    H_ALLOW_EVENTS = 46
    H_ACCEPT_CONTACT = 47
    H_REJECT_CONTACT = 48
    H_REQUEST_DISPOSITION = 49
    H_REQUIRE = 50
    H_ALLOW = 51
    H_REASON = 52
    H_P_CHARGE_INFO = 53
    H_RESOURCE_PRIORITY = 54
    H_RETRY_AFTER = 55
    H_COUNT = 56

cdef extern from *:
    """
    #define HEADER_HASH_MULTIPLIER 0x3c27b303a6c45227ull
    #define HEADER_HASH_SHIFT 56
    #define HEADER_SINGLE 0xa00ffffcc061fcull
    typedef struct { const char *name; uint8_t len, id; uint64_t fold, fold_end; } EaHeaderName;
    static const EaHeaderName ea_header_names[256] = {
        [6] = {"route", 5, 10, 0x6574756f72ull, 0x6574756f72ull},
        [15] = {"j", 1, 48, 0x6aull, 0x6aull},
        [16] = {"remote-party-id", 15, 17, 0x702d65746f6d6572ull, 0x64692d7974726170ull},
        [22] = {"proxy-require", 13, 12, 0x65722d79786f7270ull, 0x657269757165722dull},
        [23] = {"authorization", 13, 25, 0x7a69726f68747561ull, 0x6e6f6974617a6972ull},
        [25] = {"max-forwards", 12, 6, 0x77726f662d78616dull, 0x7364726177726f66ull},
        [27] = {"organization", 12, 32, 0x617a696e6167726full, 0x6e6f6974617a696eull},
        [28] = {"privacy", 7, 20, 0x79636176697270ull, 0x79636176697270ull},
        [30] = {"f", 1, 2, 0x66ull, 0x66ull},
        [38] = {"min-expires", 11, 37, 0x697078652d6e696dull, 0x736572697078652dull},
        [44] = {"s", 1, 27, 0x73ull, 0x73ull},
        [46] = {"b", 1, 23, 0x62ull, 0x62ull},
        [49] = {"rack", 4, 40, 0x6b636172ull, 0x6b636172ull},
        [53] = {"p-preferred-identity", 20, 16, 0x7265666572702d70ull, 0x797469746e656469ull},
        [54] = {"subject", 7, 27, 0x7463656a627573ull, 0x7463656a627573ull},
        [55] = {"server", 6, 14, 0x726576726573ull, 0x726576726573ull},
        [57] = {"referred-by", 11, 23, 0x6465727265666572ull, 0x79622d6465727265ull},
        [58] = {"priority", 8, 31, 0x797469726f697270ull, 0x797469726f697270ull},
        [60] = {"o", 1, 35, 0x6full, 0x6full},
        [62] = {"user-agent", 10, 13, 0x6567612d72657375ull, 0x746e6567612d7265ull},
        [66] = {"retry-after", 11, 55, 0x66612d7972746572ull, 0x72657466612d7972ull},
        [75] = {"k", 1, 45, 0x6bull, 0x6bull},
        [76] = {"via", 3, 1, 0x616976ull, 0x616976ull},
        [83] = {"proxy-authorization", 19, 24, 0x75612d79786f7270ull, 0x6e6f6974617a6972ull},
        [89] = {"x", 1, 29, 0x78ull, 0x78ull},
        [92] = {"call-id", 7, 4, 0x64692d6c6c6163ull, 0x64692d6c6c6163ull},
        [97] = {"history-info", 12, 19, 0x2d79726f74736968ull, 0x6f666e692d79726full},
        [104] = {"t", 1, 3, 0x74ull, 0x74ull},
        [105] = {"p-asserted-identity", 19, 15, 0x7472657373612d70ull, 0x797469746e656469ull},
        [106] = {"c", 1, 8, 0x63ull, 0x63ull},
        [108] = {"diversion", 9, 18, 0x6f69737265766964ull, 0x6e6f697372657669ull},
        [110] = {"from", 4, 2, 0x6d6f7266ull, 0x6d6f7266ull},
        [111] = {"timestamp", 9, 34, 0x6d617473656d6974ull, 0x706d617473656d69ull},
        [112] = {"require", 7, 50, 0x65726975716572ull, 0x65726975716572ull},
        [115] = {"contact", 7, 9, 0x746361746e6f63ull, 0x746361746e6f63ull},
        [116] = {"content-type", 12, 8, 0x2d746e65746e6f63ull, 0x657079742d746e65ull},
        [120] = {"rseq", 4, 39, 0x71657372ull, 0x71657372ull},
        [126] = {"supported", 9, 45, 0x6574726f70707573ull, 0x646574726f707075ull},
        [128] = {"reason", 6, 52, 0x6e6f73616572ull, 0x6e6f73616572ull},
        [130] = {"reject-contact", 14, 48, 0x632d7463656a6572ull, 0x746361746e6f632dull},
        [132] = {"p-charge-info", 13, 53, 0x6567726168632d70ull, 0x6f666e692d656772ull},
        [135] = {"l", 1, 7, 0x6cull, 0x6cull},
        [136] = {"resource-priority", 17, 54, 0x656372756f736572ull, 0x797469726f697270ull},
        [142] = {"event", 5, 35, 0x746e657665ull, 0x746e657665ull},
        [143] = {"reply-to", 8, 38, 0x6f742d796c706572ull, 0x6f742d796c706572ull},
        [145] = {"replaces", 8, 42, 0x736563616c706572ull, 0x736563616c706572ull},
        [149] = {"y", 1, 21, 0x79ull, 0x79ull},
        [165] = {"u", 1, 46, 0x75ull, 0x75ull},
        [166] = {"d", 1, 49, 0x64ull, 0x64ull},
        [172] = {"allow-events", 12, 46, 0x76652d776f6c6c61ull, 0x73746e6576652d77ull},
        [173] = {"target-dialog", 13, 41, 0x642d746567726174ull, 0x676f6c6169642d74ull},
        [180] = {"date", 4, 26, 0x65746164ull, 0x65746164ull},
        [184] = {"content-encoding", 16, 44, 0x2d746e65746e6f63ull, 0x676e69646f636e65ull},
        [185] = {"join", 4, 43, 0x6e696f6aull, 0x6e696f6aull},
        [189] = {"min-se", 6, 30, 0x65732d6e696dull, 0x65732d6e696dull},
        [190] = {"session-expires", 15, 29, 0x2d6e6f6973736573ull, 0x736572697078652dull},
        [194] = {"content-length", 14, 7, 0x2d746e65746e6f63ull, 0x6874676e656c2d74ull},
        [195] = {"m", 1, 9, 0x6dull, 0x6dull},
        [198] = {"to", 2, 3, 0x6f74ull, 0x6f74ull},
        [199] = {"accept-contact", 14, 47, 0x632d747065636361ull, 0x746361746e6f632dull},
        [203] = {"request-disposition", 19, 49, 0x2d74736575716572ull, 0x6e6f697469736f70ull},
        [211] = {"i", 1, 4, 0x69ull, 0x69ull},
        [216] = {"expires", 7, 28, 0x73657269707865ull, 0x73657269707865ull},
        [217] = {"record-route", 12, 11, 0x722d64726f636572ull, 0x6574756f722d6472ull},
        [223] = {"content-disposition", 19, 36, 0x2d746e65746e6f63ull, 0x6e6f697469736f70ull},
        [225] = {"v", 1, 1, 0x76ull, 0x76ull},
        [226] = {"e", 1, 44, 0x65ull, 0x65ull},
        [231] = {"identity", 8, 21, 0x797469746e656469ull, 0x797469746e656469ull},
        [232] = {"refer-to", 8, 22, 0x6f742d7265666572ull, 0x6f742d7265666572ull},
        [237] = {"allow", 5, 51, 0x776f6c6c61ull, 0x776f6c6c61ull},
        [240] = {"r", 1, 22, 0x72ull, 0x72ull},
        [241] = {"cseq", 4, 5, 0x71657363ull, 0x71657363ull},
        [242] = {"a", 1, 47, 0x61ull, 0x61ull},
        [248] = {"mime-version", 12, 33, 0x7265762d656d696dull, 0x6e6f69737265762dull},
    };
    static const char *const ea_header_long[56] = {
        "",
        "via",
        "from",
        "to",
        "call-id",
        "cseq",
        "max-forwards",
        "content-length",
        "content-type",
        "contact",
        "route",
        "record-route",
        "proxy-require",
        "user-agent",
        "server",
        "p-asserted-identity",
        "p-preferred-identity",
        "remote-party-id",
        "diversion",
        "history-info",
        "privacy",
        "identity",
        "refer-to",
        "referred-by",
        "proxy-authorization",
        "authorization",
        "date",
        "subject",
        "expires",
        "session-expires",
        "min-se",
        "priority",
        "organization",
        "mime-version",
        "timestamp",
        "event",
        "content-disposition",
        "min-expires",
        "reply-to",
        "rseq",
        "rack",
        "target-dialog",
        "replaces",
        "join",
        "content-encoding",
        "supported",
        "allow-events",
        "accept-contact",
        "reject-contact",
        "request-disposition",
        "require",
        "allow",
        "reason",
        "p-charge-info",
        "resource-priority",
        "retry-after",
    };
    """
    uint64_t HEADER_HASH_MULTIPLIER, HEADER_SINGLE
    int HEADER_HASH_SHIFT
    ctypedef struct EaHeaderName:
        const char *name
        uint8_t len, id
        uint64_t fold, fold_end
    const EaHeaderName *ea_header_names
    const char *const *ea_header_long
