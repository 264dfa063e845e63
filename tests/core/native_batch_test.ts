/** The native driver's half of a batch, without a socket: what the kernel would be handed. */
import { strict as assert } from "node:assert";
import {
  COUNT_DROP_KERNEL,
  COUNT_DROP_SHORT,
  COUNT_DROP_TRUNCATED,
} from "../../assembly/layout.ts";
import * as linux from "../../server/native/linux.ts";
import { readSocketAddress } from "../../server/native/socket_address.ts";
import { writeAnnounce, writeConnect, writeScrape } from "../model/packets.ts";
import { concat, toHex } from "../support/packets.ts";
import { compileCore, Harness, seededRandom, torrentHash } from "./harness.ts";
import { NativeBatch } from "./native_batch.ts";

const MODULE = await compileCore("release");
const BATCH_SIZE = 16;
const IPV4 = Uint8Array.of(192, 0, 2, 7);
const IPV6 = Uint8Array.from({ length: 16 }, (_, index) => 0x20 + index);
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...IPV4);

function startBatch(): { harness: Harness; batch: NativeBatch } {
  const harness = new Harness(MODULE, { batchSize: BATCH_SIZE });
  return { harness, batch: new NativeBatch(harness) };
}

function receive(
  batch: NativeBatch,
  index: number,
  packet: Uint8Array,
  options: { address?: Uint8Array; port?: number; flags?: number; control?: Uint8Array } = {},
): void {
  batch.input(index).set(packet);
  const { address = IPV4, port = 1024, flags, control } = options;
  batch.receive(index, { address, port }, { byteLength: packet.length, flags, control });
}

/** A control message, padded as the next one's place wants it. */
function controlMessage(level: number, type: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array((linux.CMSG_DATA + data.length + 7) & ~7);
  const view = new DataView(message.buffer);
  view.setBigUint64(linux.CMSG_LENGTH, BigInt(linux.CMSG_DATA + data.length), true);
  view.setUint32(linux.CMSG_LEVEL, level, true);
  view.setUint32(linux.CMSG_TYPE, type, true);
  message.set(data, linux.CMSG_DATA);
  return message;
}

function dropCounter(drops: number): Uint8Array {
  const data = new Uint8Array(new Uint32Array([drops]).buffer);
  return controlMessage(linux.SOL_SOCKET, linux.SO_RXQ_OVFL, data);
}

Deno.test("a batch brings the answers that its datagrams bring one by one, in order", () => {
  const { harness, batch } = startBatch();
  const single = new Harness(MODULE);
  const random = seededRandom(7);
  const sources = [IPV4, IPV6, Uint8Array.of(10, 0, 0, 1)];
  const ids = sources.map((address) => single.send(writeConnect(), { address })!.slice(8));
  for (let round = 0; round < 300; ++round) {
    const count = 1 + random(BATCH_SIZE);
    const expected: string[] = [];
    for (let index = 0; index < count; ++index) {
      const source = random(sources.length);
      const address = sources[source]!;
      const connectionId = random(5) === 0 ? new Uint8Array(8).fill(9) : ids[source]!;
      const packet = [
        () => writeConnect(round),
        () => writeScrape(connectionId, [torrentHash(random(5)), torrentHash(random(5))]),
        // One peer wanted at the most: which one of several would be left to chance.
        () =>
          writeAnnounce({
            connectionId,
            infoHash: torrentHash(source),
            port: 1 + random(2),
            left: BigInt(random(2)),
            event: random(4),
            numWant: 1,
          }),
        () => new Uint8Array(random(120)).map(() => random(256)),
      ][random(4)]!();
      const port = random(20) === 0 ? 0 : 2_000 + index;
      receive(batch, index, packet, { address, port });
      const answer = single.send(packet, { address, port });
      if (answer !== null) {
        expected.push(`${port} ${toHex(answer)}`);
      }
    }
    assert.equal(batch.answer(count), expected.length);
    const found = expected.map((_, index) =>
      `${readSocketAddress(batch.answerName(index).slice()).port} ${
        toHex(batch.answerBytes(index))
      }`
    );
    assert.deepEqual(found.map(withoutInterval), expected.map(withoutInterval));
  }
  assert.equal(harness.pagesUsed > 0, true);
});

/** The interval is jittered; in hex, it is bytes 8 to 11 of an announce's answer. */
function withoutInterval(answer: string): string {
  return answer.replace(/^(\d+ 00000001.{8}).{8}/, "$1interval");
}

