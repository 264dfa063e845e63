/** What the doctor says of facts about a machine. */
import { strict as assert } from "node:assert";
import type { Listener } from "../../../server/doctor/demand.ts";
import { cgroupLimitFiles, type Facts, parseLimit } from "../../../server/doctor/facts.ts";
import type { Finding } from "../../../server/doctor/finding.ts";
import { judgeMachine } from "../../../server/doctor/machine.ts";
import { demand, HTTPS, UDP } from "./listeners.ts";

const MIB = 1024 * 1024;

/** A machine with which nothing is the matter. */
const FACTS: Facts = {
  openFilesMax: 100_000,
  memoryTotal: 8192 * MIB,
  memoryAvailable: 6000 * MIB,
  sysctl: { "net.core.rmem_max": 8_000_000, "net.ipv4.tcp_migrate_req": 1 },
  hasIpv6: true,
  maySetBuffers: false,
  cores: 4,
  denoVersion: "2.9.6",
  now: Date.parse("2026-11-24T12:00:00Z"),
  newestChange: Date.parse("2026-11-24T11:00:00Z"),
};

/** What is not in order, by subject. */
function complaints(listeners: Listener[], facts: Partial<Facts>, limitMib?: number): Finding[] {
  return judgeMachine(demand(listeners, limitMib), { ...FACTS, ...facts })
    .filter(({ severity }) => severity !== "fine");
}

Deno.test("doctor: a machine with which nothing is the matter", () => {
  assert.deepEqual(complaints([UDP, HTTPS], {}), []);
  const findings = judgeMachine(demand([UDP, HTTPS]), FACTS);
  assert.deepEqual(findings.map(({ subject }) => subject), [
    "open files",
    "socket buffers",
    "memory",
    "processor cores",
    "IPv6",
    "clock",
    "Deno",
  ]);
});

