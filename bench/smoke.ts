/**
 * Runs every benchmark for a moment: that they run, and that the load test finds the answers of
 * both drivers right, is all that this shows. Ends with status 1 when one does not.
 */
import { freeUdpPort, untilUdpAnswers } from "./readiness.ts";

const root = new URL("..", import.meta.url).pathname;
const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";

interface Step {
  name: string;
  run(): Promise<boolean>;
}

function script(name: string, args: string[]): Step {
  return { name, run: () => succeeds(["run", "--quiet", "--allow-all", ...args]) };
}

async function succeeds(args: string[]): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdout: "inherit" });
  return (await command.output()).success;
}

/** The load test against a server of our own; it fails when an answer is wrong or none comes. */
function load(io: "deno" | "native"): Step {
  return {
    name: `load test, io = "${io}"`,
    async run() {
      const folder = await Deno.makeTempDir();
      const port = freeUdpPort();
      const [server, client] = [`${folder}/server.toml`, `${folder}/client.toml`];
      await Deno.writeTextFile(
        server,
        `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\nio = "${io}"\n`,
      );
      await Deno.writeTextFile(
        client,
        `server_address = "127.0.0.1:${port}"\nduration = 2\n[network]\nrequests_in_flight = 64\n` +
          "[requests]\nnumber_of_torrents = 1000\nnumber_of_peers = 2000\n",
      );
      const process = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
          ...[`--allow-ffi=${LIBC}`, "main.ts", "udp", "-c", server],
        ],
        cwd: root,
        stdin: "null",
        stdout: "null",
      }).spawn();
      try {
        await untilUdpAnswers(port);
        return await succeeds(["run", "-A", "--quiet", "bench/load/udp.ts", "-c", client]);
      } finally {
        process.kill("SIGTERM");
        await process.status;
        await Deno.remove(folder, { recursive: true });
      }
    },
  };
}

const steps: Step[] = [
  script("two workers against one", ["bench/core_scaling.ts", "1"]),
  script("latency under housekeeping", ["bench/core_latency.ts", "1"]),
  load("deno"),
  load("native"),
];
let isFailed = false;
for (const { name, run } of steps) {
  const isOk = await run();
  console.log(`${isOk ? "ok" : "FAILED"}: ${name}`);
  isFailed ||= !isOk;
}
Deno.exit(isFailed ? 1 : 0);
