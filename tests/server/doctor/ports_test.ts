/** What the doctor says of addresses. */
import { strict as assert } from "node:assert";
import { judgePorts, type PortFact, tryPorts } from "../../../server/doctor/ports.ts";
import { HTTPS, UDP } from "./listeners.ts";

Deno.test("doctor: addresses that cannot be bound", () => {
  const judge = (fact: Partial<PortFact>, takeOver = false) => {
    const whole = { protocol: "udp", transport: "udp", address: "0.0.0.0:80", ...fact } as PortFact;
    return [...judgePorts([whole], { takeOver, firstFreePort: 1024 })][0]!;
  };
  assert.equal(judge({ outcome: "free" }).severity, "fine");
  const inUse = judge({ outcome: "in use", holder: "deno (process 7)" });
  assert.deepEqual([inUse.severity, inUse.exitStatus], ["error", 69]);
  assert.match(inUse.what, /udp: 0\.0\.0\.0:80 is held by deno \(process 7\)/);
  assert.match(inUse.mend!, /--take-over.*ss -lunp/);
  assert.equal(judge({ outcome: "in use" }, true).severity, "note");
  const low = judge({ outcome: "not permitted" });
  assert.match(low.mend!, /CAP_NET_BIND_SERVICE.*ip_unprivileged_port_start=80$/);
  assert.match(judge({ outcome: "not here" }).what, /no address of this machine/);
  assert.match(judge({ outcome: "failed", reason: "Too many files" }).what, /Too many files/);
});

Deno.test("doctor: names the process that holds an address", async () => {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const address = `127.0.0.1:${(socket.addr as Deno.NetAddr).port}`;
    const tcp = `127.0.0.1:${listener.addr.port}`;
    const facts = await tryPorts([
      { ...UDP, addresses: [address, "127.0.0.1:0"] },
      { ...HTTPS, addresses: [tcp, "192.0.2.1:0"] },
    ]);
    assert.deepEqual(facts.map(({ outcome }) => outcome), ["in use", "free", "in use", "not here"]);
    assert.match(facts[0]!.holder!, new RegExp(`\\(process ${Deno.pid}\\)$`));
    assert.match(facts[2]!.holder!, new RegExp(`\\(process ${Deno.pid}\\)$`));
  } finally {
    socket.close();
    listener.close();
  }
});

Deno.test("doctor: what is at the path of a UNIX socket", async () => {
  const directory = await Deno.makeTempDir();
  const path = (name: string) => `unix:${directory}/${name}`;
  try {
    await Deno.writeTextFile(`${directory}/file`, "");
    using _listener = Deno.listen({ transport: "unix", path: `${directory}/served` });
    const addresses = ["none", "file", "served", "none/deeper"].map(path);
    const facts = await tryPorts([{ ...HTTPS, addresses }]);
    assert.deepEqual(facts.map(({ outcome }) => outcome), ["free", "failed", "in use", "failed"]);
    const findings = [...judgePorts(facts, { takeOver: true, firstFreePort: 1024 })];
    assert.match(findings[1]!.what, /no socket$/);
    assert.deepEqual([findings[2]!.severity, findings[2]!.exitStatus], ["error", 69]);
    assert.match(findings[3]!.what, /of its directory, there is no such file$/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
