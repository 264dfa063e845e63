/** Holds what a configuration demands against what the machine has. */
import { parseListenAddress, parseSocketAddress } from "../config/address.ts";
import { plural } from "../plural.ts";
import type { Demand } from "./demand.ts";
import type { Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Files that are open before the first client: the runtime's, listeners', lists'. */
const OPEN_FILES_SPARE = 128;
/** Deno and its workers, measured for docs/MEMORY.md. */
const RUNTIME_MIB = 128;
const MIB = 1024 * 1024;
/** A kernel's charge for one queued announce: its bytes and its bookkeeping. */
const QUEUED_PACKET_BYTES = 768;
const PACKETS_PER_SECOND_HINT = 100_000;
/** The version that the tests run with. */
const DENO_VERSION = "2.9.6";
const HOUR_MS = 3_600_000;

/** Everything about the machine that fits or does not fit the configuration. */
export function judgeMachine(demand: Demand, facts: Facts): Finding[] {
  return [
    ...judgeOpenFiles(demand, facts),
    ...judgeBuffers(demand, facts),
    ...judgeMemory(demand, facts),
    ...judgeCores(demand, facts),
    ...judgeIpv6(demand, facts),
    ...judgeKernel(demand, facts),
    ...judgeClock(facts),
    ...judgeDeno(facts),
  ];
}

function* judgeOpenFiles({ listeners }: Demand, { openFilesMax }: Facts): Generator<Finding> {
  const connections = sum(listeners.map((it) => it.connections));
  if (openFilesMax === undefined || connections === 0) return;
  const needed = connections + OPEN_FILES_SPARE;
  const subject = "open files";
  if (openFilesMax >= needed) {
    yield { severity: "fine", subject, what: `${openFilesMax} may be open, ${needed} are needed` };
    return;
  }
  yield {
    severity: "warning",
    subject,
    what: `${openFilesMax} may be open, and ${connections} connections need ${needed}: clients ` +
      "will be turned away before max_connections is reached",
    mend: `LimitNOFILE=${needed} in the systemd unit, or ulimit -n ${needed}; or a smaller ` +
      "network.max_connections",
  };
}

function* judgeBuffers({ listeners }: Demand, facts: Facts): Generator<Finding> {
  const most = facts.sysctl["net.core.rmem_max"];
  const standard = facts.sysctl["net.core.rmem_default"];
  const subject = "socket buffers";
  for (const { protocol, transport, receiveBufferBytes } of listeners) {
    if (transport !== "udp") continue;
    if (receiveBufferBytes === 0) {
      if (standard === undefined) continue;
      const milliseconds = Math.round(
        standard / QUEUED_PACKET_BYTES / PACKETS_PER_SECOND_HINT * 1000,
      );
      yield {
        severity: "note",
        subject,
        what: `${protocol}: net.core.rmem_default gives ${standard} bytes a socket, ` +
          `${milliseconds} ms of ${PACKETS_PER_SECOND_HINT} requests a second`,
        mend: "sysctl net.core.rmem_default=8388608 for busy trackers, or with the native driver " +
          "network.socket_recv_buffer_size",
      };
    } else if (most !== undefined && receiveBufferBytes > most && !facts.maySetBuffers) {
      yield {
        severity: "warning",
        subject,
        what: `${protocol}: network.socket_recv_buffer_size asks for ${receiveBufferBytes} ` +
          `bytes, and net.core.rmem_max gives ${most}`,
        mend: `sysctl net.core.rmem_max=${receiveBufferBytes} (deploy/sysctl.conf)`,
      };
    } else {
      yield { severity: "fine", subject, what: `${protocol}: ${receiveBufferBytes} bytes` };
    }
  }
}

function* judgeMemory({ limitMib }: Demand, facts: Facts): Generator<Finding> {
  const subject = "memory";
  const needed = (limitMib + RUNTIME_MIB) * MIB;
  const mib = (bytes: number) => `${Math.floor(bytes / MIB)} MiB`;
  const bounds = [
    { bytes: facts.cgroupMemoryMax, name: "the control group's limit", raise: "MemoryMax=" },
    { bytes: facts.memoryTotal, name: "the machine's memory", raise: "the machine's memory" },
  ];
  const bound = bounds.find(({ bytes }) => bytes !== undefined && bytes < needed);
  if (bound !== undefined) {
    yield {
      severity: "warning",
      subject,
      what: `memory.limit_mib = ${limitMib} and ${RUNTIME_MIB} MiB of runtime exceed ` +
        `${bound.name} of ${mib(bound.bytes!)}: when it fills, the kernel ends the tracker`,
      mend: `memory.limit_mib = ${Math.max(16, Math.floor(bound.bytes! / MIB) - RUNTIME_MIB)}, ` +
        `or raise ${bound.raise}`,
    };
  } else if (facts.memoryAvailable !== undefined && facts.memoryAvailable < needed) {
    yield {
      severity: "warning",
      subject,
      what: `memory.limit_mib = ${limitMib} and ${RUNTIME_MIB} MiB of runtime are more than ` +
        `the ${mib(facts.memoryAvailable)} that other processes leave`,
      mend: "a smaller memory.limit_mib, or fewer other processes",
    };
  } else if (facts.memoryTotal !== undefined) {
    yield { severity: "fine", subject, what: `${limitMib} MiB of ${mib(facts.memoryTotal)}` };
  }
  const { addressSpaceMax } = facts;
  if (addressSpaceMax !== undefined && addressSpaceMax < needed + 2 ** 36) {
    yield {
      severity: "warning",
      subject: "address space",
      what: `this process may have ${
        mib(addressSpaceMax)
      }, and Deno reserves far more than it uses`,
      mend: "ulimit -v unlimited; bound memory with memory.limit_mib and MemoryMax= instead",
    };
  }
  if (facts.sysctl["vm.overcommit_memory"] === 2) {
    yield {
      severity: "note",
      subject: "overcommit",
      what: "vm.overcommit_memory is 2: what Deno reserves counts as used",
      mend: "vm.overcommit_memory = 0, or a large vm.overcommit_ratio",
    };
  }
}

function* judgeCores({ listeners }: Demand, { cores }: Facts): Generator<Finding> {
  const workers = sum(listeners.map((it) => it.workers));
  const subject = "processor cores";
  const share = `${workers} ${plural(workers, "worker")}`;
  const all = `${cores} ${plural(cores, "core")}`;
  if (listeners.some((it) => it.workers > cores)) {
    yield {
      severity: "warning",
      subject,
      what: `${share} on ${all}`,
      mend: `socket_workers = ${cores} at most`,
    };
  } else {
    yield { severity: "fine", subject, what: `${share}, ${all}` };
  }
}

function* judgeIpv6({ listeners }: Demand, facts: Facts): Generator<Finding> {
  const subject = "IPv6";
  // A UNIX socket is of no family.
  const addresses = listeners.flatMap((it) => it.addresses)
    .filter((it) => !("path" in parseSocketAddress(it)));
  const ipv6 = addresses.filter((it) => parseListenAddress(it).family === 6);
  if (ipv6.length === 0) {
    if (facts.hasIpv6) {
      yield {
        severity: "note",
        subject,
        what: "this machine has it, and no address of the configuration is of it",
        mend: 'add an address such as "[::]:3000" to network.address',
      };
    }
    return;
  }
  if (facts.hasIpv6 === false) {
    yield {
      severity: "warning",
      subject,
      what: `this machine has none, and ${ipv6.join(", ")} is to be served`,
      mend: "switch IPv6 on (net.ipv6.conf.all.disable_ipv6 = 0), or list IPv4 addresses only",
    };
  } else if (facts.hasIpv6) yield { severity: "fine", subject, what: "switched on" };
  const aloneOnItsPort = ipv6.some((it) => {
    const { hostname, port } = parseListenAddress(it);
    return hostname === "::" && !addresses.includes(`0.0.0.0:${port}`);
  });
  if (facts.sysctl["net.ipv6.bindv6only"] === 1 && aloneOnItsPort) {
    yield {
      severity: "warning",
      subject,
      what: "net.ipv6.bindv6only is 1, so [::] may serve no IPv4 clients",
      mend: "list 0.0.0.0 with the same port as well",
    };
  }
}

function* judgeKernel({ listeners }: Demand, { sysctl }: Facts): Generator<Finding> {
  if (
    listeners.some((it) => it.certificatePath !== undefined) &&
    sysctl["net.ipv4.tcp_migrate_req"] === 0
  ) {
    yield {
      severity: "note",
      subject: "tcp_migrate_req",
      what: "net.ipv4.tcp_migrate_req is 0: when a listener is replaced, as at an upgrade, " +
        "connections that wait to be accepted are reset",
      mend: "sysctl net.ipv4.tcp_migrate_req=1 (deploy/sysctl.conf)",
    };
  }
  const tracked = sysctl["net.netfilter.nf_conntrack_max"];
  if (tracked !== undefined && listeners.some((it) => it.transport === "udp")) {
    yield {
      severity: "note",
      subject: "connection tracking",
      what: `the firewall follows connections, ${tracked} at most: a full table drops packets, ` +
        "and each UDP client takes an entry",
      mend: "exempt the tracker's UDP port (nftables: notrack)",
    };
  }
}

function* judgeClock({ now, newestChange }: Facts): Generator<Finding> {
  const subject = "clock";
  const at = new Date(now).toISOString();
  if (newestChange > now + HOUR_MS) {
    yield {
      severity: "warning",
      subject,
      what: `it says ${at}, and files have been changed after that ` +
        `(${new Date(newestChange).toISOString()}): certificates are judged by it`,
      mend: "set the clock, and run an NTP client such as systemd-timesyncd or chrony",
    };
  } else yield { severity: "fine", subject, what: at };
}

function* judgeDeno({ denoVersion }: Facts): Generator<Finding> {
  const subject = "Deno";
  if (denoVersion === DENO_VERSION) yield { severity: "fine", subject, what: denoVersion };
  else {
    yield {
      severity: "warning",
      subject,
      what: `this is ${denoVersion}, and Riptide is tested with ${DENO_VERSION}`,
      mend: `npx -y deno@${DENO_VERSION}`,
    };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
