/**
 * A worker that tries what a worker of Riptide must not do, and tells what happened.
 *
 * It is started with the very grant that a worker gets. Each attempt ends as "refused" only if Deno
 * itself refuses it for want of a permission.
 */

/** What to try, beside what needs no choice. */
export interface Attempts {
  /** A file that exists. */
  file: string;
  /** A library that exists. */
  library: string;
  /** Addresses and ports to reach by UDP and TCP. */
  hosts: string[];
}

export type Outcome = "refused" | "allowed";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Attempts>) => void;
  postMessage(outcomes: Record<string, Outcome>): void;
};

scope.onmessage = async ({ data: { file, library, hosts } }) => {
  const outcomes: Record<string, Outcome> = {
    read: await attempt(() => Deno.readFile(file)),
    write: await attempt(() => Deno.writeTextFile(`${file}.written`, "")),
    run: await attempt(() => new Deno.Command("true").output()),
    env: await attempt(() => Deno.env.toObject()),
    sys: await attempt(() => Deno.hostname()),
    ffi: await attempt(() => Deno.dlopen(library, {}).close()),
    inspect: await attempt(async () => (await import("node:inspector")).open(0)),
  };
  for (const host of hosts) {
    outcomes[`udp ${host}`] = await attempt(() => sendTo(host));
    outcomes[`tcp ${host}`] = await attempt(() => connectTo(host));
  }
  scope.postMessage(outcomes);
};

async function attempt(act: () => unknown): Promise<Outcome> {
  try {
    await act();
    return "allowed";
  } catch (error) {
    // Anything else than a refusal means that Deno let it try.
    return error instanceof Deno.errors.NotCapable ? "refused" : "allowed";
  }
}

async function sendTo(host: string): Promise<void> {
  const [hostname, port] = split(host);
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    await socket.send(new Uint8Array(1), { transport: "udp", hostname, port });
  } finally {
    socket.close();
  }
}

async function connectTo(host: string): Promise<void> {
  const [hostname, port] = split(host);
  const connecting = Deno.connect({ hostname, port });
  const timeout = new Promise<never>((_, reject) => setTimeout(reject, 500));
  (await Promise.race([connecting, timeout])).close();
}

function split(host: string): [hostname: string, port: number] {
  const colon = host.lastIndexOf(":");
  return [host.slice(0, colon), Number(host.slice(colon + 1))];
}
