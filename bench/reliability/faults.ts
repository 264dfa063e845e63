/**
 * Fault runs under load: something breaks while clients ask, and what they lost is counted.
 *
 *     deno task faults                     # all of them, a table for docs/RELIABILITY.md
 *     deno task faults list                # those whose name holds this text
 *     deno task faults killed --times 13   # each so often, the counts together
 */
import { parseArgs } from "node:util";
import { Authority } from "../../tests/support/certificates.ts";
import { LossyRelay, LossyStreams } from "./relay.ts";
import { findPorts, Target, type TargetOptions } from "./target.ts";
import { ROW_HEAD, rowsOf, sleep, type Targets, Traffic } from "./traffic.ts";

const BEFORE_MILLISECONDS = 2_000;
const AFTER_MILLISECONDS = 4_000;

type Fault = (run: FaultRun) => Promise<string>;

/** A tracker under load, and what a fault needs of it. */
class FaultRun {
  readonly directory: string;
  readonly ports = findPorts();
  target!: Target;

  constructor(directory: string) {
    this.directory = directory;
  }

  async start(options: Partial<TargetOptions> = {}): Promise<void> {
    this.target = await Target.start({ directory: this.directory, ports: this.ports, ...options });
  }

  /** Runs the clients for some seconds, and the fault in their midst. */
  async under(
    breakIt: () => Promise<void>,
    targets: Partial<Targets> = {},
  ): Promise<Traffic> {
    const traffic = new Traffic({
      udp: `127.0.0.1:${this.ports.udp}`,
      http: `127.0.0.1:${this.ports.http}`,
      ws: `127.0.0.1:${this.ports.ws}`,
      pauseMilliseconds: 2,
      clientsPerKind: 4,
      torrents: 2_000,
      ...targets,
    });
    traffics.push(traffic);
    await sleep(BEFORE_MILLISECONDS);
    await breakIt();
    await sleep(AFTER_MILLISECONDS);
    await traffic.stop();
    return traffic;
  }

  /** Spoils memory, and waits for the worker that trips over it. */
  async killWorker(): Promise<void> {
    const since = this.target.log.length;
    this.target.process.kill("SIGUSR2");
    await this.target.logged(" died: ", since);
  }

  /**
   * Kills that many, each when another has taken the place of the one before: a start clears up
   * what is spoilt meanwhile, and nobody dies of it.
   */
  async killWorkers(count: number): Promise<void> {
    for (let death = 1; death <= count; ++death) {
      await this.killWorker();
      while (await this.metric("riptide_worker_restarts_total") < death) await sleep(20);
    }
  }

  /** Whose deaths were logged, such as `ws 1, udp 0`. */
  get deaths(): string {
    const names = this.target.log.map((line) => /Worker (\S+ \S+) died: /.exec(line)?.[1]);
    return names.filter((name) => name !== undefined).join(", ");
  }

  /** Why the process ended. */
  get reason(): string {
    const line = this.target.log.find((text) => text.includes("Stopping after a failure"));
    return JSON.parse(line!).message;
  }

