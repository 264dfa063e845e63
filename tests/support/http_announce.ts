/** One HTTP announce or scrape on a connection of its own, for tests that speak more than HTTP. */
import {
  type AnnounceRequest,
  findFrame,
  type HttpResponse,
  parseBody,
  writeAnnounceRequest,
  writeScrapeRequest,
} from "../../protocols/http/client.ts";
import { randomBytes } from "./packets.ts";

type Response<Kind> = Extract<HttpResponse, { kind: Kind }>;

/** @param tracker Its address, such as `127.0.0.1:3000`. */
export async function announceHttp(
  tracker: string,
  request: Partial<AnnounceRequest>,
): Promise<Response<"announce">> {
  const whole = { infoHash: randomBytes(20), peerId: randomBytes(20), port: 6881, left: 1 };
  const text = writeAnnounceRequest({ ...whole, ...request }, { host: tracker, close: true });
  return expectKind(await exchange(tracker, text), "announce");
}

/** The reason that an announce is refused with. */
export async function announceRefusal(
  tracker: string,
  request: Partial<AnnounceRequest>,
): Promise<string> {
  const whole = { infoHash: randomBytes(20), peerId: randomBytes(20), port: 6881, left: 1 };
  const text = writeAnnounceRequest({ ...whole, ...request }, { host: tracker, close: true });
  return expectKind(await exchange(tracker, text), "failure").reason;
}

export async function scrapeHttp(
  tracker: string,
  infoHash: Uint8Array,
): Promise<{ seeders: number; completed: number; leechers: number }> {
  const text = writeScrapeRequest([infoHash], { host: tracker, close: true });
  const { torrents } = expectKind(await exchange(tracker, text), "scrape");
  return [...torrents.values()][0]!;
}

function expectKind<Kind extends HttpResponse["kind"]>(response: HttpResponse, kind: Kind) {
  if (response.kind !== kind) throw new Error(`Not ${kind}: ${Deno.inspect(response)}`);
  return response as Response<Kind>;
}

async function exchange(tracker: string, request: string): Promise<HttpResponse> {
  const { hostname, port } = new URL(`http://${tracker}`);
  using conn = await Deno.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port),
  });
  const bytes = new TextEncoder().encode(request);
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
  const received = new Uint8Array(65_536);
  let length = 0;
  while (length < received.length) {
    const count = await conn.read(received.subarray(length));
    if (count === null) throw new Error(`The connection ended after ${length} bytes`);
    length += count;
    const frame = findFrame(received.subarray(0, length));
    if (frame !== undefined && frame.byteLength <= length) {
      return parseBody(received.subarray(frame.bodyStart, frame.byteLength));
    }
  }
  throw new Error("The answer is longer than 64 KiB");
}
