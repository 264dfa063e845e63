/**
 * What the machine says about itself, read once. On other systems than Linux most of it is unknown,
 * and what is unknown is not judged.
 */

/** Facts about the machine and this process. */
export interface Facts {
  /** Open files that this process may have. */
  openFilesMax?: number;
  /** Bytes of address space that this process may have. */
  addressSpaceMax?: number;
  /** The smallest memory limit of this process's control groups, in bytes. */
  cgroupMemoryMax?: number;
  memoryTotal?: number;
  memoryAvailable?: number;
  /** Numbers under /proc/sys by their dotted names. */
  sysctl: Readonly<Record<string, number | undefined>>;
  /** Whether the kernel has IPv6 switched on. */
  hasIpv6?: boolean;
  /** Whether this process may exceed the limits on socket buffers (CAP_NET_ADMIN). */
  maySetBuffers: boolean;
  cores: number;
  denoVersion: string;
  /** Milliseconds since 1970. */
  now: number;
  /** When the newest file that is known was changed: the clock cannot be before it. */
  newestChange: number;
}

const SYSCTLS = [
  "net.core.rmem_max",
  "net.core.rmem_default",
  "net.core.somaxconn",
  "net.ipv4.tcp_migrate_req",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv6.bindv6only",
  "net.netfilter.nf_conntrack_max",
  "vm.overcommit_memory",
];
const CAP_NET_ADMIN = 12n;

/**
 * Reads the facts.
 * @param files Files whose time of change the clock is held against.
 */
export async function readFacts(files: readonly string[]): Promise<Facts> {
  const limits = await readText("/proc/self/limits");
  const memory = await readText("/proc/meminfo");
  const status = await readText("/proc/self/status");
  const kib = (name: string) => {
    const found = new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(memory)?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  };
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const changes = await Promise.all(files.map(async (file) => {
    const stat = await Deno.stat(file).catch(() => undefined);
    return stat?.mtime?.getTime() ?? 0;
  }));
  return {
    openFilesMax: parseLimit(limits, "Max open files"),
    addressSpaceMax: parseLimit(limits, "Max address space"),
    cgroupMemoryMax: await readCgroupLimit(),
    memoryTotal: kib("MemTotal"),
    memoryAvailable: kib("MemAvailable"),
    sysctl: Object.fromEntries(
      await Promise.all(SYSCTLS.map(async (name) => [name, await readSysctl(name)] as const)),
    ),
    hasIpv6: await hasIpv6(),
    maySetBuffers: (capabilities >> CAP_NET_ADMIN & 1n) === 1n,
    cores: navigator.hardwareConcurrency,
    denoVersion: Deno.version.deno,
    now: Date.now(),
    newestChange: Math.max(0, ...changes),
  };
}

/** The soft limit of a line of /proc/self/limits; nothing where there is none. */
export function parseLimit(limits: string, name: string): number | undefined {
  const soft = new RegExp(`^${name} +(\\d+) `, "m").exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/**
 * Finds the files that may hold a memory limit: of the group itself and of all above it.
 * @param cgroups The text of /proc/self/cgroup.
 */
export function cgroupLimitFiles(cgroups: string): string[] {
  return cgroups.trim().split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers === "") return above(path).map((it) => `/sys/fs/cgroup${it}/memory.max`);
    if (!controllers!.split(",").includes("memory")) return [];
    return above(path).map((it) => `/sys/fs/cgroup/memory${it}/memory.limit_in_bytes`);
  });
}

/** `/a/b`, `/a` and nothing. */
function above(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return [...parts.keys(), parts.length].reverse()
    .map((count) => parts.slice(0, count).map((part) => `/${part}`).join(""));
}

async function readCgroupLimit(): Promise<number | undefined> {
  const files = cgroupLimitFiles(await readText("/proc/self/cgroup"));
  const limits = await Promise.all(files.map(async (file) => {
    const text = (await readText(file)).trim();
    return /^\d+$/.test(text) ? Number(text) : Infinity; // version 2 says "max"
  }));
  const least = Math.min(...limits);
  return least < 2 ** 60 ? least : undefined; // version 1 says a number above all memory
}

async function readSysctl(name: string): Promise<number | undefined> {
  const text = (await readText(`/proc/sys/${name.replaceAll(".", "/")}`)).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

async function hasIpv6(): Promise<boolean | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  return (await readText("/proc/net/if_inet6")) !== "";
}

/** The text of a file; empty where it cannot be read. */
async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}
