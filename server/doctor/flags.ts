/** The tightest permissions that a configuration can be run with. */
import type { PermissionNeed } from "../permissions.ts";
import type { Demand } from "./demand.ts";

/** Deno reads the modules of workers by the main thread's permission. */
const SOURCES = ["assembly", "protocols", "server", "wasm"];

/**
 * Writes the command line, to be run where main.ts is.
 * @param isThere Says whether this machine has a file: of the places of libc, one is enough.
 */
export function tightestCommand(demand: Demand, isThere: (path: string) => boolean): string {
  const { command, configPath, listeners, permissions } = demand;
  const granted = new Map<string, Set<string>>();
  const grant = (name: string, values: readonly string[]) => {
    const known = granted.get(name) ?? new Set();
    for (const value of values) known.add(value);
    granted.set(name, known);
  };
  grant("read", [configPath, ...SOURCES]);
  // Before workers bind, the main thread tries whether each address is free, whatever the driver.
  grant("net", listeners.flatMap(({ addresses }) => addresses.map(grantedHost)));
  for (const need of permissions) {
    for (const [, name, values] of need.flag.matchAll(/--allow-([a-z]+)(?:=(\S+))?/g)) {
      grant(
        name!,
        name === "ffi" ? ffiPaths(need, isThere) : values?.split(",").map(grantedHost) ?? ["*"],
      );
    }
  }
  const flags = [...granted].map(([name, values]) =>
    values.has("*") ? `--allow-${name}` : `--allow-${name}=${[...values].join(",")}`
  );
  return ["deno run --quiet --no-prompt", ...flags, `main.ts ${command} -c ${configPath}`].join(
    " ",
  );
}

/** A port that the system chooses is not known before: then every port of the host. */
function grantedHost(address: string): string {
  return address.replace(/:0$/, "");
}

function ffiPaths(need: PermissionNeed, isThere: (path: string) => boolean): string[] {
  return need.anyOf.flat()
    .flatMap((descriptor) => descriptor.name === "ffi" ? [String(descriptor.path)] : [])
    .filter(isThere)
    .slice(0, 1);
}
