/**
 * The configuration of a tracker that speaks several protocols: a table for each, which holds what
 * the protocol's own file holds, and tables that they share.
 *
 * Each protocol's checks are those of its own file: they see a configuration of that kind (`udpOf`,
 * `httpOf`, `wsOf`), and what they find is told with the keys of this one.
 */

import type * as v from "valibot";
import { type FileKind, type Finding, mistake } from "./file_kind.ts";
import { HTTP_FILE, type HttpConfig, httpKeys } from "./http.ts";
import { howReloads, type Reloads } from "./reload.ts";
import { file, optionalTable, table } from "./schema.ts";
import {
  accessList,
  cleaningKeys,
  logFormat,
  logLevel,
  memory,
  metrics,
  statistics,
  WORKERS_MAX,
} from "./sections.ts";
import { maxConnectionAge, UDP_FILE, type UdpConfig, udpKeys } from "./udp.ts";
import { WS_FILE, type WsConfig, wsKeys } from "./ws.ts";

export const TRACKER_SCHEMA = file("Configuration of a tracker that speaks several protocols.", {
  log_level: logLevel,
  log_format: logFormat,
  udp: optionalTable("UDP (BEP 15); without this table it is off.", udpKeys),
  http: optionalTable("HTTP (BEP 3); without this table it is off.", httpKeys),
  ws: optionalTable(
    "WebTorrent (WebSocket); without this table it is off. With the addresses of [http], the " +
      "two share them: a request that asks for an upgrade is WebTorrent's, every other HTTP's.",
    wsKeys(["0.0.0.0:3001", "[::]:3001"]), // 3000 is HTTP's
  ),
  cleaning: table("When things are forgotten.", {
    ...cleaningKeys,
    max_connection_age: maxConnectionAge,
  }),
  access_list: accessList,
  memory,
  statistics,
  metrics,
});

export type TrackerConfig = v.InferOutput<typeof TRACKER_SCHEMA>;

/** The protocols' tables, and what each is in a file of its own. */
export const PROTOCOLS = ["udp", "http", "ws"] as const;
export type Protocol = typeof PROTOCOLS[number];

/** The UDP tracker's part, as its own file would say it; the tables are the same objects. */
export function udpOf(config: TrackerConfig): UdpConfig | undefined {
  const { udp, http: _, ws: __, ...shared } = config;
  return udp && { ...udp, ...shared };
}

/** The HTTP tracker's part, as its own file would say it. */
export function httpOf(config: TrackerConfig): HttpConfig | undefined {
  const { udp: _, http, ws: __, ...shared } = config;
  return http && { ...http, ...shared };
}

/** The WebTorrent tracker's part, as its own file would say it. */
export function wsOf(config: TrackerConfig): WsConfig | undefined {
  const { udp: _, http: __, ws, ...shared } = config;
  return ws && { ...ws, ...shared };
}

/** Whether HTTP and WebTorrent are served on the same addresses, by the same workers. */
export function sharesAddress({ http, ws }: TrackerConfig): boolean {
  return http !== undefined && ws !== undefined &&
    http.network.address.some((address) => isShared(address, ws.network.address));
}

/** With port 0 each gets another. */
function isShared(address: string, others: readonly string[]): boolean {
  return others.includes(address) && !address.endsWith(":0");
}

/** A protocol's file kind, on its part of the configuration. */
interface Part {
  protocol: Protocol;
  needless: Readonly<Record<string, string>>;
  complete(config: TrackerConfig, isGiven: (key: string) => boolean): void;
  check(config: TrackerConfig): Finding[];
  /** How a key of the protocol's own file reloads. */
  reloads(key: string): Reloads;
}

const PARTS: Part[] = [
  part("udp", UDP_FILE, udpOf),
  part("http", HTTP_FILE, httpOf),
  part("ws", WS_FILE, wsOf),
];

function part<TConfig>(
  protocol: Protocol,
  kind: FileKind<TConfig>,
  select: (config: TrackerConfig) => TConfig | undefined,
): Part {
  return {
    protocol,
    needless: Object.fromEntries(
      Object.entries(kind.needless).map(([key, reason]) => [keyOf(protocol, key), reason]),
    ),
    complete(config, isGiven) {
      const own = select(config);
      if (own !== undefined) kind.complete?.(own, (key) => isGiven(keyOf(protocol, key)));
    },
    reloads: (key) => howReloads(kind as FileKind<unknown>, key),
    check(config) {
      const own = select(config);
      if (own === undefined) return [];
      return kind.check(own).map((finding) => ({
        ...finding,
        keys: finding.keys.map((key) => keyOf(protocol, key)) as unknown as Finding["keys"],
      }));
    },
  };
}

