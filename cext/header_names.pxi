# Written by gen.py: the header names that the engine knows, as perfect hashes.

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
    H_X_EDGE = 56
    H_COUNT = 57

cdef extern from *:
    """
    #define HEADER_HASH_MULTIPLIER 0x3c27b303a6c45227ull
    #define HEADER_HASH_SHIFT 56
    #define HEADER_SINGLE 0xa00ffffcc061fcull
    typedef struct { uint64_t fold, fold_middle, fold_end; uint8_t len, id; } EaHeaderName;
    static const EaHeaderName ea_header_names[256] = {
        [6] = {0x6574756f72ull, 0x0ull, 0x6574756f72ull, 5, 10}, /* route */
        [15] = {0x6aull, 0x0ull, 0x6aull, 1, 48}, /* j */
        [16] = {0x702d65746f6d6572ull, 0x64692d79747261ull, 0x64692d7974726170ull, 15, 17}, /* remote-party-id */
        [22] = {0x65722d79786f7270ull, 0x6572697571ull, 0x657269757165722dull, 13, 12}, /* proxy-require */
        [23] = {0x7a69726f68747561ull, 0x6e6f697461ull, 0x6e6f6974617a6972ull, 13, 25}, /* authorization */
        [25] = {0x77726f662d78616dull, 0x73647261ull, 0x7364726177726f66ull, 12, 6}, /* max-forwards */
        [27] = {0x617a696e6167726full, 0x6e6f6974ull, 0x6e6f6974617a696eull, 12, 32}, /* organization */
        [28] = {0x79636176697270ull, 0x0ull, 0x79636176697270ull, 7, 20}, /* privacy */
        [30] = {0x66ull, 0x0ull, 0x66ull, 1, 2}, /* f */
        [38] = {0x697078652d6e696dull, 0x736572ull, 0x736572697078652dull, 11, 37}, /* min-expires */
        [44] = {0x73ull, 0x0ull, 0x73ull, 1, 27}, /* s */
        [46] = {0x62ull, 0x0ull, 0x62ull, 1, 23}, /* b */
        [49] = {0x6b636172ull, 0x0ull, 0x6b636172ull, 4, 40}, /* rack */
        [53] = {0x7265666572702d70ull, 0x6e6564692d646572ull, 0x797469746e656469ull, 20, 16}, /* p-preferred-identity */
        [54] = {0x7463656a627573ull, 0x0ull, 0x7463656a627573ull, 7, 27}, /* subject */
        [55] = {0x726576726573ull, 0x0ull, 0x726576726573ull, 6, 14}, /* server */
        [57] = {0x6465727265666572ull, 0x79622dull, 0x79622d6465727265ull, 11, 23}, /* referred-by */
        [58] = {0x797469726f697270ull, 0x0ull, 0x797469726f697270ull, 8, 31}, /* priority */
        [60] = {0x6full, 0x0ull, 0x6full, 1, 35}, /* o */
        [62] = {0x6567612d72657375ull, 0x746eull, 0x746e6567612d7265ull, 10, 13}, /* user-agent */
        [66] = {0x66612d7972746572ull, 0x726574ull, 0x72657466612d7972ull, 11, 55}, /* retry-after */
        [75] = {0x6bull, 0x0ull, 0x6bull, 1, 45}, /* k */
        [76] = {0x616976ull, 0x0ull, 0x616976ull, 3, 1}, /* via */
        [83] = {0x75612d79786f7270ull, 0x74617a69726f6874ull, 0x6e6f6974617a6972ull, 19, 24}, /* proxy-authorization */
        [89] = {0x78ull, 0x0ull, 0x78ull, 1, 29}, /* x */
        [92] = {0x64692d6c6c6163ull, 0x0ull, 0x64692d6c6c6163ull, 7, 4}, /* call-id */
        [97] = {0x2d79726f74736968ull, 0x6f666e69ull, 0x6f666e692d79726full, 12, 19}, /* history-info */
        [104] = {0x74ull, 0x0ull, 0x74ull, 1, 3}, /* t */
        [105] = {0x7472657373612d70ull, 0x746e6564692d6465ull, 0x797469746e656469ull, 19, 15}, /* p-asserted-identity */
        [106] = {0x63ull, 0x0ull, 0x63ull, 1, 8}, /* c */
        [108] = {0x6f69737265766964ull, 0x6eull, 0x6e6f697372657669ull, 9, 18}, /* diversion */
        [110] = {0x6d6f7266ull, 0x0ull, 0x6d6f7266ull, 4, 2}, /* from */
        [111] = {0x6d617473656d6974ull, 0x70ull, 0x706d617473656d69ull, 9, 34}, /* timestamp */
        [112] = {0x65726975716572ull, 0x0ull, 0x65726975716572ull, 7, 50}, /* require */
        [115] = {0x746361746e6f63ull, 0x0ull, 0x746361746e6f63ull, 7, 9}, /* contact */
        [116] = {0x2d746e65746e6f63ull, 0x65707974ull, 0x657079742d746e65ull, 12, 8}, /* content-type */
        [120] = {0x71657372ull, 0x0ull, 0x71657372ull, 4, 39}, /* rseq */
        [126] = {0x6574726f70707573ull, 0x64ull, 0x646574726f707075ull, 9, 45}, /* supported */
        [128] = {0x6e6f73616572ull, 0x0ull, 0x6e6f73616572ull, 6, 52}, /* reason */
        [130] = {0x632d7463656a6572ull, 0x746361746e6full, 0x746361746e6f632dull, 14, 48}, /* reject-contact */
        [132] = {0x6567726168632d70ull, 0x6f666e692dull, 0x6f666e692d656772ull, 13, 53}, /* p-charge-info */
        [135] = {0x6cull, 0x0ull, 0x6cull, 1, 7}, /* l */
        [136] = {0x656372756f736572ull, 0x7469726f6972702dull, 0x797469726f697270ull, 17, 54}, /* resource-priority */
        [142] = {0x746e657665ull, 0x0ull, 0x746e657665ull, 5, 35}, /* event */
        [143] = {0x6f742d796c706572ull, 0x0ull, 0x6f742d796c706572ull, 8, 38}, /* reply-to */
        [145] = {0x736563616c706572ull, 0x0ull, 0x736563616c706572ull, 8, 42}, /* replaces */
        [149] = {0x79ull, 0x0ull, 0x79ull, 1, 21}, /* y */
        [165] = {0x75ull, 0x0ull, 0x75ull, 1, 46}, /* u */
        [166] = {0x64ull, 0x0ull, 0x64ull, 1, 49}, /* d */
        [172] = {0x76652d776f6c6c61ull, 0x73746e65ull, 0x73746e6576652d77ull, 12, 46}, /* allow-events */
        [173] = {0x642d746567726174ull, 0x676f6c6169ull, 0x676f6c6169642d74ull, 13, 41}, /* target-dialog */
        [180] = {0x65746164ull, 0x0ull, 0x65746164ull, 4, 26}, /* date */
        [184] = {0x2d746e65746e6f63ull, 0x676e69646f636e65ull, 0x676e69646f636e65ull, 16, 44}, /* content-encoding */
        [185] = {0x6e696f6aull, 0x0ull, 0x6e696f6aull, 4, 43}, /* join */
        [189] = {0x65732d6e696dull, 0x0ull, 0x65732d6e696dull, 6, 30}, /* min-se */
        [190] = {0x2d6e6f6973736573ull, 0x73657269707865ull, 0x736572697078652dull, 15, 29}, /* session-expires */
        [194] = {0x2d746e65746e6f63ull, 0x6874676e656cull, 0x6874676e656c2d74ull, 14, 7}, /* content-length */
        [195] = {0x6dull, 0x0ull, 0x6dull, 1, 9}, /* m */
        [198] = {0x6f74ull, 0x0ull, 0x6f74ull, 2, 3}, /* to */
        [199] = {0x632d747065636361ull, 0x746361746e6full, 0x746361746e6f632dull, 14, 47}, /* accept-contact */
        [203] = {0x2d74736575716572ull, 0x7469736f70736964ull, 0x6e6f697469736f70ull, 19, 49}, /* request-disposition */
        [211] = {0x69ull, 0x0ull, 0x69ull, 1, 4}, /* i */
        [216] = {0x73657269707865ull, 0x0ull, 0x73657269707865ull, 7, 28}, /* expires */
        [217] = {0x722d64726f636572ull, 0x6574756full, 0x6574756f722d6472ull, 12, 11}, /* record-route */
        [223] = {0x2d746e65746e6f63ull, 0x7469736f70736964ull, 0x6e6f697469736f70ull, 19, 36}, /* content-disposition */
        [225] = {0x76ull, 0x0ull, 0x76ull, 1, 1}, /* v */
        [226] = {0x65ull, 0x0ull, 0x65ull, 1, 44}, /* e */
        [231] = {0x797469746e656469ull, 0x0ull, 0x797469746e656469ull, 8, 21}, /* identity */
        [232] = {0x6f742d7265666572ull, 0x0ull, 0x6f742d7265666572ull, 8, 22}, /* refer-to */
        [237] = {0x776f6c6c61ull, 0x0ull, 0x776f6c6c61ull, 5, 51}, /* allow */
        [240] = {0x72ull, 0x0ull, 0x72ull, 1, 22}, /* r */
        [241] = {0x71657363ull, 0x0ull, 0x71657363ull, 4, 5}, /* cseq */
        [242] = {0x61ull, 0x0ull, 0x61ull, 1, 47}, /* a */
        [248] = {0x7265762d656d696dull, 0x6e6f6973ull, 0x6e6f69737265762dull, 12, 33}, /* mime-version */
    };
    #define USUAL_MULTIPLIER 0x629610adu
    #define USUAL_SHIFT 24
    typedef struct __attribute__((aligned(32))) { uint8_t low[20]; uint32_t others; uint8_t id; } EaUsualName;
    static const EaUsualName ea_usual_names[256] = {
        [0] = {"min-se:", 0xff80, 30},
        [1] = {"session-expires:", 0x0, 29},
        [2] = {"allow:", 0xffc0, 51},
        [4] = {"allow-events:", 0xe000, 46},
        [7] = {"privacy:", 0xff00, 20},
        [10] = {"x:", 0xfffc, 29},
        [16] = {"i:", 0xfffc, 4},
        [22] = {"proxy-require:", 0xc000, 12},
        [27] = {"y:", 0xfffc, 21},
        [33] = {"j:", 0xfffc, 48},
        [39] = {"call-id:", 0xff00, 4},
        [40] = {"identity:", 0xfe00, 21},
        [45] = {"max-forwards:", 0xe000, 6},
        [50] = {"k:", 0xfffc, 45},
        [51] = {"reason:", 0xff80, 52},
        [59] = {"route:", 0xffc0, 10},
        [62] = {"subject:", 0xff00, 27},
        [66] = {"l:", 0xfffc, 7},
        [69] = {"accept-contact:", 0x8000, 47},
        [80] = {"supported:", 0xfc00, 45},
        [83] = {"m:", 0xfffc, 9},
        [91] = {"expires:", 0xff00, 28},
        [95] = {"cseq:", 0xffe0, 5},
        [99] = {"retry-after:", 0xf000, 55},
        [102] = {"refer-to:", 0xfe00, 22},
        [115] = {"date:", 0xffe0, 26},
        [116] = {"o:", 0xfffc, 35},
        [119] = {"timestamp:", 0xfc00, 34},
        [136] = {"event:", 0xffc0, 35},
        [139] = {"a:", 0xfffc, 47},
        [140] = {"history-info:", 0xe000, 19},
        [150] = {"from:", 0xffe0, 2},
        [151] = {"diversion:", 0xfc00, 18},
        [154] = {"require:", 0xff00, 50},
        [156] = {"b:", 0xfffc, 23},
        [157] = {"target-dialog:", 0xc000, 41},
        [161] = {"p-charge-info:", 0xc000, 53},
        [166] = {"r:", 0xfffc, 22},
        [169] = {"replaces:", 0xfe00, 42},
        [172] = {"c:", 0xfffc, 8},
        [174] = {"min-expires:", 0xf000, 37},
        [180] = {"contact:", 0xff00, 9},
        [183] = {"s:", 0xfffc, 27},
        [189] = {"d:", 0xfffc, 49},
        [190] = {"referred-by:", 0xf000, 23},
        [191] = {"via:", 0xfff0, 1},
        [192] = {"server:", 0xff80, 14},
        [194] = {"to:", 0xfff8, 3},
        [195] = {"content-length:", 0x8000, 7},
        [200] = {"t:", 0xfffc, 3},
        [204] = {"record-route:", 0xe000, 11},
        [205] = {"remote-party-id:", 0x0, 17},
        [206] = {"e:", 0xfffc, 44},
        [213] = {"organization:", 0xe000, 32},
        [216] = {"u:", 0xfffc, 46},
        [222] = {"f:", 0xfffc, 2},
        [224] = {"rack:", 0xffe0, 40},
        [233] = {"v:", 0xfffc, 1},
        [234] = {"authorization:", 0xc000, 25},
        [239] = {"user-agent:", 0xf800, 13},
        [251] = {"join:", 0xffe0, 43},
        [254] = {"content-type:", 0xe000, 8},
    };
    static const char *const ea_header_long[57] = {
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
        "x-edge-",
    };
    """
    uint64_t HEADER_HASH_MULTIPLIER, HEADER_SINGLE
    int HEADER_HASH_SHIFT, USUAL_SHIFT
    uint32_t USUAL_MULTIPLIER
    ctypedef struct EaHeaderName:
        uint64_t fold, fold_middle, fold_end
        uint8_t len, id
    ctypedef struct EaUsualName:
        uint8_t low[20]
        uint32_t others
        uint8_t id
    const EaHeaderName *ea_header_names
    const EaUsualName *ea_usual_names
    const char *const *ea_header_long
