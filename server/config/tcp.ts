/** Keys and checks that the trackers over TCP share. */

import { type Finding, mistake, warning } from "./file_kind.ts";
import { flag, integer, text } from "./schema.ts";
import { cidrs } from "./sections.ts";

const CERTIFICATE_FORMS = "PEM, the certificate first and those of its issuers after it, or one " +
  "in DER";
const KEY_FORMS = "PEM (PKCS#8, PKCS#1 or SEC1) or DER (PKCS#8 or PKCS#1)";

/** @param schemes The schemes of URLs with and without TLS. */
export function tlsKeys([secure, plain]: [secure: string, plain: string]) {
  return {
    enable_tls: flag({
      default: false,
      help: `Serve ${secure}:// instead of ${plain}://.`,
    }),
    tls_certificate_path: text({
      default: "",
      expected: "the path of a file",
      help: `File with the certificate: ${CERTIFICATE_FORMS}. Read at start and at each reload ` +
        "(SIGHUP); new connections then get the new one.",
    }),
    tls_private_key_path: text({
      default: "",
      expected: "the path of a file",
      help: `File with its private key: ${KEY_FORMS}.`,
    }),
  };
}

/** @param help What a client may take that time for. */
export function requestTimeout(help: string) {
  return integer({ default: 25, min: 1, max: 30, unit: "seconds", help });
}

/** @param byteLength What each takes of the memory. */
export function connectionKeys(byteLength: number) {
  return {
    max_connections: integer({
      default: 16_384,
      min: 1,
      max: 1_000_000,
      unit: "connections",
      help: "How many may be open at once; who comes then gets status 503. They are shared out " +
        `evenly among the workers. Each takes ${byteLength} bytes of memory.limit_mib, and an ` +
        "open file of the system's limit.",
    }),
    max_connections_per_address: integer({
      default: 8_192,
      min: 1,
      max: 1_000_000,
      unit: "connections",
      help: "The same for one address, or one IPv6 network of 64 bits. Trusted proxies have no " +
        "such limit.",
    }),
    trusted_proxies: cidrs({
      default: [],
      help: "Proxies that may say for whom they ask, in X-Forwarded-For or Forwarded: a list of " +
        'addresses and prefixes, such as "10.0.0.0/8". From others these headers are ignored.',
    }),
    proxy_protocol: flag({
      default: false,
      help: "Expect the PROXY protocol (version 1 or 2) at the beginning of every connection, " +
        "from the trusted proxies, or from everybody if there are none. Not with TLS.",
    }),
  };
}

const METRICS = "set metrics.address";

/** Keys of trackers over TCP of the aquatic family that have no meaning here. */
export const NEEDLESS_OVER_TCP: Readonly<Record<string, string>> = {
  "network.tls_pkcs12_path": "certificate and key are files of their own; `openssl pkcs12` " +
    "takes them out",
  "network.tls_pkcs12_password": "certificate and key are files of their own",
  "network.tcp_backlog": "the system's net.core.somaxconn holds",
  "cleaning.connection_cleaning_interval": "connections are looked at once a second",
  "metrics.run_prometheus_endpoint": METRICS,
  "metrics.prometheus_endpoint_address": METRICS,
  "metrics.torrent_count_update_interval": METRICS,
  "metrics.peer_clients": METRICS,
  "metrics.peer_id_prefixes": METRICS,
};

/** The part of `network` that they share. */
export interface TcpNetwork {
  io: "deno" | "native";
  enable_tls: boolean;
  tls_certificate_path: string;
  tls_private_key_path: string;
  max_connections: number;
  max_connections_per_address: number;
  trusted_proxies: string[];
  proxy_protocol: boolean;
}

/** Derives defaults that follow from other keys. */
export function completeTcp(network: TcpNetwork, isGiven: (key: string) => boolean): void {
  if (isGiven("network.max_connections_per_address")) return;
  network.max_connections_per_address = Math.min(
    network.max_connections_per_address,
    network.max_connections,
  );
}

export function* findTcpErrors(network: TcpNetwork): Generator<Finding> {
  if (network.enable_tls && network.tls_certificate_path === "") {
    yield mistake(
      ["network.enable_tls", "network.tls_certificate_path"],
      "expected the path of a certificate",
    );
  }
  if (network.enable_tls && network.tls_private_key_path === "") {
    yield mistake(
      ["network.enable_tls", "network.tls_private_key_path"],
      "expected the path of a private key",
    );
  }
  if (network.enable_tls && network.proxy_protocol) {
    yield mistake(
      ["network.proxy_protocol", "network.enable_tls"],
      "expected one of the two, as TLS begins with the first byte",
    );
  }
}

export function* findTcpWarnings(network: TcpNetwork): Generator<Finding> {
  if (network.proxy_protocol && network.trusted_proxies.length === 0) {
    yield warning(
      ["network.proxy_protocol", "network.trusted_proxies"],
      "whoever can connect can claim to be any client",
    );
  }
  if (!network.enable_tls && network.tls_certificate_path !== "") {
    yield warning(["network.enable_tls", "network.tls_certificate_path"], "no TLS is served");
  }
}
