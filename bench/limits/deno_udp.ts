/**
 * What Deno's own UDP socket allows: a loop that answers every request with constant bytes and
 * keeps nothing. No tracker on `Deno.listenDatagram` can be faster than this on the same machine.
 *
 *     deno run --allow-net bench/limits/deno_udp.ts -c FILE   (takes `[network] address` from it)
 */
import { parse } from "smol-toml";

const PEERS = 22; // what the 100 k torrents of the comparison are answered with, in the mean

const { network } = parse(await Deno.readTextFile(Deno.args.at(-1)!)) as unknown as {
  network: { address: string };
};
const [hostname, port] = network.address.split(":") as [string, string];
const socket = Deno.listenDatagram({ transport: "udp", hostname, port: Number(port) });
const input = new Uint8Array(2048);
const output = new Uint8Array(1500);
const [request, answer] = [new DataView(input.buffer), new DataView(output.buffer)];

/** Bytes of the answer to the request in `input`. */
function respond(byteLength: number): number {
  const action = request.getUint32(8);
  answer.setUint32(0, action);
  answer.setUint32(4, request.getUint32(12));
  answer.setUint32(8, action === 1 ? 900 : 1);
  answer.setUint32(12, 1000);
  if (action === 0) return 16;
  if (action === 2) return 8 + 12 * ((byteLength - 16) / 20);
  answer.setUint32(16, 1000);
  for (let peer = 0; peer < PEERS; ++peer) {
    answer.setUint32(20 + 6 * peer, 0x7f000002 + peer);
    answer.setUint16(24 + 6 * peer, 6881);
  }
  return 20 + 6 * PEERS;
}

while (true) {
  const [datagram, client] = await socket.receive(input);
  await socket.send(output.subarray(0, respond(datagram.byteLength)), client);
}
