/**
 * TLS: what a handshake costs, and whether sessions resume.
 *
 *     deno run -A bench/limits/http_tls.ts [--seconds 3]
 *
 * `openssl s_time` makes the handshakes. The server has core 0, it has core 1.
 */
import { parseArgs } from "node:util";
import { announce, bareLoop, inServer } from "./http_servers.ts";
import { type HttpTarget, makeCertificate, riptide } from "./http_servers.ts";
import { readProcessUsage } from "../load/process_usage.ts";

const { values: args } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
  },
});

async function run(program: string, programArgs: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("taskset", {
    args: ["-c", "1", program, ...programArgs],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** Handshakes, whole or of a session that is taken up again, per CPU-second of the server. */
async function handshakes(target: HttpTarget, kind: "-new" | "-reuse"): Promise<string> {
  const before = await readProcessUsage(target.processId);
  const text = await run("openssl", [
    ...["s_time", "-connect", `127.0.0.1:${target.port}`, kind, "-time", args.seconds, "-tls1_3"],
    ...["-www", announce(0)],
  ]);
  const after = await readProcessUsage(target.processId);
  const count = Number(/^(\d+) connections in \d+ real seconds/m.exec(text)?.[1]);
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return `${Math.round(count / cpuSeconds)} per CPU-second (${
    Math.round(cpuSeconds / count * 1e6)
  } µs each)`;
}

/** Whether the second connection with a session of the first one resumes it. */
async function resumes({ port }: HttpTarget, version: "-tls1_2" | "-tls1_3"): Promise<string> {
  const session = await Deno.makeTempFile();
  const connect = (...more: string[]) =>
    run("sh", [
      "-c",
      `printf '%b' 'GET ${
        announce(0)
      } HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | ` +
      `openssl s_client -ign_eof ${version} -connect 127.0.0.1:${port} ${more.join(" ")}`,
    ]);
  await connect("-sess_out", session);
  const text = await connect("-sess_in", session);
  await Deno.remove(session);
  return /^(New|Reused), /m.exec(text)?.[1] ?? "no handshake";
}

const certificate = await makeCertificate();
const root = new URL("../..", import.meta.url).pathname;
for (
  const server of [bareLoop({ isClosing: true, certificate }), riptide(root, { certificate })]
) {
  await inServer(server, async (target) => {
    console.log(server.name);
    console.log(`  a handshake and a request: ${await handshakes(target, "-new")}`);
    console.log(`  a session taken up and a request: ${await handshakes(target, "-reuse")}`);
    for (const version of ["-tls1_2", "-tls1_3"] as const) {
      console.log(`  second connection, ${version}: ${await resumes(target, version)}`);
    }
  });
}
await certificate.remove();
