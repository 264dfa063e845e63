/** The texts of the HTTP tracker: by the HTTP_TEXT_* numbers of assembly/layout.ts. */
import {
  HTTP_TEXT_ALLOW,
  HTTP_TEXT_CLOSE,
  HTTP_TEXT_COMPLETE,
  HTTP_TEXT_CORS,
  HTTP_TEXT_COUNT_MAX,
  HTTP_TEXT_DOWNLOADED,
  HTTP_TEXT_DOWNLOADERS,
  HTTP_TEXT_EXTERNAL_IP,
  HTTP_TEXT_FAILURE,
  HTTP_TEXT_FILES,
  HTTP_TEXT_FULL_SCRAPE,
  HTTP_TEXT_HEAD,
  HTTP_TEXT_HEAD_LENGTH,
  HTTP_TEXT_HEAD_OK,
  HTTP_TEXT_INCOMPLETE,
  HTTP_TEXT_INFO_HASH,
  HTTP_TEXT_INTERVAL,
  HTTP_TEXT_KEEP_ALIVE,
  HTTP_TEXT_MIN_INTERVAL,
  HTTP_TEXT_NOT_ALLOWED,
  HTTP_TEXT_PEER_ID,
  HTTP_TEXT_PEER_ID_NEEDED,
  HTTP_TEXT_PEER_IP,
  HTTP_TEXT_PEER_PORT,
  HTTP_TEXT_PEERS,
  HTTP_TEXT_PEERS6,
  HTTP_TEXT_PORT,
  HTTP_TEXT_PREFLIGHT,
  HTTP_TEXT_RETRY_AFTER,
  HTTP_TEXT_RETRY_NEVER,
  HTTP_TEXT_SENTENCES,
  HTTP_TEXT_SIZE,
  HTTP_TEXT_STATUSES,
  HTTP_TEXT_UPGRADE,
  HTTP_TEXTS,
  REFUSAL_BAD_REQUEST,
  REFUSAL_BODY,
  REFUSAL_BUSY,
  REFUSAL_FORWARDED,
  REFUSAL_HEADERS,
  REFUSAL_KEY,
  REFUSAL_METHOD,
  REFUSAL_NOT_FOUND,
  REFUSAL_TARGET,
  REFUSAL_TIMEOUT,
  REFUSAL_UPGRADE,
  REFUSAL_VERSION,
} from "../assembly/layout.ts";
import { WS_TEXTS } from "./ws_texts.ts";

/** What requests get that are not carried out: status line and sentence. */
const REFUSALS: Readonly<Record<number, [status: string, sentence: string]>> = {
  [REFUSAL_BAD_REQUEST]: ["400 Bad Request", "This is no request of HTTP/1.1.\n"],
  [REFUSAL_NOT_FOUND]: [
    "404 Not Found",
    "This is a BitTorrent tracker: torrent clients find each other at /announce.\n",
  ],
  [REFUSAL_METHOD]: ["405 Method Not Allowed", "A tracker answers GET and HEAD.\n"],
  [REFUSAL_TIMEOUT]: ["408 Request Timeout", "The request did not come in time.\n"],
  [REFUSAL_TARGET]: ["414 URI Too Long", "The address of the request is too long.\n"],
  [REFUSAL_HEADERS]: [
    "431 Request Header Fields Too Large",
    "The headers of the request are too long.\n",
  ],
  [REFUSAL_BUSY]: [
    "503 Service Unavailable",
    "There are too many connections: come again later.\n",
  ],
  [REFUSAL_VERSION]: ["400 Bad Request", "This tracker speaks HTTP/1.1.\n"],
  [REFUSAL_FORWARDED]: ["400 Bad Request", "The proxy does not say for whom it asks.\n"],
  [REFUSAL_UPGRADE]: [
    "426 Upgrade Required",
    "This is a WebTorrent tracker: it speaks WebSocket, version 13.\n",
  ],
  [REFUSAL_KEY]: ["400 Bad Request", "The upgrade has no good Sec-WebSocket-Key.\n"],
  [REFUSAL_BODY]: ["400 Bad Request", "A request to a tracker has no body.\n"],
};

