/**
 * TLS: what a handshake costs, whether sessions resume, and how many new connections a reload of
 * the certificate resets under full load.
 *
 *     deno run -A bench/limits/http_tls.ts [--reloads 10] [--seconds 3]
 *
 * `openssl s_time` makes the handshakes, `wrk` the load (a connection per request). The server has
 * core 0, they have core 1.
 */
import { parseArgs } from "node:util";
import { announce, bareLoop, type Certificate, inServer } from "../compare/http_servers.ts";
import { type HttpTarget, makeCertificate, riptide } from "../compare/http_servers.ts";
import { readProcessUsage } from "../load/process_usage.ts";

const RELOAD_EVERY_MILLISECONDS = 1_000;

const { values: args } = parseArgs({
  options: {
    reloads: { type: "string", default: "10" },
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

/** Errors of wrk while the certificate is reloaded again and again, and without a reload. */
async function resets(target: HttpTarget, certificate: Certificate): Promise<void> {
  for (const reloads of [0, Number(args.reloads)]) {
    let count = 0;
    const reloading = setInterval(async () => {
      if (++count > reloads) return;
      const fresh = await makeCertificate();
      await Deno.copyFile(fresh.certificatePath, certificate.certificatePath);
      await Deno.copyFile(fresh.keyPath, certificate.keyPath);
      await fresh.remove();
      Deno.kill(target.processId, "SIGHUP");
    }, RELOAD_EVERY_MILLISECONDS);
    const seconds = Number(args.reloads) + 2;
    const text = await run("wrk", [
      ...["-t1", "-c64", `-d${seconds}s`, "-H", "Connection: close"],
      `${target.origin}${announce(0)}`,
    ]);
    clearInterval(reloading);
    const errors = /Socket errors: (.*)/.exec(text)?.[1] ?? "none";
    const rate = /^Requests\/sec:\s+(\S+)/m.exec(text)?.[1];
    console.log(`${reloads} reloads in ${seconds} s at ${rate} connections/s: errors: ${errors}`);
  }
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
    if (server.name.startsWith("riptide")) await resets(target, certificate);
  });
}
await certificate.remove();
