import { strict as assert } from "node:assert";
import { describeErrno, findLibc, type LibcError, openLibc } from "../../../server/native/libc.ts";
import { LIBC_PATHS } from "../../../server/native/library_paths.ts";
import * as linux from "../../../server/native/linux.ts";
import { MessageBatch } from "../../../protocols/udp/message_batch.ts";
import { SocketPoll, UdpSocket } from "../../../protocols/udp/udp_socket.ts";
import {
  readSocketAddress,
  type SocketAddress,
  writeSocketAddress,
} from "../../../server/native/socket_address.ts";

const ignore = Deno.build.os !== "linux";
const TIMEOUT_MS = 2000;
// The library stays open for as long as the thread lives, so no single test may be the one to open
// it.
if (!ignore) openLibc();

/** The addresses and the datagrams' family on which everything is tried. */
const FAMILIES = [
  { name: "IPv4", loopback: "127.0.0.1", wildcard: "0.0.0.0", second: "127.0.0.2" },
  { name: "IPv6", loopback: "::1", wildcard: "::", second: "::1" },
];

Deno.test({ name: "findLibc() finds one of the usual places", ignore }, () => {
  const arch = Deno.build.arch as keyof typeof LIBC_PATHS;
  assert.ok(LIBC_PATHS[arch].includes(findLibc()));
});

Deno.test({ name: "Libc is content with FFI permission for its path alone", ignore }, async () => {
  const path = findLibc();
  const module = new URL("../../../protocols/udp/udp_socket.ts", import.meta.url);
  const program = `
    import { UdpSocket } from ${JSON.stringify(module.href)};
    const socket = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
    console.log(socket.localAddress().hostname);
    socket.close();
    try {
      UdpSocket.open({ hostname: "192.0.2.1", port: 0 });
    } catch (error) {
      console.log(error.errno);
    }
  `;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", `--allow-ffi=${path}`, "--allow-read", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assert.equal(decoder.decode(stdout), "127.0.0.1\n99\n", decoder.decode(stderr));
});

Deno.test(
  { name: "addressOf() tells where a memory lies, also a shared one of 4 GiB", ignore },
  () => {
    const libc = openLibc();
    const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
    const address = libc.addressOf(memory.buffer);
    const far = 0xffff_fff0;
    new Uint8Array(memory.buffer).set([1, 2, 3, 4], far);
    const copied = new Uint8Array(4);
    libc.symbols.copyFrom(copied, address + BigInt(far), 4n);
    assert.deepEqual([...copied], [1, 2, 3, 4]);
  },
);

Deno.test({ name: "errno() tells why the last call failed, call after call", ignore }, () => {
  const libc = openLibc();
  const option = new Int32Array([1]);
  for (let round = 0; round < 5000; ++round) {
    assert.equal(libc.symbols.close(-1), -1);
    assert.equal(libc.errno(), 9); // EBADF
    assert.equal(libc.symbols.setsockopt(0, 0, 0, option, 4), -1);
    assert.notEqual(libc.errno(), 9);
  }
});

Deno.test("describeErrno() names an error, and numbers one that it does not know", () => {
  assert.equal(describeErrno(linux.EADDRINUSE), "the address is in use (EADDRINUSE)");
  assert.equal(describeErrno(4711), "system error 4711");
});

Deno.test("writeSocketAddress() and readSocketAddress() agree with the kernel's structures", () => {
  const ipv4 = writeSocketAddress({ hostname: "127.0.0.2", port: 0x1ae1 });
  assert.equal(ipv4.toHex(), "02001ae17f0000020000000000000000");
  const ipv6 = writeSocketAddress({ hostname: "2001:db8::1", port: 0x1ae1 });
  assert.equal(ipv6.toHex(), "0a001ae10000000020010db800000000000000000000000100000000");
  assert.deepEqual(readSocketAddress(ipv4), { hostname: "127.0.0.2", port: 0x1ae1 });
  assert.deepEqual(readSocketAddress(ipv6), { hostname: "2001:db8::1", port: 0x1ae1 });
  assert.throws(() => writeSocketAddress({ hostname: "::1", port: 65536 }), RangeError);
});

