/** The doctor: what it says of facts that it is given, and what it says of this machine. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { judgeCertificate } from "../../server/doctor/certificate.ts";
import { type Demand, type Listener, toListener } from "../../server/doctor/demand.ts";
import { cgroupLimitFiles, type Facts, parseLimit } from "../../server/doctor/facts.ts";
import { exitStatusOf, type Finding, formatFindings } from "../../server/doctor/finding.ts";
import { tightestCommand } from "../../server/doctor/flags.ts";
import { judgeMachine } from "../../server/doctor/machine.ts";
import { judgePorts, type PortFact, tryPorts } from "../../server/doctor/ports.ts";
import { LIBC_PATHS } from "../../server/native/libc_paths.ts";
import { Authority, hasOpenssl } from "../support/certificates.ts";
import { nativeIsAvailable, REPOSITORY } from "../support/configuration.ts";

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

const UDP: Listener = toListener("udp", {
  socket_workers: 2,
  network: {
    address: ["0.0.0.0:3000", "[::]:3000"],
    io: "native",
    socket_recv_buffer_size: 4_000_000,
  },
});
const HTTPS: Listener = toListener("http", {
  socket_workers: 2,
  network: {
    address: ["0.0.0.0:443", "[::]:443"],
    max_connections: 16_384,
    enable_tls: true,
    tls_certificate_path: "cert.pem",
    tls_private_key_path: "key.pem",
  },
});

function demand(listeners: Listener[], limitMib = 1024): Demand {
  return { command: "udp", configPath: "riptide.toml", limitMib, listeners, permissions: [] };
}

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
    what: /^2 workers share 1 cores/,
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

Deno.test({
  name: "doctor: certificates that expire, stand alone or name no host, and open keys",
  ignore: !await hasOpenssl(),
  async fn() {
    await using authority = await Authority.create();
    const { certificatePath } = await authority.issue({ days: 90 });
    const leaf = await Deno.readTextFile(certificatePath);
    const now = Date.now();
    const judge = (pem: string, options: { keyMode?: number; now?: number } = {}) =>
      [...judgeCertificate("http", { pem, keyMode: 0o600, now, ...options })]
        .map(({ severity, subject, what }) => `${severity} ${subject}: ${what}`);
    const chain = leaf + authority.certificate;
    const whole = judge(chain);
    assert.match(whole.join("\n"), /^fine certificate: .*valid for (89|90) days\nfine .*: 2 cert/);
    assert.match(judge(leaf)[1]!, /^note certificate chain: .*no issuer's certificate/);
    assert.match(judge(authority.certificate + leaf)[1]!, /^warning .*certificate 2 of the file/);
    const alone = judge(authority.certificate).join("\n");
    assert.match(alone, /^warning certificate: .*expires in [01] days/);
    assert.match(alone, /warning certificate chain: .*signed by itself/);
    assert.match(alone, /warning certificate: .*names no host/);
    assert.match(judge(chain, { keyMode: 0o644 }).at(-1)!, /^warning private key: .*mode 644/);
    const late = Date.parse(new X509Certificate(leaf).validTo) - 20 * 86_400_000;
    assert.match(judge(chain, { now: late })[0]!, /^warning certificate: .*expires in 20 days/);
  },
});

Deno.test("doctor: the exit status is that of a start, or 1 for warnings", () => {
  const finding = (severity: Finding["severity"], exitStatus?: number): Finding => (
    { severity, subject: "x", what: "y", exitStatus }
  );
  assert.equal(exitStatusOf([finding("fine"), finding("note")]), 0);
  assert.equal(exitStatusOf([finding("note"), finding("warning")]), 1);
  assert.equal(exitStatusOf([finding("warning"), finding("error", 69)]), 69);
  const text = formatFindings([finding("fine"), { ...finding("error", 78), mend: "z" }], ["deno"]);
  assert.match(text, /^error {4}x: y\n {9}mend: z\nfine {5}x: y\n[^]*deno\n\n1 error, 0 warnings/);
});

Deno.test("doctor: of the places of libc, the tightest command has the one that is there", () => {
  const needs: Demand["permissions"] = [{
    purpose: "",
    anyOf: LIBC_PATHS.x86_64.map((path) => [{ name: "ffi", path }]),
    flag: "--allow-ffi=somewhere",
  }];
  const command = tightestCommand(
    { ...demand([UDP]), permissions: needs },
    (path) => path === LIBC_PATHS.x86_64[1],
  );
  assert.equal(
    command,
    "deno run --quiet --no-prompt " +
      "--allow-read=riptide.toml,assembly,protocols,server,wasm " +
      "--allow-net=0.0.0.0:3000,[::]:3000 --allow-ffi=/lib64/libc.so.6 main.ts udp -c riptide.toml",
  );
});

interface Report {
  exitStatus: number;
  command: string | null;
  findings: Finding[];
}

/** Runs the real thing on a configuration. */
async function examine(toml: string, args: string[] = []) {
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, toml);
  const run = ["run", "--quiet", "--no-prompt", "--allow-all", "main.ts", "doctor"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...run, "-c", configPath, ...args],
    cwd: REPOSITORY,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { configPath, code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const RUNS: [name: string, toml: string, args: string[], ignore: boolean][] = [
  ["udp", 'network.address = ["127.0.0.1:0"]', ["--protocol", "udp"], false],
  ["udp, native", 'network = { address = "127.0.0.1:0", io = "native" }', [], !nativeIsAvailable()],
  ["http", 'network = { address = "127.0.0.1:0", keep_alive = true }', [], false],
];
for (const [name, toml, args, ignore] of RUNS) {
  Deno.test({
    name: `doctor: a tracker starts with the permissions that it prints (${name})`,
    ignore,
    async fn() {
      const { configPath, stdout, code, stderr } = await examine(
        `${toml}\nmemory.limit_mib = 64`,
        [...args, "--json"],
      );
      const report: Report = JSON.parse(stdout);
      const errors = report.findings.filter(({ severity }) => severity === "error");
      assert.deepEqual([errors, stderr, code], [[], "", report.exitStatus]);
      assert.ok(report.findings.some(({ subject }) => subject === "trial start"));
      const tracker = new Deno.Command(Deno.execPath(), {
        args: report.command!.split(" ").slice(1),
        cwd: REPOSITORY,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const reader = tracker.stderr.pipeThrough(new TextDecoderStream()).getReader();
      let log = "";
      while (!log.includes("Listening on 127.0.0.1:")) {
        const { value, done } = await reader.read();
        assert.ok(!done, `It ended: ${log}`);
        log += value;
      }
      tracker.kill("SIGTERM");
      await reader.cancel();
      assert.equal((await tracker.status).code, 0, log);
      await Deno.remove(configPath);
    },
  });
}

Deno.test("doctor: says what a start would refuse, and exits as it would", async () => {
  const wrong = await examine("[network]\nadress = 3\nio = 'deno'\n");
  assert.equal(wrong.code, 78);
  assert.match(wrong.stdout, /^error {4}configuration: \S+:2: .*did you mean "network.address"/);
  await Deno.remove(wrong.configPath);

  const list = `network = { address = "127.0.0.1:0", io = "deno" }
access_list = { mode = "black", path = "/nowhere" }`;
  const missing = await examine(list);
  assert.equal(missing.code, 78);
  assert.match(missing.stdout, /error {4}trial start: .*\/nowhere.*there is no such file/);
  await Deno.remove(missing.configPath);

  const both = await examine('network.address = "127.0.0.1:0"');
  assert.equal(both.code, 64);
  assert.match(both.stderr, /for udp, http, or ws: say --protocol udp/);
  await Deno.remove(both.configPath);

  const misspelt = await examine("[udp.network]\nadress = 3\n[http.network]\naddress = 4\n");
  assert.equal(misspelt.code, 78);
  assert.match(misspelt.stdout, /^error .*:2: .*did you mean "udp.network.address"\nerror .*:4: /);
  assert.doesNotMatch(misspelt.stdout, /"udp": expected a known key/);
  await Deno.remove(misspelt.configPath);

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const metrics = await examine(`[udp.network]
address = "127.0.0.1:0"
[metrics]
address = "127.0.0.1:${listener.addr.port}"`);
  listener.close();
  assert.equal(metrics.code, 69);
  assert.match(metrics.stdout, /^error {4}address: metrics: 127\.0\.0\.1:\d+ is held by /);
  await Deno.remove(metrics.configPath);

  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  const taken = await examine(`network = { address = "127.0.0.1:${port}", io = "deno" }`);
  socket.close();
  assert.equal(taken.code, 69);
  assert.match(taken.stdout, new RegExp(`held by .*\\(process ${Deno.pid}\\)`));
  await Deno.remove(taken.configPath);
});
