/**
 * Where everything lies in the shared memory: addresses, record offsets, sizes, limits, statuses.
 *
 * Read by the AssemblyScript compiler and by Deno alike, so it holds bare literals only. Offsets
 * are within their record unless the name starts with CONTROL; all integers are little-endian
 * unless a comment says wire order. docs/MEMORY.md draws the map. Everybody imports this file; its
 * parts are files of their own only for their length.
 */
export * from "./counter_layout.ts";
export * from "./http_layout.ts";
export * from "./ws_layout.ts";

// Control block: absolute addresses in the first 4 KiB. Address 0 is never used: 0 means "none".
export const CONTROL_NOW = 64; // u32 seconds since the process started, written by the supervisor
export const CONTROL_STOP = 68; // u32, not 0: workers leave their loops
export const CONTROL_SWEEP_SECONDS = 72; // u32, cleaning interval
export const CONTROL_FAULT = 76; // u32 FAULT_*: why a trap cannot be cleared up
export const CONTROL_UNIX_TIME = 80; // u32 seconds since 1970, for what the access list dates

export const CONTROL_MAX_PEER_AGE = 128; // u32 seconds
export const CONTROL_MAX_CONNECTION_AGE = 132; // u32 seconds
export const CONTROL_ANNOUNCE_INTERVAL = 136; // u32 seconds
export const CONTROL_MAX_SCRAPE_TORRENTS = 140; // u32
export const CONTROL_MAX_RESPONSE_PEERS = 144; // u32
export const CONTROL_DEFAULT_RESPONSE_PEERS = 148; // u32
export const CONTROL_PEER_IDS = 152; // u32, 1: TCP/uTP peers keep their peer id; set before init()

export const CONTROL_TABLE_KEY = 192; // 16 bytes, SipHash key of the torrent table
export const CONTROL_MAC_KEY = 208; // 16 bytes, SipHash key of connection ids
export const CONTROL_PEER_KEY = 224; // 16 bytes, SipHash key of peer tables

export const CONTROL_SHARD_BITS = 256; // u32
export const CONTROL_SHARDS = 260; // address of the shard headers
export const CONTROL_ARENA = 264; // address of the first page
export const CONTROL_PAGE_COUNT = 268; // u32
export const CONTROL_PAGE_BITS = 272; // address of the page bitmap, one bit a page, 1 = taken

export const CONTROL_PAGE_LOCK = 320; // lock of the bitmap and of the three words below
export const CONTROL_PAGE_HINT = 324; // u32, no free page below this 64-page word of the bitmap
export const CONTROL_PAGES_USED = 328; // u32
export const CONTROL_PAGES_PEAK = 332; // u32
export const CONTROL_PAGE_RESERVE = 336; // u32 pages that only access rules may take
export const CONTROL_ANSWER_RESERVE = 340; // u32 pages that only what is sent or read may take

export const CONTROL_RULES = 384; // address of the access rules in force, swapped atomically
export const CONTROL_PROXIES = 388; // address of the rules whose ranges are the trusted proxies

export const CONTROL_EMPTY_RULES = 512; // rules that allow everything, in force until others are

// What the HTTP tracker is told, u32 each.
export const CONTROL_HTTP_INTERVAL = 768; // seconds
export const CONTROL_HTTP_MIN_INTERVAL = 772; // seconds
export const CONTROL_HTTP_MAX_SCRAPE_TORRENTS = 776; // at most INFO_HASHES_MAX
export const CONTROL_HTTP_MAX_PEERS = 780;
export const CONTROL_HTTP_DEFAULT_PEERS = 784;
export const CONTROL_HTTP_MAX_REQUESTS = 788; // of one connection
export const CONTROL_HTTP_OPTIONS = 792; // HTTP_OPTION_* bits
export const CONTROL_HTTP_SLICE_SIZE = 796; // bytes of a slice; set before the first worker starts
export const CONTROL_HTTP_ANSWER_MAX = 800; // bytes of one answer; fixed as well

export const HTTP_OPTION_KEEP_ALIVE = 1;
export const HTTP_OPTION_SAME_FAMILY = 2;
export const HTTP_OPTION_EXTERNAL_IP = 4;
export const HTTP_OPTION_CORS = 8;
export const HTTP_OPTION_PROXY_PROTOCOL = 16;

export const CONTROL_CLASSES = 1024; // size classes: SIZE_CLASS_COUNT records of CLASS_SIZE bytes
export const CLASS_SIZE = 64;
export const CLASS_LOCK = 0; // lock
export const CLASS_PARTIAL = 4; // address of the first page with a free block
export const SIZE_CLASS_COUNT = 33; // class 0 is unused
export const SMALL_BLOCK_MAX = 4096; // bytes; larger ones are runs of whole pages