for (const family of FAMILIES) {
  Deno.test({ name: `UdpSocket sends and receives a batch, ${family.name}`, ignore }, () => {
    using receiver = UdpSocket.open({ hostname: family.loopback, port: 0 }, {
      timeoutMs: TIMEOUT_MS,
    });
    using sender = UdpSocket.open({ hostname: family.loopback, port: 0 });
    const payloads = ["", "a", "bc", "x".repeat(1400)].map((text) =>
      new TextEncoder().encode(text)
    );
    assert.equal(sendBatch(sender, receiver.localAddress(), payloads), payloads.length);

    const batch = new MessageBatch({ count: 8, payloadBytes: 1500 });
    assert.equal(receiver.receive(batch.headers, batch.count), payloads.length);
    payloads.forEach((payload, index) => {
      assert.equal(batch.receivedLength(index), payload.byteLength);
      assert.deepEqual(batch.payload(index).subarray(0, payload.byteLength), payload);
      assert.deepEqual(readSocketAddress(batch.name(index)), sender.localAddress());
    });
  });

  Deno.test({ name: `UdpSocket answers from the address asked, ${family.name}`, ignore }, () => {
    using server = UdpSocket.open({ hostname: family.wildcard, port: 0 }, {
      packetInfo: true,
      timeoutMs: TIMEOUT_MS,
    });
    using client = UdpSocket.open({ hostname: family.loopback, port: 0 }, {
      timeoutMs: TIMEOUT_MS,
    });
    const asked = { hostname: family.second, port: server.localAddress().port };
    sendBatch(client, asked, [new Uint8Array([1])]);
    const batch = new MessageBatch({ count: 1, payloadBytes: 64 });
    assert.equal(server.receive(batch.headers, 1), 1);
    const control = batch.control(0);
    assert.equal(readLocalAddress(control), family.second);

    const answer = new MessageBatch({ count: 1, payloadBytes: 8 });
    answer.setPayloadLength(0, 1);
    answer.setName(0, batch.name(0));
    answer.setControl(0, sendingControl(control));
    assert.equal(server.send(answer.headers, 1), 1);
    batch.resetForReceive();
    assert.equal(client.receive(batch.headers, 1), 1);
    assert.deepEqual(readSocketAddress(batch.name(0)), asked);
  });
}

Deno.test({ name: "UdpSocket on [::] takes IPv4 only when v6Only is false", ignore }, () => {
  for (const v6Only of [true, false]) {
    using receiver = UdpSocket.open({ hostname: "::", port: 0 }, { v6Only, timeoutMs: 50 });
    using sender = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
    const { port } = receiver.localAddress();
    sendBatch(sender, { hostname: "127.0.0.1", port }, [new Uint8Array(1)]);
    const batch = new MessageBatch({ count: 1, payloadBytes: 64 });
    assert.equal(receiver.receive(batch.headers, 1), v6Only ? 0 : 1);
    if (!v6Only) assert.equal(readSocketAddress(batch.name(0)).hostname, "::ffff:7f00:1");
  }
});

Deno.test({ name: "receive() gives up after the timeout", ignore }, () => {
  using socket = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { timeoutMs: 100 });
  const batch = new MessageBatch({ count: 4, payloadBytes: 64 });
  const start = performance.now();
  assert.equal(socket.receive(batch.headers, batch.count), 0);
  const elapsedMs = performance.now() - start;
  assert.ok(elapsedMs >= 90 && elapsedMs < 1000, `${elapsedMs} ms`);
  assert.equal(socket.receive(batch.headers, batch.count, linux.MSG_DONTWAIT), 0);
});

Deno.test({ name: "receive() and send() of a closed socket report EBADF", ignore }, () => {
  const socket = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  socket.close();
  socket.close();
  const batch = new MessageBatch({ count: 1, payloadBytes: 64 });
  assert.equal(socket.receive(batch.headers, 1), -9);
  assert.equal(socket.send(batch.headers, 1), -9);
});