/** Each is ASCII, and shorter than HTTP_TEXT_SIZE. */
const TEXTS: Readonly<Record<number, string>> = {
  [HTTP_TEXT_HEAD_OK]: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ",
  [HTTP_TEXT_HEAD]: "HTTP/1.1 ",
  [HTTP_TEXT_HEAD_LENGTH]: "\r\nContent-Type: text/plain\r\nContent-Length: ",
  [HTTP_TEXT_CLOSE]: "Connection: close\r\n",
  [HTTP_TEXT_KEEP_ALIVE]: "Connection: keep-alive\r\n",
  [HTTP_TEXT_CORS]: "Access-Control-Allow-Origin: *\r\n",
  [HTTP_TEXT_ALLOW]: "\r\nAllow: GET, HEAD",
  [HTTP_TEXT_UPGRADE]: "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
  [HTTP_TEXT_RETRY_AFTER]: "\r\nRetry-After: 60",
  [HTTP_TEXT_PREFLIGHT]: "HTTP/1.1 204 No Content\r\n" +
    "Access-Control-Allow-Methods: GET, HEAD\r\nAccess-Control-Max-Age: 86400",
  [HTTP_TEXT_COMPLETE]: "d8:completei",
  [HTTP_TEXT_DOWNLOADED]: "10:downloadedi",
  [HTTP_TEXT_EXTERNAL_IP]: "11:external ip",
  [HTTP_TEXT_INCOMPLETE]: "10:incompletei",
  [HTTP_TEXT_INTERVAL]: "8:intervali",
  [HTTP_TEXT_MIN_INTERVAL]: "12:min intervali",
  [HTTP_TEXT_PEERS]: "5:peers",
  [HTTP_TEXT_PEERS6]: "6:peers6",
  [HTTP_TEXT_PEER_IP]: "d2:ip",
  [HTTP_TEXT_PEER_ID]: "7:peer id20:",
  [HTTP_TEXT_PEER_PORT]: "4:porti",
  [HTTP_TEXT_FILES]: "d5:filesd",
  [HTTP_TEXT_DOWNLOADERS]: "11:downloadersi",
  [HTTP_TEXT_FAILURE]: "d14:failure reason",
  [HTTP_TEXT_RETRY_NEVER]: "8:retry in5:never",
  [HTTP_TEXT_NOT_ALLOWED]: "torrent not allowed",
  [HTTP_TEXT_INFO_HASH]: "invalid info_hash: expected 20 bytes, percent-encoded",
  [HTTP_TEXT_PEER_ID_NEEDED]: "invalid peer_id: expected 20 bytes, percent-encoded",
  [HTTP_TEXT_PORT]: "invalid port",
  [HTTP_TEXT_FULL_SCRAPE]: "full scrape not allowed",
};

/** Writes the texts where the core looks for them, each behind its length. */
export function writeHttpTexts(bytes: Uint8Array): void {
  for (const [index, text] of Object.entries({ ...TEXTS, ...WS_TEXTS })) {
    writeText(bytes, Number(index), text);
  }
  for (const [refusal, [status, sentence]] of Object.entries(REFUSALS)) {
    writeText(bytes, HTTP_TEXT_STATUSES + Number(refusal), status);
    writeText(bytes, HTTP_TEXT_SENTENCES + Number(refusal), sentence);
  }
}

function writeText(bytes: Uint8Array, index: number, text: string): void {
  if (text.length >= HTTP_TEXT_SIZE || index >= HTTP_TEXT_COUNT_MAX) {
    throw new RangeError(`Cannot place HTTP text ${index}: it has ${text.length} bytes`);
  }
  const offset = HTTP_TEXTS + index * HTTP_TEXT_SIZE;
  bytes[offset] = text.length;
  bytes.set(new TextEncoder().encode(text), offset + 1);
}
