/** The metrics as their readers see them: Prometheus, promtool, a container, and a browser. */
import { strict as assert } from "node:assert";
import { launchBrowser } from "../support/browser.ts";
import { Authority, hasOpenssl } from "../support/certificates.ts";
import { LOOPBACK, REPOSITORY } from "../support/configuration.ts";
import { within } from "../support/deadline.ts";
import { endProcess } from "../support/processes.ts";
import { type Server, startServer } from "../support/server.ts";
import { UdpClient } from "../support/udp_client.ts";

const DEADLINE_MS = 60_000;
const POLL_MS = 200;
const TOKEN = "correct-horse";
const INFO_HASH = "%aa".repeat(20);

async function startTracker(metrics: Record<string, string> = {}): Promise<Server> {
  return await startServer({
    driver: "tracker",
    configuration: {
      udp: { network: { address: LOOPBACK, io: "native" } },
      http: { network: { address: LOOPBACK } },
      cleaning: { torrent_cleaning_interval: 1 },
      metrics: { address: "127.0.0.1:0", ...metrics },
    },
  });
}

function metricsUrl(server: Server): string {
  const record = server.records.find(({ message }) => message.startsWith("Metrics are on "));
  return `http://${record!.properties.address}`;
}

async function announce(server: Server): Promise<void> {
  const { properties } = server.records.filter(({ message }) => message.startsWith("Listening on"))
    .at(HTTP_RECORD)!;
  const query = `info_hash=${INFO_HASH}&peer_id=${"a".repeat(20)}&port=6881&left=1`;
  const response = await fetch(`http://${properties.address}/announce?${query}`);
  assert.match(await response.text(), /^d8:complete/);
}

/** UDP's addresses are told before those of HTTP, IPv4 first. */
const HTTP_RECORD = LOOPBACK.length;

