/**
 * Where WebTorrent's connections, outboxes, messages and texts lie in the shared memory.
 *
 * Part of layout.ts, which says how it is read and by whom.
 */

// What the WebTorrent tracker is told, u32 each.
export const CONTROL_WS_INTERVAL = 832; // seconds
export const CONTROL_WS_MAX_OFFERS = 836; // at most MESSAGE_OFFERS_MAX
export const CONTROL_WS_MAX_SCRAPE_TORRENTS = 840; // at most INFO_HASHES_MAX
export const CONTROL_WS_MAX_MESSAGE = 844; // bytes
export const CONTROL_WS_OUTBOX_BYTES = 848; // of one connection, at most
export const CONTROL_WS_MAX_TORRENTS = 852; // of one connection
export const CONTROL_WS_MESSAGES_PER_SECOND = 856; // of one connection, 0: as many as it likes

export const CONTROL_WS_PARCEL_BYTES = 860; // of all outboxes' blocks, as it stands

// What a worker answers: WORKER_SERVES.
export const SERVES_HTTP = 1;
export const SERVES_WEBSOCKET = 2;

// FRAME: the WebSocket half of a connection's record, in the place of the HTTP request's fields.
export const FRAME_LEFT = 24; // u32 bytes to come of a frame that is taken in piece by piece
export const FRAME_MASK = 28; // u32 its mask, turned to where its next byte is
export const FRAME_STATE = 32; // u32 STATE_* bits
export const FRAME_UTF8 = 36; // u32 state of the UTF-8 validator
export const FRAME_MESSAGE = 40; // address of what there is of an unfinished message, 0 = none
export const FRAME_MESSAGE_LENGTH = 44; // u32 bytes of it
export const FRAME_MESSAGE_CAPACITY = 48; // u32 bytes there is room for
export const FRAME_TORRENTS = 104; // address of the list of torrents that it takes part in
export const FRAME_TORRENT_COUNT = 108; // u32
export const FRAME_TORRENT_CAPACITY = 112; // u32
export const FRAME_RATE_SECOND = 116; // u32 the second that messages are counted in
export const FRAME_RATE_COUNT = 120; // u32
// Bits of FRAME_STATE.
export const STATE_OPENED = 1; // a message has begun, and is not whole
export const STATE_FINAL = 2; // the frame at hand is its last
export const STATE_ALIVE = 4; // something came since the last ping
export const STATE_PINGED = 8; // a ping was sent

// OUTBOX: what other workers reach of a connection. Its lock guards all but the last two fields,
// which the worker's list lock does; none is cleared when the slot is used again.
export const OUTBOX_LOCK = 132; // lock
export const OUTBOX_GENERATION = 136; // u32, how often the slot was given back
export const OUTBOX_WORKER = 140; // address of the worker's record, 0: never upgraded
export const OUTBOX_FIRST = 144; // address of the block that is sent next, 0 = empty
export const OUTBOX_LAST = 148; // address of the block that is written to
export const OUTBOX_SENT = 152; // u32 bytes of the first block that are sent
export const OUTBOX_BYTES = 156; // u32 bytes not sent
export const OUTBOX_STATE = 160; // u32 POST_* bits
export const OUTBOX_NEXT_READY = 164; // address, the worker's ready list
export const OUTBOX_IS_READY = 168; // u32, 1 while in it
// BEGUN: links of the worker's list of unfinished messages, the longest begun first.
export const BEGUN_NEXT = 172; // address of the connection behind this one, 0 = none
export const BEGUN_PREVIOUS = 176; // address

// Bits of OUTBOX_STATE.
export const POST_OPENED = 1; // the connection is a WebSocket
export const POST_FULL = 2; // it does not read: given up
export const POST_CLOSED = 4; // its close frame is written, nothing may follow

// A block of an outbox.
export const PARCEL_NEXT = 0; // address
export const PARCEL_CAPACITY = 4; // u32 bytes there is room for
export const PARCEL_FILLED = 8; // u32 bytes written
export const PARCEL_BYTES = 16; // the bytes