Deno.test({ name: "receive() marks a datagram that did not fit", ignore }, () => {
  using receiver = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { timeoutMs: TIMEOUT_MS });
  using sender = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  sendBatch(sender, receiver.localAddress(), [new Uint8Array(100)]);
  const batch = new MessageBatch({ count: 1, payloadBytes: 64 });
  assert.equal(receiver.receive(batch.headers, 1), 1);
  assert.equal(batch.words[linux.MMSGHDR_FLAGS / 4]! & linux.MSG_TRUNC, linux.MSG_TRUNC);
});

Deno.test({ name: "sendAll() skips what cannot be sent and counts it", ignore }, () => {
  using receiver = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { timeoutMs: TIMEOUT_MS });
  using sender = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  const good = writeSocketAddress(receiver.localAddress());
  const wrongFamily = writeSocketAddress({ hostname: "::1", port: 1 });
  const batch = new MessageBatch({ count: 6, payloadBytes: 8 });
  for (let index = 0; index < batch.count; ++index) {
    batch.setName(index, index === 1 || index === 2 || index === 5 ? wrongFamily : good);
    batch.setControl(index, new Uint8Array());
    batch.setPayloadLength(index, 1);
    batch.payload(index)[0] = index;
  }
  assert.equal(sender.send(batch.headers, batch.count), 1);
  assert.equal(sender.sendAll(batch.headers, batch.count), 3);
  const received = new MessageBatch({ count: 8, payloadBytes: 64 });
  const count = receiver.receive(received.headers, 8, linux.MSG_DONTWAIT);
  const firsts = Array.from({ length: count }, (_, index) => received.payload(index)[0]);
  assert.deepEqual(firsts, [0, 0, 3, 4]);
});

Deno.test({ name: "The drop counter tells what the kernel had no room for", ignore }, () => {
  using receiver = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, {
    dropCounter: true,
    receiveBufferBytes: 4096,
    timeoutMs: TIMEOUT_MS,
  });
  using sender = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  const payloads = Array.from({ length: 64 }, () => new Uint8Array(500));
  sendBatch(sender, receiver.localAddress(), payloads);
  const batch = new MessageBatch({ count: 64, payloadBytes: 500 });
  const kept = receiver.receive(batch.headers, batch.count);
  assert.ok(kept > 0 && kept < payloads.length);
  batch.resetForReceive();
  sendBatch(sender, receiver.localAddress(), [new Uint8Array(1)]);
  assert.equal(receiver.receive(batch.headers, batch.count), 1);
  const control = new DataView(batch.control(0).slice().buffer);
  assert.equal(control.getUint32(linux.CMSG_LEVEL, true), linux.SOL_SOCKET);
  assert.equal(control.getUint32(linux.CMSG_TYPE, true), linux.SO_RXQ_OVFL);
  assert.equal(control.getUint32(linux.CMSG_DATA, true), payloads.length - kept);
});

Deno.test({ name: "receiveBufferBytes tells what was given", ignore }, () => {
  const address = { hostname: "127.0.0.1", port: 0 };
  using small = UdpSocket.open(address, { receiveBufferBytes: 65536, sendBufferBytes: 131072 });
  assert.equal(small.receiveBufferBytes, 65536);
  assert.equal(small.sendBufferBytes, 131072);
  using huge = UdpSocket.open(address, { receiveBufferBytes: 1 << 29 });
  assert.ok(huge.receiveBufferBytes > 65536 && huge.receiveBufferBytes <= 1 << 29);
});

Deno.test({ name: "UdpSocket.open() says what is in the way", ignore }, () => {
  using first = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  const address = first.localAddress();
  const where = `127.0.0.1:${address.port}`;
  assert.throws(() => UdpSocket.open(address), (error: LibcError) => {
    assert.equal(error.errno, linux.EADDRINUSE);
    assert.equal(error.message, `Cannot bind ${where}: the address is in use (EADDRINUSE)`);
    return true;
  });
  assert.throws(
    () => UdpSocket.open({ hostname: "192.0.2.1", port: 0 }),
    (error: LibcError) => error.errno === linux.EADDRNOTAVAIL,
  );
});