// Texts that the core sends: it has no data segment, so init's caller writes them (wasm/texts.ts).
export const CONTROL_TEXTS = 3136; // TEXT_COUNT_MAX × TEXT_SIZE: u8 length, then ASCII
export const TEXT_SIZE = 64;
export const TEXT_COUNT_MAX = 15;
export const TEXT_EXPIRED_ID = 0;
export const TEXT_PORT = 1;
export const TEXT_SCRAPE = 2;
export const TEXT_NOT_ALLOWED = 3;

// Pages.
export const PAGE_SIZE = 16384;
export const PAGE_CLASS = 0; // u16 size class
export const PAGE_USED = 2; // u16 blocks in use
export const PAGE_FREE = 4; // address of the first freed block, each holds the address of the next
export const PAGE_CARVED = 8; // u32 offset of the first byte never handed out
export const PAGE_NEXT = 12; // address, list of the class's pages with a free block
export const PAGE_PREVIOUS = 16; // address
export const PAGE_LISTED = 20; // u32, 1 while in that list
export const PAGE_BLOCKS = 32; // offset of the first block

// Workers: WORKER_COUNT_MAX records of WORKER_SIZE bytes from WORKERS on.
export const WORKERS = 4096;
export const WORKER_COUNT_MAX = 64;
export const HOUSEKEEPER_INDEX = 63; // the last worker sweeps and loads lists
export const WORKER_SIZE = 4096;
export const WORKER_NUMBER = 0; // u32, 1…64: what this worker writes into a lock that it holds
export const WORKER_BATCH = 4; // u32, odd while the worker may hold a pointer into the access rules
export const WORKER_HELD_LOCK = 8; // address of the shard whose lock it holds or takes, 0 = none
export const WORKER_HEARTBEAT = 12; // u32, counts turns of the worker's loop
export const WORKER_RANDOM = 16; // u64 generator state
export const WORKER_IN = 24; // address of the input buffer
export const WORKER_OUT = 28; // address of the output buffer
export const WORKER_IO = 32; // address of the native driver's headers
export const WORKER_HOST_BASE = 40; // u64, where this memory lies in the process (native driver)
export const WORKER_BATCH_SIZE = 48; // u32 datagrams a batch
export const WORKER_BEATS = 52; // u32, 1: the heartbeat moves also while nothing is asked
export const WORKER_WOKEN = 56; // u64, a bit for each worker that this one has woken
export const WORKER_ADDRESS = 64; // ADDRESS record of the datagram at hand (sandboxed driver)
export const WORKER_SLOTS = 128; // address of the connections' slots
export const WORKER_SLOT_FREE = 132; // address of the first slot given back, linked
export const WORKER_SLOT_CARVED = 136; // u32 slots ever handed out
export const WORKER_SLOT_COUNT = 140; // u32 slots there are
export const WORKER_SLICE_FREE = 144; // address of the first slice given back, linked
export const WORKER_SLICE_COUNT = 148; // u32 slices that the worker owns
export const WORKER_SLICE_COUNT_MAX = 152; // u32
export const WORKER_INPUT_SLICES = 156; // u32 slices that hold unfinished requests
export const WORKER_PEERS = 160; // address where sampled peers wait to be written
export const WORKER_SERVES = 164; // u32 SERVES_* bits
export const WORKER_READY_LOCK = 168; // lock of the ready list
export const WORKER_READY_FIRST = 172; // address of a connection whose outbox is to be sent
export const WORKER_READY_LAST = 176; // address
export const WORKER_WAKE = 180; // u32, grows when another worker begins the ready list
export const WORKER_OFFERS = 184; // address of MESSAGE_OFFERS_MAX offers of the message at hand
export const WORKER_MESSAGE_BYTES = 188; // u32 bytes that unfinished messages take
export const WORKER_SCRATCH = 192; // 64 bytes: the message of a MAC
export const WORKER_ANNOUNCE = 320; // ANNOUNCE record
export const WORKER_KERNEL_DROPS = 256; // SOCKET_COUNT_MAX × u32: each socket's drops as last told
export const SOCKET_COUNT_MAX = 16;
export const WORKER_COUNTERS = 512; // COUNTER_COUNT u64
export const WORKER_URL_DATA = 2048; // BEP 41 URLData of the datagram at hand, URL_DATA_MAX bytes
export const URL_DATA_MAX = 2048;
export const WORKER_QUERY = 1024; // QUERY record of the HTTP request at hand
export const WORKER_SWARM_SIZES = 1152; // housekeeper: SWARM_SIZE_COUNT u32 of the sweep at hand
export const SWARM_SIZE_COUNT = 26; // torrents of no peer, of 1, of 2 and 3, of 4 to 7, …
export const WORKER_MESSAGE = 1280; // MESSAGE record of the WebSocket message at hand
export const WORKER_MESSAGE_BYTES_MAX = 1472; // u32
export const WORKER_HASH_TEXTS = 1476; // address of the scraped hashes' texts: address, length
export const WORKER_REPLY = 1480; // address where a reply is put together, REPLY_SIZE bytes
export const WORKER_RECEIVERS = 1484; // address of the receivers of the offers
export const WORKER_BEGUN_FIRST = 1488; // address of the connection whose message began first
export const WORKER_BEGUN_LAST = 1492; // address
export const WORKER_WAKE_FD = 1496; // u32 descriptor that wakes it where it waits for epoll
export const WORKER_SLICE_HOLDERS = 1536; // SLICE_HOLDERS × u16 unfinished requests by address
export const SLICE_HOLDERS = 256;
export const WORKER_INFO_HASHES = 2048; // its info hashes, sorted, each once
export const INFO_HASHES_MAX = 100;

