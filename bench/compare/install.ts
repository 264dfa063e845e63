/**
 * Puts the rivals and the physical limits into a cache directory: pinned versions from the package
 * registries, C compiled on the spot, and a certificate. What is there already is left alone.
 */

import type { Places } from "./servers.ts";

const CRATES = ["aquatic_udp", "aquatic_http", "aquatic_ws"]
  .flatMap((name) => [name, `${name}_load_test`]);
const CRATE_VERSION = "0.9.0";
const NODE_PACKAGE = "bittorrent-tracker@11.2.3";

/**
 * The server of bittorrent-tracker without its command line, which also loads a WebRTC client whose
 * native part is on no registry.
 */
const NODE_LAUNCHER = `import Server from "bittorrent-tracker/server";
const [port, protocol] = process.argv.slice(2);
const only = { udp: protocol === "udp", http: protocol === "http", ws: protocol === "ws" };
const server = new Server({ ...only, stats: false });
server.on("error", () => process.exit(1));
server.on("warning", () => {});
server.listen(Number(port), { http: "127.0.0.1", udp: "127.0.0.1", udp6: "::1" });
`;

/** Debian's package, with the library that it wants. */
const DEBIAN_PACKAGES = ["opentracker=0.0~git20210823.110868e-3", "libowfat0=0.32-4"];

/** Trackers that are not compared, and why: part of the report. */
export const ABSENT: Readonly<Record<string, string>> = {
  "wt-tracker": "not on npm",
  "chihaya": "the Go module proxy refused github.com/chihaya/chihaya, every version, on 2026-11-24",
  "torrust-tracker": "3.0.0 is on crates.io and compiles, but its last crate took more than the " +
    "ten minutes it was given",
};

/**
 * Installs what is missing.
 * @returns What could not be installed, with the reason; the comparison goes on without.
 */
export async function install({ root, cache }: Places): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  for (const directory of ["bin", "limits", "tls"]) {
    await Deno.mkdir(`${cache}/${directory}`, { recursive: true });
  }
  for (const crate of CRATES) {
    if (await exists(`${cache}/bin/${crate}`)) continue;
    await attempt(failures, crate, [
      ...["cargo", "install", "--quiet", "--locked", "--root", cache],
      ...["--version", CRATE_VERSION, crate],
    ]);
  }
  if (!await exists(`${cache}/node_modules/bittorrent-tracker/bin/cmd.js`)) {
    await attempt(failures, NODE_PACKAGE, [
      ...[
        "npm",
        "install",
        "--silent",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
        cache,
      ],
      NODE_PACKAGE,
    ]);
  }
  if (!await exists(`${cache}/opentracker/usr/bin/opentracker`)) {
    await attempt(failures, "opentracker", [
      ...[
        "sh",
        "-c",
        `cd "$0" && apt-get download "$@" && for f in *.deb; do` +
        ` dpkg-deb -x "$f" opentracker || exit; done`,
      ],
      ...[cache, ...DEBIAN_PACKAGES],
    ]);
  }
  await Deno.writeTextFile(`${cache}/bittorrent_tracker.mjs`, NODE_LAUNCHER);
  for (const name of ["udp_echo", "http_echo", "ws_echo"]) {
    await attempt(failures, name, [
      ...["cc", "-O2", "-march=native", "-o", `${cache}/limits/${name}`],
      `${root}bench/limits/${name}.c`,
    ]);
  }
  if (!await exists(`${cache}/tls/leaf.pem`)) await makeCertificate(`${cache}/tls`, failures);
  return failures;
}

/** Makes an authority and a leaf; aquatic reads PEM, whatever the text beside its key says. */
export async function makeCertificate(
  directory: string,
  failures: Map<string, string>,
): Promise<void> {
  const at = (name: string) => `${directory}/${name}`;
  const extensions = at("leaf.cnf");
  await Deno.writeTextFile(
    extensions,
    "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
  );
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const steps = [
    [
      ...["req", "-x509", ...ec, "-days", "3650", "-subj", "/CN=Comparison"],
      ...["-keyout", at("ca.key.pem"), "-out", at("ca.pem")],
    ],
    [
      ...["req", ...ec, "-subj", "/CN=localhost"],
      ...["-keyout", at("leaf.key.pem"), "-out", at("leaf.csr")],
    ],
    [
      ...["x509", "-req", "-days", "3650", "-in", at("leaf.csr"), "-extfile", extensions],
      ...["-CA", at("ca.pem"), "-CAkey", at("ca.key.pem"), "-CAcreateserial"],
      ...["-out", at("leaf.pem")],
    ],
  ];
  for (const step of steps) await attempt(failures, "certificate", ["openssl", ...step]);
}

async function attempt(
  failures: Map<string, string>,
  what: string,
  [program, ...args]: string[],
): Promise<void> {
  try {
    const { success, stderr } = await new Deno.Command(program!, { args, stdin: "null" }).output();
    if (success) return;
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    failures.set(what, lines.at(-1) ?? "failed");
  } catch (error) {
    failures.set(what, (error as Error).message);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