Deno.test({ name: "reusePort lets two sockets share an address", ignore }, () => {
  using first = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { reusePort: true });
  using second = UdpSocket.open(first.localAddress(), { reusePort: true });
  assert.deepEqual(second.localAddress(), first.localAddress());
});

Deno.test({ name: "A connected socket needs no names, and hears nobody else", ignore }, () => {
  using server = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { timeoutMs: TIMEOUT_MS });
  using client = UdpSocket.open({ hostname: "127.0.0.1", port: 0 }, { timeoutMs: 50 });
  using stranger = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  client.connect(server.localAddress());
  const batch = new MessageBatch({ count: 2, payloadBytes: 64, names: false, control: false });
  assert.equal(client.send(batch.headers, 2), 2);
  assert.equal(server.receive(batch.headers, 2), 2);
  sendBatch(stranger, client.localAddress(), [new Uint8Array(1)]);
  assert.equal(client.receive(batch.headers, 2), 0);
});

Deno.test({ name: "SocketPoll tells which socket has something", ignore }, () => {
  using first = UdpSocket.open({ hostname: "127.0.0.1", port: 0 });
  using second = UdpSocket.open({ hostname: "::1", port: 0 });
  const poll = new SocketPoll([first, second]);
  const start = performance.now();
  assert.equal(poll.wait(50), 0);
  assert.ok(performance.now() - start >= 45);
  sendBatch(second, second.localAddress(), [new Uint8Array(1)]);
  assert.equal(poll.wait(TIMEOUT_MS), 1);
  assert.deepEqual([poll.isReadable(0), poll.isReadable(1)], [false, true]);
});

function sendBatch(socket: UdpSocket, to: SocketAddress, payloads: Uint8Array[]): number {
  const batch = new MessageBatch({ count: payloads.length, payloadBytes: 1500, control: false });
  const name = writeSocketAddress(to);
  payloads.forEach((payload, index) => {
    batch.setName(index, name);
    batch.payload(index).set(payload);
    batch.setPayloadLength(index, payload.byteLength);
  });
  return socket.send(batch.headers, payloads.length);
}

/** Reads the one control message that is expected: packet info. */
function readLocalAddress(control: Uint8Array): string {
  const view = new DataView(control.slice().buffer);
  const level = view.getUint32(linux.CMSG_LEVEL, true);
  const type = view.getUint32(linux.CMSG_TYPE, true);
  const isIpv6 = level === linux.SOL_IPV6;
  assert.equal(level, isIpv6 ? linux.SOL_IPV6 : linux.SOL_IP);
  assert.equal(type, isIpv6 ? linux.IPV6_PKTINFO : linux.IP_PKTINFO);
  const size = isIpv6 ? linux.IN6_PKTINFO_SIZE : linux.IN_PKTINFO_SIZE;
  assert.equal(view.getBigUint64(linux.CMSG_LENGTH, true), BigInt(linux.CMSG_DATA + size));
  const name = new Uint8Array(linux.SOCKADDR_IN6_SIZE);
  new DataView(name.buffer).setUint16(0, isIpv6 ? linux.AF_INET6 : linux.AF_INET, true);
  const info = control.subarray(linux.CMSG_DATA);
  if (isIpv6) name.set(info.subarray(0, 16), linux.SOCKADDR_IN6_ADDRESS);
  else {
    const start = linux.IN_PKTINFO_DESTINATION;
    name.set(info.subarray(start, start + 4), linux.SOCKADDR_IN_ADDRESS);
  }
  return readSocketAddress(name).hostname;
}

/** What was received, with the interface left to routing, can be sent as it is. */
function sendingControl(control: Uint8Array): Uint8Array {
  const copy = control.slice();
  const view = new DataView(copy.buffer);
  const isIpv6 = view.getUint32(linux.CMSG_LEVEL, true) === linux.SOL_IPV6;
  view.setUint32(linux.CMSG_DATA + (isIpv6 ? linux.IN6_PKTINFO_INTERFACE : 0), 0, true);
  return copy;
}