// ADDRESS: where a datagram came from.
export const ADDRESS_KIND = 0; // u32 KIND_IPV4 or KIND_IPV6, canonical (never ::ffff:a.b.c.d)
export const ADDRESS_PORT = 4; // u16 source port
export const ADDRESS_BYTES = 8; // 4 or 16 bytes, wire order
export const ADDRESS_SIZE = 24;

export const KIND_IPV4 = 0;
export const KIND_IPV6 = 1;
export const KIND_WEBTORRENT = 2;
export const KIND_LOCAL = 3; // of a connection only: a proxy on a UNIX socket, without an address
// ANNOUNCE: what the codecs tell announce(), and what it answers.
export const ANNOUNCE_INFO_HASH = 0; // address of 20 bytes
export const ANNOUNCE_KIND = 4; // u32
export const ANNOUNCE_ROLE = 8; // u32 ROLE_*
export const ANNOUNCE_COMPLETED = 12; // u32, 1: event "completed" with left 0
export const ANNOUNCE_WANT = 16; // u32 peers wanted, already capped
export const ANNOUNCE_OUT = 20; // address where the peers go
export const ANNOUNCE_KEY = 24; // 20 bytes: the peer's address and port, wire order
export const ANNOUNCE_EXTRA = 44; // address of the extra column's bytes (peer id), 0 = none
export const ANNOUNCE_SEEDERS = 48; // u32, answer: of the announcer's family
export const ANNOUNCE_LEECHERS = 52; // u32, answer: partial seeds included
export const ANNOUNCE_PEERS = 56; // u32, answer: peers written
export const ANNOUNCE_URL_DATA_LENGTH = 60; // u32 bytes at WORKER_URL_DATA
// From here on for announceBoth() only.
export const ANNOUNCE_OTHER_WANT = 64; // u32 peers of the other family that are welcome
export const ANNOUNCE_OTHER_PEERS = 68; // u32, answer: written behind those of the own family
export const ANNOUNCE_TORRENT_COMPLETED = 72; // u32, answer
export const ANNOUNCE_PEER_IDS = 76; // address where the peers' ids go, 0: they are not wanted
export const ANNOUNCE_SIZE = 128;

export const ROLE_LEECHER = 0;
export const ROLE_PARTIAL_SEED = 1; // BEP 21: will not download more
export const ROLE_SEEDER = 2;
export const ROLE_STOPPED = 3;

// Torrent table.
export const SHARD_SIZE = 64;
export const SHARD_LOCK = 0; // lock of everything that hangs on this shard
export const SHARD_GROUPS = 4; // address of the groups
export const SHARD_GROUP_COUNT = 8; // u32
export const SHARD_TORRENTS = 12; // u32
export const SHARD_SWEEP_GROUP = 16; // u32, where the sweep goes on
export const SHARD_SWEEP_LANE = 20; // u32
export const SHARD_SWEEP_PREFIX = 24; // u32 hash prefix within a large swarm
export const SHARD_PEERS = 28; // 3 × u32 by kind: all peers of the shard's torrents

export const GROUP_SIZE = 64; // one cache line
export const GROUP_LANES = 12;
export const GROUP_TAGS = 0; // 12 × u8, 0 = empty
export const GROUP_OVERFLOW = 12; // u8 torrents that belong here and lie further on, 255 = for ever
export const GROUP_TORRENTS = 16; // 12 × address

export const TORRENT_INFO_HASH = 0; // 20 bytes
export const TORRENT_SWARMS = 20; // 3 × swarm reference: IPv4, IPv6, WebTorrent
export const TORRENT_COMPLETED = 32; // u32 downloads completed
export const TORRENT_LAST_ANNOUNCE = 36; // u32 seconds
export const TORRENT_SIZE = 40;

