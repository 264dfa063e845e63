/**
 * WebTorrent in the core alone: announces with one offer of 1.2 KB, from masked frames to a frame
 * in the receiver's outbox, against JSON.parse of the same messages and nothing else: from bytes,
 * which is what a socket gives to a tracker in JavaScript, and from strings that are there already,
 * as many to a round as a burst has.
 */
import { writeClientAddress } from "../server/client_address.ts";
import { type Connection, writeHttpSettings } from "../wasm/http_core.ts";
import { createSharedCore } from "../wasm/memory.ts";
import { writeWsSettings, WsCore } from "../wasm/ws_core.ts";
import { HTTP_SETTINGS } from "../tests/core/http_harness.ts";
import { compileCore, SETTINGS } from "../tests/core/harness.ts";
import { description, maskedFrame, UPGRADE, WS_SETTINGS } from "../tests/core/ws_harness.ts";

const MESSAGE_BYTES = 1_200;
/** As many as one read may bring. */
const BURST = 20;
const SIZE_OF_ALL_BUT_SDP = 330;

const shared = createSharedCore(await compileCore("release"), { limitMib: 64 }, SETTINGS);
writeHttpSettings(shared.memory, HTTP_SETTINGS);
writeWsSettings(shared.memory, WS_SETTINGS);
const core = new WsCore(shared, {
  workerIndex: 0,
  connections: 8,
  slices: 64,
  servesHttp: false,
  seed: 1n,
});

function connect(): Connection {
  core.setSender(writeClientAddress(core.senderBytes, "192.0.2.1"), 40_000);
  const connection = core.open();
  send(connection, new TextEncoder().encode(UPGRADE));
  return connection;
}

/** Receives bytes that fit the input, and empties whatever outbox that fills. */
function send(connection: Connection, bytes: Uint8Array): void {
  core.inputOf(connection).set(bytes);
  for (let sent = core.receive(connection, bytes.length); sent > 0; sent = core.resume(connection));
  for (let ready = core.nextReady(); ready !== 0; ready = core.nextReady()) {
    for (let span = core.outboxSpan(ready); span > 0; span = core.outboxSpan(ready)) {
      core.outboxSent(ready, span);
    }
  }
}

/** Ids as clients have them: bytes above 0x7f among them, in raw UTF-8. */
const infoHash = "\u00e9\u0001tracker\u00ff\u0080-hash\u0000\u00a9a\u00b5";
const offer = {
  offer_id: "0123456789abcdefghij",
  offer: description("offer", MESSAGE_BYTES - SIZE_OF_ALL_BUT_SDP),
};
const text = JSON.stringify({
  action: "announce",
  info_hash: infoHash,
  peer_id: "-WW0103-\u00f1\u0099sender0123",
  uploaded: 0,
  downloaded: 0,
  left: 1_234_567,
  numwant: 1,
  offers: [offer],
});
const bytes = new TextEncoder().encode(text);
const frame = maskedFrame(bytes);
const burst = new Uint8Array(BURST * frame.length);
for (let index = 0; index < BURST; ++index) burst.set(frame, index * frame.length);

const receiver = connect();
const first = JSON.stringify({
  action: "announce",
  info_hash: infoHash,
  peer_id: "-WW0103-receiver0123",
  left: 1,
});
send(receiver, maskedFrame(new TextEncoder().encode(first)));
const sender = connect();
send(sender, frame.subarray(0, 100));
send(sender, frame.subarray(100));

const decoder = new TextDecoder("utf-8", { fatal: true });
let sink = 0;
const group = `${BURST} announces of ${frame.length - 8} bytes, each with one offer`;

Deno.bench("JSON.parse of bytes", { group, baseline: true }, () => {
  for (let index = 0; index < BURST; ++index) {
    sink += JSON.parse(decoder.decode(bytes)).offers.length;
  }
});

Deno.bench("JSON.parse of strings", { group }, () => {
  for (let index = 0; index < BURST; ++index) sink += JSON.parse(text).offers.length;
});

Deno.bench("frames to outbox", { group }, () => {
  // The first bytes bring the slice that the burst then fits.
  send(sender, burst.subarray(0, 8));
  send(sender, burst.subarray(8));
  sink += burst.length;
});

// A socket's bytes come from the system; here they have to be copied, which is no work of the core.
Deno.bench("the frames' copy to the input alone", { group }, () => {
  core.inputOf(sender).set(burst.subarray(8));
  sink += burst.length;
});

if (sink < 0) throw new Error("The sink keeps what is measured");