Deno.test("an IPv4 client of an IPv6 socket is the IPv4 client that it is", () => {
  const { batch } = startBatch();
  receive(batch, 0, writeConnect(), { address: IPV4 });
  receive(batch, 1, writeConnect(), { address: MAPPED });
  receive(batch, 2, writeConnect(), { address: IPV6 });
  assert.equal(batch.answer(3), 3);
  const [ipv4, mapped, ipv6] = [0, 1, 2].map((index) => toHex(batch.answerBytes(index)));
  assert.equal(mapped, ipv4, "The same connection id");
  assert.notEqual(ipv6, ipv4);
  assert.equal(readSocketAddress(batch.answerName(1).slice()).hostname, "::ffff:c000:207");
});

Deno.test("what the kernel has cut, and what has no sender, is dropped and counted", () => {
  const { harness, batch } = startBatch();
  receive(batch, 0, writeConnect(), { flags: linux.MSG_TRUNC });
  receive(batch, 1, writeConnect(1));
  receive(batch, 2, writeConnect(2));
  const { receiveHeaders } = harness.core.prepareBatch(0n);
  receive(batch, 0, writeConnect(), { flags: linux.MSG_TRUNC });
  receive(batch, 1, writeConnect(1));
  receive(batch, 2, writeConnect(2));
  const noName = receiveHeaders + 2 * linux.MMSGHDR_SIZE + linux.MMSGHDR_NAME_LENGTH;
  harness.view.setUint32(noName, 0, true);
  assert.equal(batch.answer(3), 1);
  assert.equal(toHex(batch.answerBytes(0).slice(4, 8)), "00000001");
  assert.equal(harness.counter(COUNT_DROP_TRUNCATED), 1);
  assert.equal(harness.counter(COUNT_DROP_SHORT), 1);
});

Deno.test("an answer leaves from the address that was asked", () => {
  const { batch } = startBatch();
  const ipv4Info = Uint8Array.of(3, 0, 0, 0, 10, 1, 2, 3, 10, 9, 9, 9);
  receive(batch, 0, new Uint8Array(3), {
    control: controlMessage(linux.SOL_IP, linux.IP_PKTINFO, ipv4Info),
  });
  receive(batch, 1, writeConnect(), {
    control: controlMessage(linux.SOL_IP, linux.IP_PKTINFO, ipv4Info),
  });
  const globalInfo = Uint8Array.of(...IPV6, 4, 0, 0, 0);
  receive(batch, 2, writeConnect(), {
    address: IPV6,
    control: concat(
      dropCounter(0),
      controlMessage(linux.SOL_IPV6, linux.IPV6_PKTINFO, globalInfo),
    ),
  });
  const linkLocalInfo = Uint8Array.of(0xfe, 0x80, ...IPV6.slice(2), 5, 0, 0, 0);
  receive(batch, 3, writeConnect(), {
    address: IPV6,
    control: controlMessage(linux.SOL_IPV6, linux.IPV6_PKTINFO, linkLocalInfo),
  });
  receive(batch, 4, writeConnect());
  assert.equal(batch.answer(5), 4, "The first one is too short");
  const source = (index: number, length: number) =>
    batch.answerControl(index).slice(linux.CMSG_DATA, linux.CMSG_DATA + length);
  assert.equal(toHex(source(0, linux.IN_PKTINFO_SIZE)), "00000000" + "0a010203" + "00000000");
  // The interface is left to routing, unless the address means nothing without it.
  assert.equal(toHex(source(1, linux.IN6_PKTINFO_SIZE)), toHex(IPV6) + "00000000");
  assert.equal(toHex(source(2, linux.IN6_PKTINFO_SIZE)), toHex(linkLocalInfo));
  assert.equal(batch.answerControl(3).length, 0);
});

Deno.test("the kernel's drops are counted as they grow, for each socket, over the wrap", () => {
  const { harness, batch } = startBatch();
  const tell = (socketIndex: number, drops: number) => {
    receive(batch, 0, writeConnect(), { control: dropCounter(drops) });
    batch.answer(1, socketIndex);
  };
  tell(0, 5);
  tell(1, 7);
  tell(0, 5);
  tell(1, 10);
  assert.equal(harness.counter(COUNT_DROP_KERNEL), 15);
  tell(0, 0xffff_fffe);
  const before = harness.counter(COUNT_DROP_KERNEL);
  tell(0, 2);
  assert.equal(harness.counter(COUNT_DROP_KERNEL), before + 4);
  // Sockets of a worker that takes a dead one's place count from 0.
  new NativeBatch(harness);
  tell(0, 1);
  assert.equal(harness.counter(COUNT_DROP_KERNEL), before + 5);
});
