/**
 * Where the texts, connections and queries of the HTTP tracker lie in the shared memory.
 *
 * Part of layout.ts, which says how it is read and by whom.
 */

// Texts of the HTTP tracker, written by init's caller (wasm/texts.ts), behind the workers.
export const HTTP_TEXTS = 266240; // HTTP_TEXT_COUNT_MAX × HTTP_TEXT_SIZE: u8 length, then ASCII
export const HTTP_TEXT_SIZE = 128;
export const HTTP_TEXT_COUNT_MAX = 96; // those of WebTorrent included
export const HTTP_TEXT_HEAD_OK = 0; // up to the number of Content-Length
export const HTTP_TEXT_HEAD = 1; // up to the status
export const HTTP_TEXT_HEAD_LENGTH = 2; // from behind the status to the number of Content-Length
export const HTTP_TEXT_CLOSE = 3;
export const HTTP_TEXT_KEEP_ALIVE = 4;
export const HTTP_TEXT_CORS = 5;
export const HTTP_TEXT_ALLOW = 6;
export const HTTP_TEXT_RETRY_AFTER = 7;
export const HTTP_TEXT_PREFLIGHT = 8;
export const HTTP_TEXT_COMPLETE = 9; // of an announce
export const HTTP_TEXT_DOWNLOADED = 10;
export const HTTP_TEXT_EXTERNAL_IP = 11;
export const HTTP_TEXT_INCOMPLETE = 12;
export const HTTP_TEXT_INTERVAL = 13;
export const HTTP_TEXT_MIN_INTERVAL = 14;
export const HTTP_TEXT_PEERS = 15;
export const HTTP_TEXT_PEERS6 = 16;
export const HTTP_TEXT_PEER_IP = 17; // of one peer as a dictionary
export const HTTP_TEXT_PEER_ID = 18;
export const HTTP_TEXT_PEER_PORT = 19;
export const HTTP_TEXT_FILES = 20; // of a scrape
export const HTTP_TEXT_DOWNLOADERS = 22;
export const HTTP_TEXT_FAILURE = 23;
export const HTTP_TEXT_RETRY_NEVER = 24;
// What is told in a failure reason.
export const HTTP_TEXT_NOT_ALLOWED = 25;
export const HTTP_TEXT_INFO_HASH = 26;
export const HTTP_TEXT_PEER_ID_NEEDED = 27;
export const HTTP_TEXT_PORT = 28;
export const HTTP_TEXT_FULL_SCRAPE = 29;
export const HTTP_TEXT_UPGRADE = 30; // headers of a refusal that asks for an upgrade
// REFUSAL_* status lines, and the sentences that go with them.
export const HTTP_TEXT_STATUSES = 32;
export const HTTP_TEXT_SENTENCES = 48;

// Requests that are not carried out, by what they get: status HTTP_TEXT_STATUSES + n, counter
// COUNT_HTTP_REFUSED + n.
export const REFUSAL_BAD_REQUEST = 0;
export const REFUSAL_NOT_FOUND = 1;
export const REFUSAL_METHOD = 2;
export const REFUSAL_TIMEOUT = 3;
export const REFUSAL_TARGET = 4;
export const REFUSAL_HEADERS = 5;
export const REFUSAL_BUSY = 6;
export const REFUSAL_VERSION = 7;
export const REFUSAL_FORWARDED = 8;
export const REFUSAL_BODY = 9;
export const REFUSAL_UPGRADE = 10; // only WebTorrent is served here, or not that version of it
export const REFUSAL_KEY = 11; // an upgrade without a good key
export const REFUSAL_COUNT = 12;

