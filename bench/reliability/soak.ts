/**
 * A soak: all protocols under load for minutes, a reload every minute, peers coming and going.
 *
 *     deno task soak --minutes 30 [--metrics http://127.0.0.1:9000/metrics]
 *
 * Prints a line a quarter of a minute, and at the end the slope of the memory (least squares over
 * the second half, when tables have their size), how latency went, and whatever was logged that is
 * no "info".
 */
import { findPorts, Target } from "./target.ts";
import { sleep, Traffic } from "./traffic.ts";

const STEP_SECONDS = 15;
const RELOAD_STEPS = 4;
const TORRENTS = 5_000;
const CLIENTS_PER_KIND = 8;
const PAUSE_MILLISECONDS = 2;
const PAGE_BYTES = 4_096;
const MEBIBYTE = 1024 * 1024;

interface Step {
  minutes: number;
  residentMib: number;
  p99Milliseconds: number;
  answered: number;
  retried: number;
  lost: number;
}

const minutes = numberOf("--minutes", 30);
const metrics = Deno.args[Deno.args.indexOf("--metrics") + 1];
const isScraping = Deno.args.includes("--metrics");

function numberOf(option: string, fallback: number): number {
  const index = Deno.args.indexOf(option);
  const value = index < 0 ? fallback : Number(Deno.args[index + 1]);
  if (!(value > 0)) throw new RangeError(`Cannot use ${option}: expected a number above 0`);
  return value;
}

/** Resident bytes of a process. */
function residentMib(processId: number): number {
  const pages = Number(Deno.readTextFileSync(`/proc/${processId}/statm`).split(" ")[1]);
  return pages * PAGE_BYTES / MEBIBYTE;
}

/** Slope of the line through the points by least squares, y per x. */
function slope(points: [x: number, y: number][]): number {
  const mean = (values: number[]) => values.reduce((sum, it) => sum + it, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}

/** Sums over all kinds since the step before; the histograms begin anew. */
function takeStep(traffic: Traffic, since: number, processId: number): Step {
  const counts = [...traffic.counts.values()];
  const sum = (key: "answered" | "retried" | "lost") =>
    counts.reduce((total, count) => total + count[key], 0);
  const p99 = Math.max(...counts.map(({ latency }) => latency.percentile(99))) / 1_000;
  const step = {
    minutes: (performance.now() - since) / 60_000,
    residentMib: residentMib(processId),
    p99Milliseconds: p99,
    answered: sum("answered"),
    retried: sum("retried"),
    lost: sum("lost"),
  };
  for (const count of counts) {
    count.latency.reset();
    count.answered = count.retried = count.lost = 0;
  }
  return step;
}

async function run(directory: string): Promise<void> {
  const list = `${directory}/list.txt`;
  await Deno.writeTextFile(list, `${"f".repeat(40)} reason="Soaked"\n`);
  const ports = findPorts();
  // Peers are forgotten within minutes, so that a soak of half an hour sees them go many times.
  await using target = await Target.start({
    directory,
    ports,
    more: `access_list = { mode = "black", path = "${list}" }
      cleaning = { max_peer_age = 120, torrent_cleaning_interval = 10 }`,
  });
  const traffic = new Traffic({
    udp: `127.0.0.1:${ports.udp}`,
    http: `127.0.0.1:${ports.http}`,
    pauseMilliseconds: PAUSE_MILLISECONDS,
    clientsPerKind: CLIENTS_PER_KIND,
    torrents: TORRENTS,
  });
  const since = performance.now();
  const steps: Step[] = [];
  console.log("| minute | resident MiB | p99 ms (worst kind) | answered | retried | lost |");
  console.log("| -----: | -----------: | ------------------: | -------: | ------: | ---: |");
  for (let count = 1; count <= minutes * 60 / STEP_SECONDS; ++count) {
    await sleep(STEP_SECONDS * 1_000);
    const step = takeStep(traffic, since, target.process.pid);
    steps.push(step);
    console.log(
      `| ${step.minutes.toFixed(2)} | ${step.residentMib.toFixed(1)} | ` +
        `${step.p99Milliseconds.toFixed(1)} | ${step.answered} | ${step.retried} | ${step.lost} |`,
    );
    if (isScraping) await (await fetch(metrics!)).body?.cancel();
    if (count % RELOAD_STEPS === 0) {
      const logged = target.log.length;
      await Deno.writeTextFile(list, `${String(count % 10).repeat(40)} reason="Soaked"\n`);
      target.process.kill("SIGHUP");
      await target.logged("Reloaded after SIGHUP", logged);
    }
  }
  await traffic.stop();
  const status = await target.stop();
  report(steps, { status, log: target.log });
}

function report(steps: Step[], { status, log }: { status: number; log: string[] }): void {
  const settled = steps.slice(steps.length >> 1);
  const memory = slope(settled.map((step) => [step.minutes, step.residentMib]));
  const latency = slope(settled.map((step) => [step.minutes, step.p99Milliseconds]));
  const sum = (key: "answered" | "retried" | "lost") =>
    steps.reduce((total, step) => total + step[key], 0);
  // Ages this short are warned of at the start; anything else is worth a look.
  const odd = log.filter((line) => {
    if (!line.startsWith("{")) return line !== "";
    const { level, message } = JSON.parse(line);
    return level !== "info" && !String(message).includes("max_peer_age");
  });
  console.log(`
${sum("answered")} answered, ${sum("retried")} after a retry, ${sum("lost")} lost
Memory, second half: ${memory.toFixed(3)} MiB a minute
p99, second half: ${latency.toFixed(3)} ms a minute
Exit status: ${status}
Logged beyond "info": ${odd.length === 0 ? "nothing" : "\n" + odd.join("\n")}`);
}

const directory = await Deno.makeTempDir();
try {
  await run(directory);
} finally {
  await Deno.remove(directory, { recursive: true });
}
