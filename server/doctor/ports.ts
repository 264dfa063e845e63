/** Tries to bind each address as a start does, and finds out who holds it. */
import { type ListenAddress, parseListenAddress, parseSocketAddress } from "../config/address.ts";
import { EXIT_NO_PERMISSION, EXIT_UNAVAILABLE } from "../exit_status.ts";
import type { Listener } from "./demand.ts";
import { whyUnreadable } from "../errors.ts";
import { isServed } from "../unix_socket.ts";
import type { Finding } from "./finding.ts";

/** What came of binding an address. */
export interface PortFact {
  protocol: string;
  transport: "udp" | "tcp";
  address: string;
  outcome: "free" | "in use" | "not permitted" | "not here" | "failed";
  /** The system's words, where none of the others fits. */
  reason?: string;
  /** Who holds it, such as `deno (process 812)`. */
  holder?: string;
}

/** Binds each address for a moment. */
export async function tryPorts(listeners: readonly Listener[]): Promise<PortFact[]> {
  const facts: PortFact[] = [];
  for (const { protocol, transport, addresses } of listeners) {
    for (const address of addresses) {
      const parsed = parseSocketAddress(address);
      const tried = "path" in parsed ? await tryPath(parsed.path) : tryBind(parsed, transport);
      const fact = { protocol, transport, address, ...tried };
      const holder = fact.outcome === "in use" && !("path" in parsed)
        ? await findHolder(fact)
        : undefined;
      facts.push({ ...fact, ...holder === undefined ? {} : { holder } });
    }
  }
  return facts;
}

/**
 * Judges what came of it.
 * @param options.takeOver Whether the tracker is to share its addresses with an older one.
 * @param options.firstFreePort The lowest port that every user may bind.
 */
export function* judgePorts(
  facts: readonly PortFact[],
  options: { takeOver: boolean; firstFreePort: number },
): Generator<Finding> {
  for (const { protocol, transport, address, outcome, reason, holder } of facts) {
    const subject = "address";
    const name = `${protocol}: ${address}`;
    switch (outcome) {
      case "free":
        yield { severity: "fine", subject, what: `${name} is free` };
        break;
      case "in use":
        yield {
          severity: options.takeOver && !address.startsWith("unix:") ? "note" : "error",
          subject,
          what: `${name} is held by ${holder ?? "another process"}`,
          mend: address.startsWith("unix:")
            ? "stop it, or choose another path: a UNIX socket cannot be shared; to see who holds " +
              "it: ss -lxp"
            : "stop it, choose another port, or share it with --take-over; to see who holds it: " +
              `ss -l${transport === "udp" ? "u" : "t"}np`,
          exitStatus: EXIT_UNAVAILABLE,
        };
        break;
      case "not permitted":
        yield {
          severity: "error",
          subject,
          what: `${name} is below port ${options.firstFreePort}, which this user may not bind`,
          mend: "AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or sysctl " +
            `net.ipv4.ip_unprivileged_port_start=${parseListenAddress(address).port}`,
          exitStatus: EXIT_UNAVAILABLE,
        };
        break;
      case "not here":
        yield {
          severity: "error",
          subject,
          what: `${name} is no address of this machine`,
          mend: "one that `ip address` shows, or 0.0.0.0 or [::] for all of them",
          exitStatus: EXIT_UNAVAILABLE,
        };
        break;
      case "failed":
        yield {
          severity: "error",
          subject,
          what: `${name} cannot be bound: ${reason}`,
          exitStatus: EXIT_NO_PERMISSION,
        };
    }
  }
}

/** Looks what is at the path of a UNIX socket; a start takes a dead one's place. */
async function tryPath(path: string): Promise<Pick<PortFact, "outcome" | "reason">> {
  try {
    const { isDirectory } = await Deno.stat(path.slice(0, path.lastIndexOf("/")) || "/");
    if (!isDirectory) return { outcome: "failed", reason: "its directory is none" };
  } catch (error) {
    return { outcome: "failed", reason: `of its directory, ${whyUnreadable(error)}` };
  }
  try {
    const { isSocket } = await Deno.lstat(path);
    if (!isSocket) return { outcome: "failed", reason: "there is a file that is no socket" };
    return { outcome: await isServed(path) ? "in use" : "free" };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { outcome: "free" };
    return { outcome: "failed", reason: whyUnreadable(error) };
  }
}

function tryBind(
  { hostname, port }: ListenAddress,
  transport: "udp" | "tcp",
): Pick<PortFact, "outcome" | "reason"> {
  try {
    const socket = transport === "udp"
      ? Deno.listenDatagram({ transport, hostname, port })
      : Deno.listen({ transport, hostname, port });
    socket.close();
    return { outcome: "free" };
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return { outcome: "in use" };
    if (error instanceof Deno.errors.PermissionDenied) return { outcome: "not permitted" };
    if (error instanceof Deno.errors.AddrNotAvailable) return { outcome: "not here" };
    return { outcome: "failed", reason: (error as Error).message };
  }
}

/** Finds the process whose socket has the port, as far as this user may see it (Linux). */
async function findHolder(
  { address, transport }: Pick<PortFact, "address" | "transport">,
): Promise<string | undefined> {
  const { port } = parseListenAddress(address);
  const wanted = new Set<string>();
  for (const table of [transport, `${transport}6`]) {
    const text = await Deno.readTextFile(`/proc/net/${table}`).catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      const isListening = transport === "udp" || columns[3] === "0A";
      const localPort = parseInt(columns[1]?.split(":")[1] ?? "", 16);
      if (isListening && localPort === port) wanted.add(`socket:[${columns[9]}]`);
    }
  }
  if (wanted.size === 0) return undefined;
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name) && await holdsOne(name, wanted)) {
      const command = (await Deno.readTextFile(`/proc/${name}/comm`).catch(() => "?")).trim();
      return `${command} (process ${name})`;
    }
  }
  return undefined;
}

async function holdsOne(processId: string, sockets: ReadonlySet<string>): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(`/proc/${processId}/fd`)) {
      const target = await Deno.readLink(`/proc/${processId}/fd/${name}`).catch(() => "");
      if (sockets.has(target)) return true;
    }
  } catch { // another user's, or gone
  }
  return false;
}