async function run(command: string, args: string[], input = ""): Promise<Deno.CommandOutput> {
  const process = new Deno.Command(command, {
    args,
    cwd: REPOSITORY,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  return await process.output();
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Asks until the answer is as wanted. */
async function poll<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  const search = async () => {
    for (;;) {
      const found = await ask().catch(() => undefined);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  return await within(search(), { deadlineMs: DEADLINE_MS, what });
}

Deno.test("promtool finds nothing to say about the metrics", async () => {
  await using server = await startTracker();
  await announce(server);
  const response = await fetch(`${metricsUrl(server)}/metrics`);
  const text = await response.text();
  const zeros = ['refusals_total{protocol="http",type="busy"} 0'];
  for (const line of zeros) assert.ok(text.includes(`\nriptide_${line}\n`), line);
  assert.match(text, /^riptide_connections_total\{protocol="http",type="opened"\} 1$/m);
  assert.match(text, /^riptide_responses_total\{protocol="http",type="announce",.*\} 1$/m);
  assert.doesNotMatch(text, /aaaaaaaa|127\.0\.0\.1/);
  const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], text);
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, said);
  assert.equal(said, "");
});

Deno.test("promtool accepts the alerts and the scrape configuration", async () => {
  for (const [what, file] of [["rules", "riptide.rules.yml"], ["config", "prometheus.yml"]]) {
    const { code, stderr } = await run("promtool", [
      "check",
      what!,
      `deploy/prometheus/${file}`,
    ]);
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
});

Deno.test("Prometheus scrapes with the token, and evaluates the alerts", async () => {
  await using server = await startTracker({ token: TOKEN });
  await announce(server);
  await using prometheus = await Prometheus.watch(server);
  const value = async (expression: string) => (await prometheus.query(expression))[0]?.value[1];
  assert.equal(await poll(() => value("riptide_torrents"), "a scrape"), "1");
  assert.equal(await value('up{job="riptide"}'), "1");
  assert.notEqual(await value("count(riptide_request_duration_seconds_bucket) > 10"), undefined);
  const healthy = await poll(async () => {
    const { data } = await prometheus.ask("rules");
    const all: { health: string; state: string; name: string }[] = data.groups[0].rules;
    return all.every(({ health }) => health === "ok") ? all : undefined;
  }, "rules that are evaluated");
  assert.equal(healthy.length, 11);
  assert.deepEqual(healthy.filter(({ state }) => state !== "inactive"), []);
});

interface Series {
  metric: Record<string, string>;
  value: [time: number, value: string];
}

/** A Prometheus that scrapes one tracker once a second. */
class Prometheus implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #directory: string;
  readonly #port: number;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.#port = port;
    this.#process = new Deno.Command("prometheus", {
      args: [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  static async watch(server: Server): Promise<Prometheus> {
    const directory = await Deno.makeTempDir({ prefix: "riptide-prometheus-" });
    const rules = new URL("deploy/prometheus/riptide.rules.yml", REPOSITORY).pathname;
    await Deno.writeTextFile(
      `${directory}/prometheus.yml`,
      `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["${rules}"]
scrape_configs:
  - job_name: riptide
    authorization: { credentials: "${TOKEN}" }
    static_configs: [{ targets: ["${new URL(metricsUrl(server)).host}"] }]
`,
    );
    return new Prometheus(directory, freePort());
  }

  // deno-lint-ignore no-explicit-any -- each answer has a shape of its own
  async ask(path: string): Promise<any> {
    return await (await fetch(`http://127.0.0.1:${this.#port}/api/v1/${path}`)).json();
  }

  async query(expression: string): Promise<Series[]> {
    const { data, error } = await this.ask(`query?query=${encodeURIComponent(expression)}`);
    if (error !== undefined) throw new SyntaxError(`${expression}: ${error}`);
    return data.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#process);
    await Deno.remove(this.#directory, { recursive: true });
  }
}

interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}

Deno.test({
  name: "every query of the dashboard has data, and the labels of its legend",
  ignore: !await hasOpenssl(),
  async fn() {
    await using authority = await Authority.create();
    const { certificatePath, keyPath } = await authority.issue({ days: 90 });
    await using server = await startServer({
      driver: "tracker",
      files: { "list.txt": "" },
      configuration: (directory) => ({
        udp: { network: { address: ["127.0.0.1:0"], io: "native" } },
        http: {
          network: {
            address: ["127.0.0.1:0"],
            enable_tls: true,
            tls_certificate_path: certificatePath,
            tls_private_key_path: keyPath,
          },
        },
        ws: { network: { address: ["127.0.0.1:0"] } },
        access_list: { mode: "black", path: `${directory}/list.txt` },
        cleaning: { torrent_cleaning_interval: 1 },
        metrics: { address: "127.0.0.1:0", token: TOKEN },
      }),
    });
    await using prometheus = await Prometheus.watch(server);
    using client = Deno.createHttpClient({ caCerts: [authority.certificate] });
    await using udp = new UdpClient("127.0.0.1", server.addressOf("udp"));
    /** An announce, an error, a refusal and a drop. */
    const askAll = async () => {
      const base = `https://${server.addressOf("http")}`;
      const query = `info_hash=${INFO_HASH}&peer_id=${"a".repeat(20)}&port=6881&left=1`;
      for (const path of [`announce?${query}`, "announce", "nothing"]) {
        await (await fetch(`${base}/${path}`, { client })).body!.cancel();
      }
      await udp.send(new Uint8Array(5));
    };
    const { panels }: { panels: Panel[] } = JSON.parse(
      await Deno.readTextFile(new URL("deploy/grafana/riptide.json", REPOSITORY)),
    );
    const targets = panels.flatMap(({ title, targets }) =>
      targets.map((target) => ({ title, ...target }))
    );
    assert.ok(targets.length >= 20);
    for (const { title, expr, legendFormat } of targets) {
      const expression = expr.replaceAll("$instance", ".+").replaceAll("$__rate_interval", "10s");
      assert.doesNotMatch(expression, /\$/, title);
      const found = await poll(async () => {
        await askAll();
        const series = await prometheus.query(expression);
        return series.some(({ value }) => Number.isFinite(Number(value[1]))) ? series : undefined;
      }, `data of "${title}": ${expression}`);
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert.ok(found.every(({ metric }) => label! in metric), `${title}: ${label}`);
      }
    }
  },
});

Deno.test("the token guards all but /health and /ready", async () => {
  await using server = await startTracker({ token: TOKEN });
  const url = metricsUrl(server);
  const status = async (path: string, init?: RequestInit) => {
    const response = await fetch(url + path, init);
    await response.body?.cancel();
    return response.status;
  };
  for (const path of ["/", "/metrics", "/events", "/nothing"]) {
    assert.equal(await status(path), 401, path);
  }
  assert.equal(await status("/metrics", { headers: { authorization: `Bearer ${TOKEN}` } }), 200);
  assert.equal(await status("/nothing", { headers: { authorization: `Bearer ${TOKEN}` } }), 404);
  assert.equal(await status("/health"), 200);
  assert.equal(await status("/ready"), 200);
  assert.equal(await status("/health", { method: "POST", body: "x" }), 405);
});

Deno.test("healthcheck exits with 0 for a tracker that is alive, and with 1 for none", async () => {
  await using server = await startTracker();
  const args = ["run", "--quiet", "--no-prompt", "--allow-net", "--allow-read", "main.ts"];
  const check = (url: string) => run(Deno.execPath(), [...args, "healthcheck", "--url", url]);
  assert.equal((await check(`${metricsUrl(server)}/ready`)).code, 0);
  assert.equal((await check(`${metricsUrl(server)}/nothing`)).code, 1);
  assert.equal((await check(`http://127.0.0.1:${freePort()}/health`)).code, 1);
});

Deno.test("a 33rd page is turned away, and one that leaves makes room", async () => {
  await using server = await startTracker();
  const open = async () => {
    const leaving = new AbortController();
    const response = await fetch(`${metricsUrl(server)}/events`, { signal: leaving.signal });
    return { response, leave: () => leaving.abort() };
  };
  const watching = [];
  for (let page = 0; page < 32; ++page) watching.push(await open());
  assert.ok(watching.every(({ response }) => response.status === 200));
  const { response } = await open();
  assert.equal(response.status, 503);
  await response.body!.cancel();
  watching.pop()!.leave();
  const last = await poll(async () => {
    const next = await open();
    if (next.response.status === 200) return next;
    await next.response.body!.cancel();
    return undefined;
  }, "room for a page");
  for (const { leave } of [...watching, last]) leave();
});

for (
  const [name, options] of Object.entries(
    {
      light: { colorScheme: "light", viewport: { width: 1180, height: 900 } },
      dark: { colorScheme: "dark", viewport: { width: 1180, height: 900 } },
      phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
    } as const,
  )
) {
  Deno.test({
    name: `the page in a browser: ${name}`,
    sanitizeOps: false, // playwright keeps some
    sanitizeResources: false,
    async fn() {
      await using server = await startTracker();
      const browser = await launchBrowser();
      try {
        const page = await browser.newPage(options);
        const complaints: string[] = [];
        const asked: string[] = [];
        page.on("console", (message) => complaints.push(message.text()));
        page.on("pageerror", (error) => complaints.push(error.message));
        page.on("request", (request) => asked.push(request.url()));
        await page.goto(metricsUrl(server));
        await page.getByText("Serving", { exact: true }).waitFor();
        // Live: what comes after the page has loaded is shown.
        await announce(server);
        await page.locator("#tiles div", { hasText: "Torrents" }).getByText("1", { exact: true })
          .waitFor();
        await page.getByRole("main").waitFor();
        for (const title of ["Responses per second", "Workers", "Peers"]) {
          assert.ok(await page.getByRole("table", { name: title, exact: true }).isVisible(), title);
        }
        await page.getByRole("img", { name: /^Torrents: / }).waitFor();
        await page.getByLabel("Day").check();
        await page.getByText("The same as a table").click();
        assert.ok(await page.getByRole("table", { name: "Over time" }).isVisible());
        const overflow = "document.documentElement.scrollWidth - innerWidth";
        assert.ok(await page.evaluate<number>(overflow) <= 0, "nothing is wider than the screen");
        const paper = await page.evaluate<string>(
          "getComputedStyle(document.body).backgroundColor",
        );
        assert.equal(paper === "rgb(20, 24, 27)", name === "dark", paper);
        assert.deepEqual(complaints, []);
        const foreign = asked.filter((url) => !url.startsWith(metricsUrl(server)));
        assert.deepEqual(foreign.filter((url) => !url.startsWith("data:")), []);
      } finally {
        await browser.close();
      }
    },
  });
}