// MESSAGE: what the JSON scanner found; spans are address and u32 length, 0 = absent.
export const MESSAGE_ACTION = 0; // u32 ACTION_*
export const MESSAGE_EVENT = 4; // u32 EVENT_* of query.ts
export const MESSAGE_IS_SEEDER = 8; // u32, 1: `left` is the number 0
export const MESSAGE_NUM_WANT = 12; // u32, 0xffffffff: none that is valid
export const MESSAGE_INFO_HASH = 16; // address of its text, quotes included
export const MESSAGE_INFO_HASH_LENGTH = 20; // u32
export const MESSAGE_HASH_STATE = 24; // u32 STRING_*
export const MESSAGE_PEER_ID_TEXT = 28; // address of its text, quotes included
export const MESSAGE_PEER_ID_LENGTH = 32; // u32
export const MESSAGE_PEER_ID_STATE = 36; // u32 STRING_*
export const MESSAGE_TARGET_STATE = 40; // u32 STRING_* of to_peer_id
export const MESSAGE_OFFER_ID = 44; // address of its text, quotes included
export const MESSAGE_OFFER_ID_LENGTH = 48; // u32
export const MESSAGE_ANSWER = 52; // address of the value
export const MESSAGE_ANSWER_LENGTH = 56; // u32
export const MESSAGE_OFFER_COUNT = 60; // u32 at WORKER_OFFERS
export const MESSAGE_HASH_COUNT = 64; // u32 at WORKER_INFO_HASHES, of a scrape
export const MESSAGE_PEER_ID = 72; // 20 bytes and slack
export const MESSAGE_TARGET = 112; // 20 bytes and slack
export const MESSAGE_HASH = 152; // 20 bytes and slack: an info hash while it is read
export const MESSAGE_SIZE = 192;
export const MESSAGE_OFFERS_MAX = 100;

export const ACTION_NONE = 0; // absent, or none that is known
export const ACTION_ANNOUNCE = 1;
export const ACTION_SCRAPE = 2;

export const STRING_ABSENT = 0;
export const STRING_BAD = 1; // not 20 characters of U+0000…U+00FF
export const STRING_GOOD = 2;

// An offer of the message at hand.
export const OFFER_ID = 0; // address of its text, quotes included
export const OFFER_ID_LENGTH = 4; // u32
export const OFFER_VALUE = 8; // address
export const OFFER_VALUE_LENGTH = 12; // u32
export const OFFER_SIZE = 16;

// What lies at WORKER_REPLY: a reply, and lists of what the message at hand asks for.
export const REPLY_RECEIVERS = 24576; // 2048 bytes of peer ids, then their connections
export const REPLY_RECEIVER_CONNECTIONS = 2048; // offset within it: u32 slot, u32 generation each
export const REPLY_OFFERS = 28672; // MESSAGE_OFFERS_MAX × OFFER_SIZE
export const REPLY_HASH_TEXTS = 30720; // INFO_HASHES_MAX × 8: address and length
export const REPLY_SIZE = 32768;

// Texts, among those of the HTTP tracker.
export const WS_TEXT_SWITCH = 64; // the answer to an upgrade, up to the accepted key
export const WS_TEXT_GUID = 65;
export const WS_TEXT_ANNOUNCE = 66; // {"action":"announce","info_hash":
export const WS_TEXT_COMPLETE = 67;
export const WS_TEXT_INCOMPLETE = 68;
export const WS_TEXT_INTERVAL = 69;
export const WS_TEXT_PEER_ID = 70;
export const WS_TEXT_OFFER_ID = 71;
export const WS_TEXT_OFFER = 72;
export const WS_TEXT_ANSWER = 73;
export const WS_TEXT_SCRAPE = 74; // {"action":"scrape","files":{
export const WS_TEXT_FILE_COMPLETE = 75;
export const WS_TEXT_FILE_DOWNLOADED = 76;
export const WS_TEXT_FAILURE = 77; // {"failure reason":"
export const WS_TEXT_SCRAPE_FAILURE = 78; // {"action":"scrape","failure reason":"
export const WS_TEXT_FAILURE_BEHIND = 79; // ,"failure reason":"
// What is told in a failure reason.
export const WS_TEXT_BAD_JSON = 80;
export const WS_TEXT_BAD_ACTION = 81;
export const WS_TEXT_BAD_INFO_HASH = 82;
export const WS_TEXT_BAD_PEER_ID = 83;
export const WS_TEXT_NOT_ALLOWED = 84;
export const WS_TEXT_BAD_ANSWER = 85;
export const WS_TEXT_FULL_SCRAPE = 86;
export const WS_TEXT_TORRENTS = 87;

// Close codes (RFC 6455, 7.4).
export const CLOSE_NORMAL = 1000;
export const CLOSE_PROTOCOL = 1002;
export const CLOSE_UTF8 = 1007;
export const CLOSE_POLICY = 1008;
export const CLOSE_TOO_BIG = 1009;
export const CLOSE_TRY_LATER = 1013;