const CASES: [
  name: string,
  expected: { severity: string; subject: string; what: RegExp; mend: RegExp },
  arguments_: Parameters<typeof complaints>,
][] = [
  ["too few open files", {
    severity: "warning",
    subject: "open files",
    what: /^1024 may be open, and 16384 connections need 16512/,
    mend: /LimitNOFILE=16512/,
  }, [[HTTPS], { openFilesMax: 1024 }]],
  ["socket buffers above the system's limit", {
    severity: "warning",
    subject: "socket buffers",
    what: /asks for 4000000 bytes, and net.core.rmem_max gives 212992/,
    mend: /net.core.rmem_max=4000000/,
  }, [[UDP], { sysctl: { "net.core.rmem_max": 212_992 } }]],
  ["the system's small buffers", {
    severity: "note",
    subject: "socket buffers",
    what: /net.core.rmem_default gives 212992 bytes a socket, 3 ms/,
    mend: /net.core.rmem_default=/,
  }, [[{ ...UDP, receiveBufferBytes: 0 }], { sysctl: { "net.core.rmem_default": 212_992 } }]],
  ["more memory than the machine has", {
    severity: "warning",
    subject: "memory",
    what: /limit_mib = 4096 and 128 MiB of runtime exceed the machine's memory of 2048 MiB/,
    mend: /memory.limit_mib = 1920/,
  }, [[UDP], { memoryTotal: 2048 * MIB }, 4096]],
  ["more memory than the control group has", {
    severity: "warning",
    subject: "memory",
    what: /exceed the control group's limit of 512 MiB/,
    mend: /memory.limit_mib = 384, or raise MemoryMax=/,
  }, [[UDP], { cgroupMemoryMax: 512 * MIB }]],
  ["more memory than is left", {
    severity: "warning",
    subject: "memory",
    what: /more than the 300 MiB that other processes leave/,
    mend: /smaller memory.limit_mib/,
  }, [[UDP], { memoryAvailable: 300 * MIB }]],
  ["a limit on address space", {
    severity: "warning",
    subject: "address space",
    what: /^this process may have 4096 MiB/,
    mend: /ulimit -v unlimited/,
  }, [[UDP], { addressSpaceMax: 4096 * MIB }]],
  ["strict overcommit", {
    severity: "note",
    subject: "overcommit",
    what: /vm.overcommit_memory is 2/,
    mend: /vm.overcommit_ratio/,
  }, [[UDP], { sysctl: { ...FACTS.sysctl, "vm.overcommit_memory": 2 } }]],
  ["more workers than cores", {
    severity: "warning",
    subject: "processor cores",
    what: /^2 workers on 1 core$/,
    mend: /socket_workers = 1/,
  }, [[UDP], { cores: 1 }]],
  ["no IPv6", {
    severity: "warning",
    subject: "IPv6",
    what: /has none, and \[::\]:3000 is to be served/,
    mend: /disable_ipv6 = 0/,
  }, [[UDP], { hasIpv6: false }]],
  ["IPv6 that is not served", {
    severity: "note",
    subject: "IPv6",
    what: /no address of the configuration is of it/,
    mend: /\[::\]:3000/,
  }, [[{ ...UDP, addresses: ["0.0.0.0:3000"] }], {}]],
  ["[::] alone where the system keeps it from IPv4", {
    severity: "warning",
    subject: "IPv6",
    what: /bindv6only is 1/,
    mend: /0\.0\.0\.0/,
  }, [[{ ...UDP, addresses: ["[::]:3000"] }], {
    sysctl: { ...FACTS.sysctl, "net.ipv6.bindv6only": 1 },
  }]],
  ["resets when a listener is replaced", {
    severity: "note",
    subject: "tcp_migrate_req",
    what: /tcp_migrate_req is 0/,
    mend: /tcp_migrate_req=1/,
  }, [[HTTPS], { sysctl: { "net.ipv4.tcp_migrate_req": 0 } }]],
  ["connection tracking", {
    severity: "note",
    subject: "connection tracking",
    what: /65536 at most/,
    mend: /notrack/,
  }, [[UDP], { sysctl: { ...FACTS.sysctl, "net.netfilter.nf_conntrack_max": 65_536 } }]],
  ["a clock that stands before its files", {
    severity: "warning",
    subject: "clock",
    what: /^it says 1970-01-01T00:01:00/,
    mend: /NTP/,
  }, [[UDP], { now: 60_000 }]],
  ["another Deno", {
    severity: "warning",
    subject: "Deno",
    what: /^this is 2\.8\.0/,
    mend: /deno@2\.9\.6/,
  }, [[UDP], { denoVersion: "2.8.0" }]],
];

for (const [name, expected, args] of CASES) {
  Deno.test(`doctor: ${name}`, () => {
    const found = complaints(...args);
    assert.equal(found.length, 1, JSON.stringify(found));
    const [{ severity, subject, what, mend }] = found as [Finding];
    assert.deepEqual([severity, subject], [expected.severity, expected.subject]);
    assert.match(what, expected.what);
    assert.match(mend!, expected.mend);
  });
}

Deno.test("doctor: larger buffers than the limit are no matter to who may exceed it", () => {
  const sysctl = { "net.core.rmem_max": 212_992 };
  assert.deepEqual(complaints([UDP], { sysctl, maySetBuffers: true }), []);
});

Deno.test("doctor: what is unknown is not judged", () => {
  const unknown = {
    openFilesMax: undefined,
    memoryTotal: undefined,
    memoryAvailable: undefined,
    hasIpv6: undefined,
    sysctl: {},
  };
  assert.deepEqual(complaints([UDP, HTTPS], unknown), []);
});

Deno.test("doctor: limits of a process and of its control groups", () => {
  const limits =
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max address space         unlimited            unlimited            bytes     \n" +
    "Max open files            1024                 524288               files     \n";
  assert.equal(parseLimit(limits, "Max open files"), 1024);
  assert.equal(parseLimit(limits, "Max address space"), undefined);
  assert.deepEqual(cgroupLimitFiles("0::/system.slice/riptide.service\n"), [
    "/sys/fs/cgroup/system.slice/riptide.service/memory.max",
    "/sys/fs/cgroup/system.slice/memory.max",
    "/sys/fs/cgroup/memory.max",
  ]);
  assert.deepEqual(cgroupLimitFiles("8:pids:/\n4:cpu,memory:/a\n"), [
    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
  ]);
});