// A connection's slot: its record, then CONNECTION_INPUT_SIZE bytes of input for when it is idle.
export const SLOT_SIZE = 704;
export const CONNECTION_INPUT = 0; // address of the input in use: the slot's own, or a slice
export const CONNECTION_CAPACITY = 4; // u32 bytes that it holds
export const CONNECTION_FILLED = 8; // u32 bytes received and not consumed
export const CONNECTION_OUTPUT = 12; // address of the slice with answers under way, 0 = none
export const CONNECTION_PHASE = 16; // u32 PHASE_*
export const CONNECTION_HEAD = 20; // u32 offset where the request at hand begins
export const CONNECTION_LINE = 24; // u32 offset of the line at hand
export const CONNECTION_SCANNED = 28; // u32 offset up to which that line's end was not found
export const CONNECTION_FLAGS = 32; // u32 FLAG_* of the request at hand
export const CONNECTION_TARGET = 36; // u32 offset of the request's target
export const CONNECTION_TARGET_LENGTH = 40; // u32
export const CONNECTION_HEADERS = 44; // u32 offset of the first header
export const CONNECTION_REQUESTS = 48; // u32 requests answered
export const CONNECTION_ENDING = 52; // u32 ENDING_*
export const CONNECTION_PEER = 56; // ADDRESS record: who is connected
export const CONNECTION_CLIENT = 80; // ADDRESS record: who asks, as a trusted proxy says
export const CONNECTION_FORWARDED = 104; // ADDRESS record: who asks, as the header Forwarded says
export const CONNECTION_KEY = 128; // u32 offset of the request's Sec-WebSocket-Key
export const CONNECTION_SLICE_HOLDER = 180; // address of where its slice is counted, 0 = nowhere
export const CONNECTION_OWN_INPUT = 192; // CONNECTION_INPUT_SIZE bytes, behind the OUTBOX fields
export const CONNECTION_INPUT_SIZE = 512;

// Of the request at hand.
export const FLAG_OTHER_METHOD = 1; // neither GET nor HEAD
export const FLAG_HEAD = 2;
export const FLAG_OPTIONS = 4;
export const FLAG_HTTP_1_0 = 8;
export const FLAG_CLOSE = 16; // Connection: close
export const FLAG_KEEP_ALIVE = 32; // Connection: keep-alive
export const FLAG_HOST = 64;
export const FLAG_CONTENT_LENGTH = 128;
export const FLAG_BODY = 256; // a Content-Length above 0
export const FLAG_TRANSFER_ENCODING = 512;
export const FLAG_FORWARDED_FOR = 1024; // X-Forwarded-For of a trusted proxy was read
export const FLAG_FORWARDED = 2048; // Forwarded of a trusted proxy was read
export const FLAG_BAD_FORWARDED = 4096; // one of the two names no client
export const FLAG_UPGRADE = 8192; // Connection: upgrade
export const FLAG_WEBSOCKET = 16384; // Upgrade: websocket
export const FLAG_KEY = 32768; // a good Sec-WebSocket-Key
export const FLAG_VERSION = 65536; // Sec-WebSocket-Version: 13
export const FLAG_OTHER_VERSION = 131072; // or one that is not known here

export const PHASE_PROXY = 0; // before the PROXY protocol's header
export const PHASE_REQUEST = 1; // before or within a request line
export const PHASE_HEADERS = 2;
export const PHASE_WEBSOCKET = 3; // upgraded: frames, not requests

export const ENDING_NO = 0;
export const ENDING_CLOSE = 1; // close once the answers are sent
export const ENDING_LINGER = 2; // the same, but input that nobody will read may be on its way

export const TARGET_MAX = 8192; // bytes of a request's target
export const HEADERS_MAX = 16384; // bytes of its headers
export const SLICE_SIZE_MIN = 32768; // bytes: a whole head at its limits fits

// QUERY: what an announce or scrape asks for.
export const QUERY_INFO_HASH_COUNT = 0; // u32 at WORKER_INFO_HASHES
export const QUERY_INFO_HASHES_GIVEN = 4; // u32, those that are there twice or too many included
export const QUERY_HAS_BAD_HASH = 8; // u32
export const QUERY_HAS_PEER_ID = 12; // u32
export const QUERY_PORT = 16; // u32, 0 = none or none that is valid
export const QUERY_IS_SEEDER = 20; // u32
export const QUERY_EVENT = 24; // u32 EVENT_*
export const QUERY_NUM_WANT = 28; // i32, negative: the default
export const QUERY_IS_COMPACT = 32; // u32
export const QUERY_OMITS_PEER_ID = 36; // u32
export const QUERY_PEER_ID = 40; // 20 bytes and slack
export const QUERY_KEY = 80; // address of the key in the path, 0 = none
export const QUERY_KEY_LENGTH = 84; // u32
export const QUERY_SIZE = 96;
