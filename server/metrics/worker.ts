/**
 * The metrics worker: Prometheus' text, the status page, and whether the process is alive.
 *
 * It may listen on its address and do nothing else; what it tells it reads from shared memory, so
 * that nobody who serves clients is ever asked. Requests are few and small here: this is the one
 * place where Deno's own HTTP server is used.
 */
import { BOARD_READY } from "../../wasm/board.ts";
import type { ListenAddress } from "../config/address.ts";
import { formatListenAddress } from "../config/address.ts";
import { StartError } from "../errors.ts";
import { EXIT_UNAVAILABLE } from "../exit_status.ts";
import { serveWorker } from "../pool.ts";
import { EXPOSITION_TYPE, writeExposition } from "./exposition.ts";
import { Observer } from "./observer.ts";
import { buildPage, type Page } from "./page/page.ts";
import type { Observed } from "./snapshot.ts";
import { mayLook } from "./token.ts";

export interface MetricsStart {
  observed: Observed;
  address: ListenAddress;
  /** Empty: whoever reaches the address may look. */
  token: string;
}

const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};
/** Requests that are answered at once, streams of pages aside. */
const REQUESTS_MAX = 64;

let observer: Observer;
let server: Deno.HttpServer;
let page: Page;
let token: string;
let requestCount = 0;

async function answer(request: Request): Promise<Response> {
  if (requestCount >= REQUESTS_MAX) return text("Too many requests", 503);
  ++requestCount;
  try {
    return await route(request);
  } finally {
    --requestCount;
  }
}

async function route(request: Request): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text("Expected GET or HEAD", 405, { allow: "GET, HEAD" });
  }
  const { pathname } = new URL(request.url);
  if (pathname === "/health") return tellHealth(observer.fault);
  if (pathname === "/ready") {
    const isReady = observer.snapshot().board[BOARD_READY] === 1;
    return tellHealth(isReady ? observer.fault : "not every address is served");
  }
  if (!await mayLook(request.headers.get("authorization"), token)) {
    return text("Expected the token of [metrics]", 401, {
      "www-authenticate": 'Basic realm="Riptide", charset="UTF-8"',
    });
  }
  switch (pathname) {
    case "/":
      return new Response(page.html, {
        headers: {
          ...HEADERS,
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": page.policy,
        },
      });
    case "/metrics":
      return text(writeExposition(observer.snapshot(), observer.stalledSeconds), 200, {
        "content-type": EXPOSITION_TYPE,
      });
    case "/events":
      return stream(request);
    default:
      return text("There is nothing here: try /, /metrics, /health or /ready", 404);
  }
}

function stream(request: Request): Response {
  const headers = { ...HEADERS, "content-type": "text/event-stream" };
  if (request.method === "HEAD") return new Response(null, { headers });
  const events = observer.watch();
  if (events === undefined) return text("Too many pages watch", 503, { "retry-after": "60" });
  return new Response(events, { headers });
}

function tellHealth(fault: string | undefined): Response {
  return fault === undefined ? text("OK\n") : text(`Not OK: ${fault}\n`, 503);
}

function text(body: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(body, {
    status,
    headers: { ...HEADERS, "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

function listen(address: ListenAddress): Deno.HttpServer {
  const { hostname, port } = address;
  try {
    // Shared, so that an upgrade can take over; the main thread has tried without.
    return Deno.serve({ hostname, port, reusePort: true, onListen() {}, onError }, answer);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(
      `Cannot listen on ${formatListenAddress(address)}: ${(error as Error).message}`,
      EXIT_UNAVAILABLE,
      { key: "metrics.address" },
    );
  }
}

/** A fault of ours in one answer does not end the tracker. */
function onError(): Response {
  return text("A fault in Riptide", 500);
}

serveWorker<MetricsStart, never>({
  async start(start) {
    token = start.token;
    page = await buildPage();
    server = listen(start.address);
    observer = new Observer(start.observed);
  },
  async stop() {
    observer.stop();
    await server.shutdown();
  },
});
