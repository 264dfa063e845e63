/** The command line and the life cycle, seen from outside: what is printed, and the exit status. */

import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url).pathname;
const DENO = ["run", "--quiet", "--no-prompt", `--config=${ROOT}deno.json`];
const MAIN = [...DENO, "--allow-read", `${ROOT}main.ts`];
const IDLE = [...DENO, "--allow-sys", `${ROOT}tests/fixtures/idle_tracker.ts`];

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

async function run(args: string[], options: { cwd?: string } = {}): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), { args, stdin: "null", ...options });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a line of shell in which `$DENO` is this Deno; its standard output is the outcome's. */
async function shell(line: string): Promise<Outcome> {
  const command = new Deno.Command("sh", {
    args: ["-c", line],
    env: { DENO: Deno.execPath(), MAIN: MAIN.join(" "), IDLE: IDLE.join(" ") },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function withFile(text: string, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  try {
    await Deno.writeTextFile(path, text);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

function assertNoStack({ stderr }: Outcome): void {
  assert(!/^\s+at |ext:|file:\/\//m.test(stderr), stderr);
}

Deno.test("udp -p prints TOML and nothing else, which -c loads back", async () => {
  const printed = await run([...MAIN, "udp", "-p"]);
  assert.deepEqual([printed.status, printed.stderr], [0, ""]);
  assert.match(printed.stdout, /^# .*\n/);
  await withFile(printed.stdout, async (path) => {
    assert.deepEqual(await run([...MAIN, "udp", "--config", path, "--print-config"]), printed);
  });
  const native = await run([...MAIN, "udp", "-p", "--io=native"]);
  assert.match(native.stdout, /\nio = "native"\n/);
});

Deno.test("udp -p ends quietly when its reader has seen enough", async () => {
  const outcome = await shell(`{ $DENO $MAIN udp -p; echo "status $?" >&2; } | head -1`);
  assert.equal(outcome.stderr, "status 0\n");
  const full = await shell("$DENO $MAIN udp -p >/dev/full");
  assert.equal(full.status, 1);
  assert.equal(full.stderr, "Cannot write to standard output: No space left on device\n");
});

Deno.test("udp -p needs no permission", async () => {
  const outcome = await run([...DENO, `${ROOT}main.ts`, "udp", "-p"]);
  assert.deepEqual([outcome.status, outcome.stderr], [0, ""]);
});

Deno.test("-h, -V and completion print to standard output", async () => {
  const cases: [string[], RegExp][] = [
    [["-h"], /Usage: riptide udp[^]*Exit status: 0 stopped as asked/],
    [["udp", "--help"], /--config FILE[^]*--take-over/],
    [["-V"], /^\d+\.\d+\.\d+\n$/],
  ];
  for (const name of ["bash", "zsh", "fish", "pwsh", "nu"]) {
    cases.push([["completion", name], /riptide/]);
  }
  cases.push([["completion", "bash", "udp", "--c"], /^--config\n?$/m]);
  await Promise.all(cases.map(async ([args, expected]) => {
    const outcome = await run([...MAIN, ...args]);
    assert.deepEqual([outcome.status, outcome.stderr], [0, ""], args.join(" "));
    assert.match(outcome.stdout, expected);
  }));
});

Deno.test("bad usage ends with 64 and names what was nearly right", async () => {
  const cases: [string[], RegExp][] = [
    [[], /Expected a command/],
    [["upd"], /Unexpected "upd"; did you mean "udp"\?/],
    [["udp", "--confg", "x"], /Unexpected "--confg"; did you mean "--config"\?/],
    [["udp", "--io", "nativ"], /"deno" and "native", but got "nativ"/],
    [["udp", "-c"], /requires .FILE./],
    [["udp", "x.toml"], /Unexpected "x.toml"/],
  ];
  await Promise.all(cases.map(async ([args, expected]) => {
    const outcome = await run([...MAIN, ...args]);
    assert.deepEqual([outcome.status, outcome.stdout], [64, ""], args.join(" "));
    assert.match(outcome.stderr, expected);
    assert.match(outcome.stderr, /\nTry: riptide (udp )?-h\n$/);
    assertNoStack(outcome);
  }));
});

Deno.test("a wrong configuration ends with 78 and one line for each mistake", async () => {
  await withFile(`socket_workers = 2\n[network]\nio = "nativ"\nadress = 3\n`, async (path) => {
    const outcome = await run([...MAIN, "udp", "-c", path]);
    assert.deepEqual([outcome.status, outcome.stdout], [78, ""]);
    assert.equal(
      outcome.stderr,
      `${path}:3: Cannot use "network.io" = "nativ": expected "deno" or "native"; ` +
        `did you mean "native"\n` +
        `${path}:4: Cannot use "network.adress" = 3: expected a known key; ` +
        `did you mean "network.address"\n`,
    );
  });
  const missing = await run([...MAIN, "udp", "-c", "none.toml"]);
  assert.equal(missing.status, 78);
  assert.match(missing.stderr, /^Cannot read the configuration "none.toml": there is no such file/);
  assertNoStack(missing);
});

Deno.test("a missing permission ends with 77 and names the flag", async () => {
  const read = await run([...DENO, `${ROOT}main.ts`, "udp", "-c", "x.toml"]);
  assert.equal(read.status, 77);
  assert.match(read.stderr, /^Cannot read .*"x.toml": start Deno with --allow-read=x.toml\n$/);
  const net = await run([...MAIN, "udp"]);
  assert.equal(net.status, 77);
  assert.match(net.stderr, /start Deno with --allow-net\n$/);
  const ffi = await run([...MAIN, "udp", "--io", "native"]);
  assert.equal(ffi.status, 77);
  assert.match(ffi.stderr, /start Deno with --allow-ffi=\/lib/);
  await withFile(
    `network = { address = "127.0.0.1:0", client_subnets = "127.0.0.0/8" }
    access_list = { mode = "black", path = "list.txt" }`,
    async (path) => {
      const outcome = await run([...MAIN, "udp", "-c", path]);
      assert.equal(outcome.status, 77);
      assert.match(outcome.stderr, /start Deno with --allow-net=127.0.0.1:0,127.0.0.0\/8\n$/);
    },
  );
});

/** A running idle_tracker.ts. */
class Idle {
  readonly process: Deno.ChildProcess;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;

  constructor(...args: string[]) {
    this.process = new Deno.Command(Deno.execPath(), {
      args: [...IDLE, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdout = this.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = new Response(this.process.stderr).text();
  }

  async waitFor(text: string): Promise<void> {
    for (let seen = ""; !seen.includes(text);) {
      const { value, done } = await this.#stdout.read();
      assert(!done, `ended before it said "${text}"`);
      seen += value;
    }
  }

  /** Waits for the end; gives the log records and the exit status. */
  async end(): Promise<{ status: number; messages: string[]; stderr: string }> {
    const [{ code }, stderr] = await Promise.all([this.process.status, this.#stderr]);
    await this.#stdout.cancel();
    const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
    return { status: code, messages: lines.map((line) => JSON.parse(line).message), stderr };
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} stops with 0, even when it comes twice at once`, async () => {
    const idle = new Idle();
    await idle.waitFor("ready");
    idle.process.kill(signal);
    idle.process.kill(signal);
    const { status, messages } = await idle.end();
    assert.equal(status, 0);
    assert.deepEqual(messages, [
      "Listening on 127.0.0.1:3000",
      `Stopping after ${signal}`,
      "Stopped",
    ]);
  });
}

Deno.test("a tracker that does not stop is left in under 2 s", async () => {
  const idle = new Idle("stuck");
  await idle.waitFor("ready");
  const startedAt = performance.now();
  idle.process.kill("SIGTERM");
  const { status, messages } = await idle.end();
  assert.equal(status, 1);
  assert(performance.now() - startedAt < 2_000);
  assert.equal(messages.at(-1), "Ending without waiting for workers that do not stop");
});

Deno.test("a second signal after half a second ends at once", async () => {
  const idle = new Idle("stuck");
  await idle.waitFor("ready");
  idle.process.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 600));
  const secondAt = performance.now();
  idle.process.kill("SIGINT");
  const { status } = await idle.end();
  assert.equal(status, 1);
  assert(performance.now() - secondAt < 500);
});

Deno.test("SIGHUP reloads, and many at once reload once more", async () => {
  const idle = new Idle();
  await idle.waitFor("ready");
  idle.process.kill("SIGHUP");
  await idle.waitFor("reload 1");
  for (let count = 0; count < 5; count++) idle.process.kill("SIGHUP");
  await idle.waitFor("reload 2");
  await new Promise((resolve) => setTimeout(resolve, 150));
  idle.process.kill("SIGTERM");
  const { status, messages } = await idle.end();
  assert.equal(status, 0);
  assert.equal(messages.filter((message) => message === "Reloaded after SIGHUP").length, 2);
});

Deno.test("a reload that fails is logged, and the tracker goes on", async () => {
  const idle = new Idle("bad_reload");
  await idle.waitFor("ready");
  idle.process.kill("SIGHUP");
  await idle.waitFor("reload 1");
  idle.process.kill("SIGTERM");
  const { status, messages } = await idle.end();
  assert.equal(status, 0);
  assert.equal(messages[1], "Cannot reload, going on as before: list.txt:3: expected 40 digits");
});

Deno.test("SIGUSR1 reloads and leaves no debugger open", async () => {
  const idle = new Idle();
  await idle.waitFor("ready");
  await new Promise((resolve) => setTimeout(resolve, 600)); // Deno listens for it after 500 ms
  idle.process.kill("SIGUSR1");
  await idle.waitFor("reload 1");
  await new Promise((resolve) => setTimeout(resolve, 900));
  // Another program's debugger may pass by there; ours would stay.
  for (let tries = 0; tries < 20 && await isDebuggerOpen(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(await isDebuggerOpen(), false);
  idle.process.kill("SIGTERM");
  assert.equal((await idle.end()).status, 0);
});

/** Runs a tracker, and stops it when it has said on standard output that it is ready. */
async function stopWhenReady(command: string): Promise<Outcome> {
  const said = await Deno.makeTempFile();
  try {
    return await shell(`${command} >${said} & idle=$!
for try in $(seq 200); do grep -q ready ${said} && break; sleep 0.1; done
sleep 0.5; kill -TERM $idle; wait $idle; status=$?; cat ${said}; exit $status`);
  } finally {
    await Deno.remove(said);
  }
}

Deno.test("a full disk or a closed standard error ends nothing", async () => {
  await Promise.all(["2>/dev/full", "2>&-", "2>&- <&-"].map(async (target) => {
    const { status, stdout } = await stopWhenReady(`$DENO $IDLE chatty ${target}`);
    assert.deepEqual([status, stdout], [0, "ready\n"], target);
  }));
});

Deno.test("without --allow-sys the start warns of SIGUSR1 and names SIGHUP", async () => {
  const outcome = await stopWhenReady(
    `$DENO run --quiet --no-prompt ${ROOT}tests/fixtures/idle_tracker.ts idle text`,
  );
  assert.equal(outcome.status, 0);
  assert.match(
    outcome.stderr,
    / warn {2}idle: Reload with SIGHUP, not SIGUSR1: without --allow-sys/,
  );
});

async function isDebuggerOpen(): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ port: 9229 });
    return true;
  } catch {
    return false;
  }
}

for (const reader of ["deserted", "stalled"] as const) {
  Deno.test(`a ${reader} reader of standard error ends nothing`, async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...IDLE, "chatty"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const stderr = child.stderr.getReader();
    await stderr.read();
    if (reader === "deserted") await stderr.cancel();
    await new Promise((resolve) => setTimeout(resolve, 700)); // hundreds of kilobytes
    const stoppedAt = performance.now();
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    assert(performance.now() - stoppedAt < 1_500);
    await stderr.cancel();
  });
}

Deno.test("a worker's death, a stray error and a failed start end with one line", async () => {
  const cases: [string, number, string][] = [
    ["failing", 1, "Stopping after a failure: Worker 1 died"],
    ["stray", 1, "Cannot go on after a fault in Riptide: RangeError: Lost my way"],
    ["no_bind", 69, "Cannot bind 127.0.0.1:1: it is in use"],
    [
      "no_permission",
      77,
      'Cannot go on without read access to "/etc/hostname": start Deno with --allow-read',
    ],
  ];
  for (const [behaviour, expected, message] of cases) {
    const idle = new Idle(behaviour);
    const { status, messages, stderr } = await idle.end();
    assert.equal(status, expected, stderr);
    assert.equal(messages.at(-1), message);
    assert(!/^\s+at /m.test(stderr), stderr);
  }
});