// Peer block: BLOCK_PEERS + columns of `capacity` items: key, meta (u8), last seen (u16), extra.
export const BLOCK_LEECHERS = 0; // u8
export const BLOCK_PARTIAL_SEEDS = 1; // u8
export const BLOCK_SEEDERS = 2; // u8
export const BLOCK_CLASS = 3; // u8 size class
export const BLOCK_PEERS = 4;
export const BLOCK_COUNT_MAX = 128; // peers; a fuller block is split
export const META_COMPLETED = 1; // bit 0: this peer's download was counted; bits 1-7: hash

// Directory of a large swarm (its reference has bit 0 set): 2^depth slots, each block | span.
export const DIRECTORY_DEPTH = 0; // u32
export const DIRECTORY_ROLES = 4; // 3 × u32: leechers, partial seeds, seeders
export const DIRECTORY_SLOTS = 16;
export const DIRECTORY_DEPTH_MAX = 20;
export const SPAN_MAX = 7; // a block may stand in at most 2^7 slots

// Access rules, one run of pages.
export const RULES_MODE = 0; // u32 ACCESS_*
export const RULES_PAGES = 4; // u32
export const RULES_HASHES = 8; // address of the hash table, 20 bytes a slot, all zero = empty
export const RULES_HASH_SLOTS = 12; // u32
export const RULES_HASH_COUNT = 16; // u32
export const RULES_ZERO_LISTED = 20; // u32, 1: the info hash of 20 zero bytes is listed
export const RULES_IPV4 = 24; // address of sorted [first, last] pairs, u32 each
export const RULES_IPV4_COUNT = 28; // u32
export const RULES_IPV6 = 32; // address of sorted [first, last] pairs, 16 bytes each, wire order
export const RULES_IPV6_COUNT = 36; // u32
export const RULES_LINE = 40; // u32, last line read
export const RULES_PARTIAL_LENGTH = 44; // u32 bytes of an unfinished line, kept in RULES_PARTIAL
export const RULES_DETAILS = 48; // address of DETAIL records sorted by info hash, 0 = none
export const RULES_DETAIL_COUNT = 52; // u32
export const RULES_DETAIL_PAGES = 56; // u32
export const RULES_CONSUMED = 60; // u32 bytes of the piece up to a line with details
export const RULES_HAS_DETAILS = 64; // u32, 1: what is in RULES_PARTIAL has been read
export const RULES_PARTIAL = 68; // RULES_PARTIAL_MAX bytes
export const RULES_PARTIAL_MAX = 188;
export const RULES_HEADER_SIZE = 256;

// DETAIL of an entry; texts that they share lie behind them: u8 length, then UTF-8.
export const DETAIL_INFO_HASH = 0; // 20 bytes
export const DETAIL_UNTIL = 20; // u32 seconds since 1970, 0 = for ever
export const DETAIL_REASON = 24; // address of a text, 0 = none
export const DETAIL_SIZE = 28;

export const ACCESS_OFF = 0;
export const ACCESS_BLACK = 1;
export const ACCESS_WHITE = 2;

// Datagram buffers.
export const DATAGRAM_IN_SIZE = 2112; // 33 cache lines: a power of two would crowd a few sets
export const DATAGRAM_OUT_SIZE = 1472; // an answer is at most DATAGRAM_OUT_MAX, the rest is slack
export const DATAGRAM_OUT_MAX = 1400;
export const BATCH_MAX = 64;

// Native driver (Linux, 64 bit): at WORKER_IO, for a batch of n, n receive headers, n send headers,
// n slots. Answers are packed: the headers of answer 0, 1, … are the first ones, whoever is
// answered.
export const MMSGHDR_SIZE = 64;
export const IO_SLOT_SIZE = 192;
export const IO_RECEIVE_IOVEC = 0;
export const IO_SEND_IOVEC = 16;
export const IO_NAME = 32; // struct sockaddr_in or sockaddr_in6
export const IO_NAME_SIZE = 28;
export const IO_RECEIVE_CONTROL = 64;
export const IO_RECEIVE_CONTROL_SIZE = 64;
export const IO_SEND_CONTROL = 128; // 40 bytes
export const IO_HASH = 168; // u64 hash of what would be the info hash of an announce
export const IO_APPROACH = 176; // u32 address touched last on the way to the torrent

// CONTROL_FAULT.
export const FAULT_NONE = 0;
export const FAULT_ALLOCATOR = 1; // a worker trapped with a lock of the allocator held
export const FAULT_OUTBOX = 2; // or with the lock of an outbox, or of a list of outboxes

// Statuses: negative, lengths are 0 or more.
export const OK = 0;
export const FULL = -1; // no memory left for what was asked
export const BAD_LINE = -2; // RULES_LINE says which
export const DETAILS = 1; // of readRules(): a line says more than its info hash
export const LIMIT = -3; // a structural bound was met (docs/MEMORY.md)
