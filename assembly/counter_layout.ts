/**
 * The numbers of the counters: u64 words of a worker's record.
 *
 * Part of layout.ts, which says how it is read and by whom.
 */

// Counters, u64 each, written by one worker only.
export const COUNT_CONNECT = 0;
export const COUNT_ANNOUNCE = 1;
export const COUNT_SCRAPE = 2;
export const COUNT_CONNECT_IPV6 = 3;
export const COUNT_ANNOUNCE_IPV6 = 4;
export const COUNT_SCRAPE_IPV6 = 5;
export const COUNT_ERROR_SENT = 6;
export const COUNT_BYTES_RECEIVED = 7;
export const COUNT_BYTES_SENT = 8;
export const COUNT_DROP_SHORT = 9;
export const COUNT_DROP_MAGIC = 10;
export const COUNT_DROP_ACTION = 11;
export const COUNT_DROP_CONNECTION_ID = 12;
export const COUNT_DROP_TRUNCATED = 13;
export const COUNT_DROP_SOURCE_PORT = 14;
export const COUNT_DROP_DENIED = 15;
export const COUNT_DROP_KERNEL = 16;
export const COUNT_DROP_SEND = 17;
export const COUNT_ERROR_EXPIRED_ID = 18;
export const COUNT_ERROR_PORT = 19;
export const COUNT_ERROR_SCRAPE = 20;
export const COUNT_ERROR_NOT_ALLOWED = 21;
export const COUNT_MEMORY_FULL = 22;
export const COUNT_TORRENTS_ADDED = 23;
export const COUNT_TORRENTS_REMOVED = 24;
export const COUNT_PEERS_ADDED = 25; // 3 × by kind
export const COUNT_PEERS_REMOVED = 28; // 3 × by kind
export const COUNT_PEERS_EXPIRED = 31;
export const COUNT_COMPLETED = 32;
export const COUNT_PEERS_SENT = 33;
export const COUNT_CONNECTIONS_OPENED = 34;
export const COUNT_CONNECTIONS_CLOSED = 35;
export const COUNT_CONNECTIONS_REFUSED = 36; // at a limit
export const COUNT_CONNECTIONS_TIMED_OUT = 37;
export const COUNT_CONNECTIONS_BROKEN = 38; // reset by the client, TLS that failed
export const COUNT_HTTP_REFUSED = 39; // REFUSAL_COUNT × by kind
export const COUNT_PROXY_HEADER = 51; // a connection without a good PROXY header
export const COUNT_ERROR_QUERY = 52; // an info hash or peer id that is missing or not one
export const COUNT_WS_UPGRADES = 53;
export const COUNT_WS_OFFERS = 54; // relayed
export const COUNT_WS_ANSWERS = 55; // relayed
export const COUNT_WS_ANSWERS_LOST = 56; // to or from nobody in that swarm
export const COUNT_WS_FAILURES = 57; // messages answered with a failure reason
export const COUNT_WS_ERRORS = 58; // connections that broke the WebSocket protocol or a limit
export const COUNT_WS_OVERFLOWS = 59; // connections that did not read
export const COUNT_SWARM_FULL = 60; // new peers not stored: the swarm met a bound (docs/MEMORY.md)
export const COUNT_SHARDS_EMPTIED = 62; // after a trap (recover.ts)
export const COUNTER_COUNT = 64;
