/** The doctor's findings: their order, their status, and the flags behind them. */
import { strict as assert } from "node:assert";
import type { Demand } from "../../../server/doctor/demand.ts";
import { exitStatusOf, type Finding, formatFindings } from "../../../server/doctor/finding.ts";
import { tightestCommand } from "../../../server/doctor/flags.ts";
import { LIBC_PATHS } from "../../../server/native/library_paths.ts";
import { demand, UDP } from "./listeners.ts";

Deno.test("doctor: the exit status is that of a start, or 1 for warnings", () => {
  const finding = (severity: Finding["severity"], exitStatus?: number): Finding => (
    { severity, subject: "x", what: "y", exitStatus }
  );
  assert.equal(exitStatusOf([finding("fine"), finding("note")]), 0);
  assert.equal(exitStatusOf([finding("note"), finding("warning")]), 1);
  assert.equal(exitStatusOf([finding("warning"), finding("error", 69)]), 69);
  const text = formatFindings([finding("fine"), { ...finding("error", 78), mend: "z" }], ["deno"]);
  assert.match(text, /^error {4}x: y\n {9}mend: z\nfine {5}x: y\n[^]*deno\n\n1 error, 0 warnings/);
});

Deno.test("doctor: of the places of libc, the tightest command has the one that is there", () => {
  const needs: Demand["permissions"] = [{
    purpose: "",
    anyOf: LIBC_PATHS.x86_64.map((path) => [{ name: "ffi", path }]),
    flag: "--allow-ffi=somewhere",
  }];
  const command = tightestCommand(
    { ...demand([UDP]), permissions: needs },
    (path) => path === LIBC_PATHS.x86_64[1],
  );
  assert.equal(
    command,
    "deno run --quiet --no-prompt " +
      "--allow-read=riptide.toml,assembly,protocols,server,wasm " +
      "--allow-net=0.0.0.0:3000,[::]:3000 --allow-ffi=/lib64/libc.so.6 main.ts udp -c riptide.toml",
  );
});
