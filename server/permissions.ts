/**
 * What Deno must have granted before anything starts. Asking first keeps Deno from prompting, and
 * gives the operator one message that names the flag instead of a failure in the middle.
 */

import { formatListenAddress, parseCidr, parseListenAddress } from "./config/address.ts";
import { parseSocketAddress } from "./config/address.ts";
import type { HttpConfig } from "./config/http.ts";
import { httpOf, type TrackerConfig, udpOf, wsOf } from "./config/tracker.ts";
import type { UdpConfig } from "./config/udp.ts";
import type { WsConfig } from "./config/ws.ts";
import { StartError } from "./errors.ts";
import { EXIT_NO_PERMISSION } from "./exit_status.ts";
import { LIBC_PATHS, type LibraryPaths, LIBSSL_PATHS } from "./native/library_paths.ts";

/** Something that needs permissions of Deno, and the flag that gives them. */
export interface PermissionNeed {
  /** Completes "Cannot …". */
  purpose: string;
  /** Sets of descriptors; one set that is granted whole is enough. */
  anyOf: Deno.PermissionDescriptor[][];
  /** As on Deno's command line, such as `--allow-read=riptide.toml`. */
  flag: string;
}

/** Ends the start with status 77 when a permission is missing, without ever asking at a prompt. */
export function requirePermissions(needs: readonly PermissionNeed[]): void {
  const missing = needs.filter((need) => !need.anyOf.some((set) => set.every(isGranted)));
  if (missing.length === 0) return;
  const lines = missing.map((need) => `Cannot ${need.purpose}: start Deno with ${need.flag}`);
  throw new StartError(lines.join("\n"), EXIT_NO_PERMISSION);
}

/** Says whether Deno grants this at the moment. */
export function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  try {
    return Deno.permissions.querySync(descriptor).state === "granted";
  } catch {
    return false; // Deno cannot parse it, so it cannot have granted it
  }
}

/** Where libraries may be, of the places that Deno grants to call. */
export function grantedPaths(...libraries: LibraryPaths[]): string[] {
  const paths = libraries.flatMap((usual) => usual[Deno.build.arch as keyof LibraryPaths] ?? []);
  return paths.filter((path) => isGranted({ name: "ffi", path }));
}

/** The need to read one file. */
export function readPermission(path: string, purpose: string): PermissionNeed {
  return { purpose, anyOf: [[{ name: "read", path }]], flag: `--allow-read=${path}` };
}

/** What a UDP configuration needs, as narrow as Deno can name it. */
export function udpPermissions(config: UdpConfig): PermissionNeed[] {
  const { network, access_list } = config;
  const needs = [network.io === "native" ? nativePermission() : sandboxedPermission(network)];
  return [...needs, ...listPermissions(access_list), ...metricsPermissions(config)];
}

/**
 * What a configuration of HTTP or WebTorrent needs: clients come by themselves, so its addresses
 * are enough.
 */
export function tcpPermissions(config: HttpConfig | WsConfig): PermissionNeed[] {
  const { network, access_list } = config;
  const hosts = network.address.map((host) => ({ name: "net" as const, host }));
  const needs: PermissionNeed[] = [{
    purpose: `listen on ${network.address.join(", ")}`,
    anyOf: [[{ name: "net" }], hosts],
    flag: `--allow-net=${network.address.join(",")}`,
  }];
  if (network.io === "native") {
    needs.push(nativePermission());
    if (network.enable_tls) needs.push(opensslPermission());
  }
  for (const address of network.address.map(parseSocketAddress)) {
    if ("path" in address) needs.push(unixSocketPermission(address.path));
  }
  if (network.enable_tls) {
    const { tls_certificate_path, tls_private_key_path } = network;
    needs.push(
      readPermission(tls_certificate_path, `read the certificate "${tls_certificate_path}"`),
    );
    needs.push(
      readPermission(tls_private_key_path, `read the private key "${tls_private_key_path}"`),
    );
  }
  return [...needs, ...listPermissions(access_list), ...metricsPermissions(config)];
}

/** What a tracker of several protocols needs: what each of them needs, each need once. */
export function trackerPermissions(config: TrackerConfig): PermissionNeed[] {
  const udp = udpOf(config);
  const http = httpOf(config);
  const ws = wsOf(config);
  const needs = [
    ...(udp === undefined ? [] : udpPermissions(udp)),
    ...(http === undefined ? [] : tcpPermissions(http)),
    ...(ws === undefined ? [] : tcpPermissions(ws)),
  ];
  const purposes = needs.map(({ purpose }) => purpose);
  return needs.filter(({ purpose }, index) => purposes.indexOf(purpose) === index);
}

function metricsPermissions({ metrics }: Pick<UdpConfig, "metrics">): PermissionNeed[] {
  const { address } = metrics;
  if (address === "") return [];
  return [{
    purpose: `show metrics on ${address}`,
    anyOf: [[{ name: "net" }], [{ name: "net", host: address }]],
    flag: `--allow-net=${address}`,
  }];
}

function unixSocketPermission(path: string): PermissionNeed {
  return {
    purpose: `make the UNIX socket "${path}"`,
    anyOf: [[{ name: "read", path }, { name: "write", path }]],
    flag: `--allow-read=${path} --allow-write=${path}`,
  };
}

function listPermissions(access_list: UdpConfig["access_list"]): PermissionNeed[] {
  const needs: PermissionNeed[] = [];
  if (access_list.mode !== "off") {
    needs.push(readPermission(access_list.path, `read the access list "${access_list.path}"`));
  }
  const { deny_clients_path } = access_list;
  if (deny_clients_path !== "") {
    needs.push(readPermission(deny_clients_path, `read denied clients "${deny_clients_path}"`));
  }
  return needs;
}

function nativePermission(): PermissionNeed {
  return libraryPermission('call the C library for network.io = "native"', LIBC_PATHS);
}

function opensslPermission(): PermissionNeed {
  return libraryPermission('call OpenSSL for TLS with network.io = "native"', LIBSSL_PATHS);
}

function libraryPermission(purpose: string, usual: LibraryPaths): PermissionNeed {
  const paths = Object.values(usual).flat(); // any of them will do
  return {
    purpose,
    anyOf: paths.map((path) => [{ name: "ffi", path }]),
    flag: `--allow-ffi=${paths[0]} (the tasks ":native" do)`,
  };
}

/** Answering a client needs permission for the client's address, not only for the own one. */
function sandboxedPermission(network: UdpConfig["network"]): PermissionNeed {
  const everything: Deno.PermissionDescriptor[] = [{ name: "net" }];
  const addresses = network.address.map(parseListenAddress);
  const subnets = network.client_subnets.map(parseCidr);
  if ([...addresses, ...subnets].some(({ family }) => family === 6)) {
    const purpose = "answer clients over IPv6, whose subnets Deno cannot name";
    return { purpose, anyOf: [everything], flag: "--allow-net" };
  }
  // Deno parses a subnet in a grant but not in a query: its first address stands for it.
  const hosts = [
    ...addresses.map(formatListenAddress),
    ...subnets.map(({ bytes }) => bytes.join(".")),
  ];
  return {
    purpose: `listen on ${network.address.join(", ")} and answer its clients`,
    anyOf: [everything, hosts.map((host) => ({ name: "net", host }))],
    flag: `--allow-net=${[...network.address, ...network.client_subnets].join(",")}`,
  };
}
