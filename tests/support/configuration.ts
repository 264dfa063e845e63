/** The configuration files of the tests, and the command lines that the tasks of deno.json give. */

export type Driver = "deno" | "native";

/** What a server runs: a driver of the UDP tracker, the HTTP tracker, or several in one. */
export type Service = Driver | TcpService | "tracker";

/** The trackers over TCP, on Deno's sockets or through the C library. */
export type TcpService = "http" | "http:native" | "ws" | "ws:native";

/** The task of deno.json that runs a service. */
const TASKS: Record<Service, string> = {
  deno: "udp",
  native: "udp:native",
  http: "http",
  "http:native": "http:native",
  ws: "ws",
  "ws:native": "ws:native",
  tracker: "tracker:native",
};

export type Value = string | number | boolean | string[];

/** A configuration file: values of its own and tables of values. */
export interface Configuration {
  [key: string]: Value | Configuration;
}

export const REPOSITORY = new URL("../../", import.meta.url);

/** Whether this machine has the IPv6 loopback address (some containers have not). */
export const HAS_IPV6 = Deno.networkInterfaces().some(({ address }) => address === "::1");

/** Both loopback addresses, ports from the system. */
export const LOOPBACK = HAS_IPV6 ? ["127.0.0.1:0", "[::1]:0"] : ["127.0.0.1:0"];

interface Task {
  /** Arguments of `deno` up to main.ts: `run` and its flags. */
  run: string[];
  /** Arguments of main.ts. */
  main: string[];
}

/** Reads from deno.json how its task starts the service, so that tests grant what it grants. */
export function readTask(service: Service): Task {
  const name = TASKS[service];
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", REPOSITORY)));
  const command: string = tasks[name]?.command ?? tasks[name];
  if (typeof command !== "string") throw new Error(`deno.json has no task "${name}"`);
  const words = command.split("&&").at(-1)!.trim().split(/\s+/)
    .map((word) => word.replaceAll(/["']/g, ""));
  const mainIndex = words.indexOf("main.ts");
  if (words[0] !== "deno" || mainIndex < 0) throw new Error(`Cannot read the task: ${command}`);
  return { run: words.slice(1, mainIndex), main: words.slice(mainIndex + 1) };
}

/** Whether the native driver can run here: Linux, and a libc that its task grants. */
export function nativeIsAvailable(): boolean {
  if (Deno.build.os !== "linux") return false;
  const flag = readTask("native").run.find((word) => word.startsWith("--allow-ffi="));
  return (flag ?? "").slice("--allow-ffi=".length).split(",").some(exists);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Lays tables over tables; what `over` says wins, value by value. */
export function merge(base: Configuration, over: Configuration): Configuration {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isTable(value) && isTable(below) ? merge(below, value) : value;
  }
  return merged;
}

/** Writes a configuration as TOML. JSON's strings, numbers and arrays are TOML's. */
export function toToml(configuration: Configuration, path: string[] = []): string {
  const lines: string[] = path.length === 0 ? [] : [`[${path.join(".")}]`];
  for (const [key, value] of Object.entries(configuration)) {
    if (!isTable(value)) lines.push(`${key} = ${JSON.stringify(value)}`);
  }
  let text = lines.join("\n") + "\n";
  for (const [name, table] of Object.entries(configuration)) {
    if (isTable(table)) text += toToml(table, [...path, name]);
  }
  return text;
}

function isTable(value: Value | Configuration | undefined): value is Configuration {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