/** The name that a key of the protocol's own file has in this one. */
export function keyOf(protocol: Protocol, key: string): string {
  const isShared = /^(log_level|log_format|cleaning|access_list|memory|statistics|metrics)\b/.test(
    key,
  );
  return isShared ? key : `${protocol}.${key}`;
}

/** How `tracker` configurations are loaded, printed and checked. */
export const TRACKER_FILE: FileKind<TrackerConfig> = {
  command: "tracker",
  schema: TRACKER_SCHEMA,
  withoutFile: Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, {}])),
  needless: Object.assign({}, ...PARTS.map(({ needless }) => needless)),

  complete(config, isGiven) {
    for (const part of PARTS) part.complete(config, isGiven);
  },

  reloads(key) {
    const part = PARTS.find(({ protocol }) => key.startsWith(`${protocol}.`));
    return part?.reloads(key.slice(part.protocol.length + 1));
  },

  check(config) {
    const findings = [...findErrors(config), ...PARTS.flatMap((part) => part.check(config))];
    // What the shared tables get wrong, every protocol finds.
    const texts = findings.map((finding) => JSON.stringify(finding));
    return findings.filter((_, index) => texts.indexOf(texts[index]!) === index);
  },
};

function* findErrors(config: TrackerConfig): Generator<Finding> {
  const { udp, http, ws } = config;
  if (PROTOCOLS.every((protocol) => config[protocol] === undefined)) {
    yield mistake(["udp"], "expected at least one of the tables [udp], [http] and [ws]");
  }
  if (http !== undefined && ws !== undefined) {
    if (http.network.proxy_protocol !== ws.network.proxy_protocol) {
      yield mistake(
        ["http.network.proxy_protocol", "ws.network.proxy_protocol"],
        "expected the same of both",
      );
    }
  }
  if (sharesAddress(config)) yield* findSharingErrors(http!, ws!);
  const workers = [
    udp?.network.io === "deno" ? udp.network.address.length : fixedWorkers(udp),
    fixedWorkers(http),
    sharesAddress(config) ? 0 : fixedWorkers(ws),
  ].reduce((sum, count) => sum + count, 0);
  if (workers > WORKERS_MAX) {
    const keys = PROTOCOLS.filter((protocol) => config[protocol] !== undefined)
      .map((protocol) => `${protocol}.socket_workers`);
    yield mistake(
      keys as unknown as Finding["keys"],
      `expected at most ${WORKERS_MAX} workers in all, and these are ${workers} ` +
        '(without io = "native", each UDP address takes one)',
    );
  }
}

type TcpTable = NonNullable<TrackerConfig["http"] | TrackerConfig["ws"]>;

/** What a listener has once, and both tables say. */
const ONCE_PER_LISTENER = [
  "io",
  "enable_tls",
  "tls_certificate_path",
  "tls_private_key_path",
  "request_timeout",
  "max_connections",
  "max_connections_per_address",
] as const;

/** Where both have an address, the same workers serve both, and have these things once. */
function* findSharingErrors(http: TcpTable, ws: TcpTable): Generator<Finding> {
  const both = (key: string, message: string) => mistake([`http.${key}`, `ws.${key}`], message);
  const [own, other] = [http.network.address, ws.network.address];
  if (own.length !== other.length || own.some((address) => !isShared(address, other))) {
    yield both("network.address", "expected the same addresses in both, or none that both have");
    return;
  }
  const reason = "expected the same of both, as they share their addresses";
  if (http.socket_workers !== ws.socket_workers) yield both("socket_workers", reason);
  for (const key of ONCE_PER_LISTENER) {
    if (http.network[key] !== ws.network[key]) yield both(`network.${key}`, reason);
  }
}

/** Workers that were asked for by number; "auto" takes at least one. */
function fixedWorkers(table: { socket_workers: number | "auto" } | undefined): number {
  if (table === undefined) return 0;
  return table.socket_workers === "auto" ? 1 : table.socket_workers;
}