  async metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`);
    const line = (await response.text()).split("\n").find((text) => text.startsWith(`${name} `));
    return Number(line!.split(" ")[1]);
  }

  async reload(): Promise<string> {
    const since = this.target.log.length;
    this.target.process.kill("SIGHUP");
    await this.target.logged("eload", since);
    const line = this.target.log.slice(since).find((text) => text.includes("eload"))!;
    return JSON.parse(line).message;
  }
}

let traffics: Traffic[] = [];

const FAULTS: Record<string, Fault> = {
  async "nothing breaks"(run) {
    await run.start();
    await run.under(() => Promise.resolve());
    return "";
  },

  async "a worker is killed by a trap, four times"(run) {
    await run.start({ program: "bench/reliability/breakable.ts" });
    await run.under(() => run.killWorkers(4));
    return `${run.deaths} replaced`;
  },

  async "five workers die within a minute"(run) {
    await run.start({ program: "bench/reliability/breakable.ts" });
    await run.under(async () => {
      await run.killWorkers(4);
      await run.killWorker();
    });
    const status = await run.target.stop();
    if (status !== 1) throw new Error(`Exit status ${status}`);
    return `exit status ${status}: ${run.reason}`;
  },

  async "a worker hangs"(run) {
    await run.start({ program: "bench/reliability/breakable.ts" });
    await run.under(async () => {
      run.target.process.kill("SIGURG");
      await run.target.logged(" hangs: ");
    });
    const status = await run.target.stop();
    if (status !== 1) throw new Error(`Exit status ${status}`);
    return `exit status ${status}: ${run.reason}`;
  },

  async "the disk of the log is full"(run) {
    await run.start({ shell: 'exec "$@" 2>/dev/full' });
    await run.under(async () => {
      run.target.process.kill("SIGHUP");
      await sleep(500);
    });
    return "";
  },

  async "the clock jumps a day ahead and back"(run) {
    await run.start({ program: "bench/reliability/breakable.ts" });
    await run.under(async () => {
      run.target.process.kill("SIGWINCH");
      await sleep(1_000);
      run.target.process.kill("SIGWINCH");
    });
    return "";
  },

  async "the list is replaced by garbage, and reloaded"(run) {
    const list = `${run.directory}/list.txt`;
    await Deno.writeTextFile(list, `${"f".repeat(40)}\n`);
    await run.start({ more: `access_list = { mode = "black", path = "${list}" }` });
    let told = "";
    await run.under(async () => {
      await Deno.writeFile(list, crypto.getRandomValues(new Uint8Array(60_000)));
      told = await run.reload();
    });
    return told.replace(/"[^"]*"/g, '"…"').slice(0, 90);
  },

  async "the certificate expires, and is reloaded"(run) {
    await using authority = await Authority.create();
    const good = await authority.issue();
    const expired = await authority.issue({ days: -1 });
    await run.start({
      tcpNetwork: `, enable_tls = true, tls_certificate_path = "${good.certificatePath}", ` +
        `tls_private_key_path = "${good.keyPath}"`,
    });
    let told = "";
    await run.under(async () => {
      await Deno.copyFile(expired.certificatePath, good.certificatePath);
      await Deno.copyFile(expired.keyPath, good.keyPath);
      told = await run.reload();
    }, { caCerts: [authority.certificate] });
    return told.replaceAll(authority.directory, "…").slice(0, 120);
  },

  async "5 % of datagrams are lost, 5 % come late"(run) {
    await run.start();
    const relay = new LossyRelay({ port: run.ports.udp }, {
      loss: 0.05,
      late: 0.05,
      lateMilliseconds: 20,
    });
    await run.under(() => sleep(4_000), {
      udp: relay.address,
      http: undefined,
      ws: undefined,
    });
    relay.close();
    return `${relay.lost} datagrams lost, ${relay.late} late, ${relay.passed} passed`;
  },

  async "5 % of what is sent over TCP is lost, and sent again"(run) {
    await run.start();
    const relays = [run.ports.http, run.ports.ws].map((port) => new LossyStreams({ port }, 0.05));
    const [http, ws] = relays.map(({ address }) => address);
    await run.under(() => sleep(4_000), { udp: undefined, http, ws });
    for (const relay of relays) relay.close();
    const sum = (key: "late" | "passed") => relays.reduce((total, relay) => total + relay[key], 0);
    return `${sum("late")} pieces late, ${sum("passed")} passed`;
  },

  async "file descriptors run out for two seconds"(run) {
    await run.start({ shell: 'ulimit -n 96; exec "$@"' });
    await run.under(async () => {
      const idle: Deno.Conn[] = [];
      for (let index = 0; index < 150; ++index) {
        const address = { hostname: "127.0.0.1", port: run.ports.http };
        idle.push(await Deno.connect(address));
      }
      await sleep(2_000);
      for (const conn of idle) conn.close();
    });
    return "150 idle connections against a limit of 96 descriptors";
  },

  async "another process takes over"(run) {
    await run.start();
    const [first, directory] = [run.target, await Deno.makeTempDir()];
    let status = -1;
    await run.under(async () => {
      await run.start({ directory, takeOver: true });
      status = await first.stop();
    });
    await Deno.remove(directory, { recursive: true });
    return `the old one ended with ${status}`;
  },
};

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: { times: { type: "string", default: "1" } },
  allowPositionals: true,
});
console.log([...ROW_HEAD].join("\n"));
const notes: string[] = [];
for (const [name, fault] of Object.entries(FAULTS)) {
  if (!name.includes(positionals[0] ?? "")) continue;
  traffics = [];
  for (let time = 0; time < Number(values.times); ++time) {
    const directory = await Deno.makeTempDir();
    const run = new FaultRun(directory);
    try {
      const note = await fault(run);
      if (note !== "") notes.push(`- ${name}: ${note}`);
    } finally {
      await run.target?.stop();
      await Deno.remove(directory, { recursive: true });
    }
  }
  console.log(rowsOf(name, traffics).join("\n"));
  const lost = traffics.flatMap(({ losses }) => losses);
  for (
    const [what, some] of Map.groupBy(lost, ({ kind, reasons }) => `${kind}: ${reasons.at(-1)}`)
  ) {
    notes.push(`- ${name}: lost ${some.length} times ${what}`);
  }
}
console.log("\n" + notes.join("\n"));
