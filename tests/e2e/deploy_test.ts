/**
 * What deploy/ holds, judged by the tools that it is for: systemd-analyze, dpkg, and a tracker run
 * from the installed files as the unit would, as far as that goes without systemd.
 */
import { strict as assert } from "node:assert";
import { parse } from "smol-toml";
import { TRACKER_FILE } from "../../server/config/mod.ts";
import { loadConfig } from "../../server/config/load.ts";
import { REPOSITORY } from "../support/configuration.ts";

const ROOT = REPOSITORY.pathname;
const UNITS = ["riptide", "riptide-native"];
/** Of 10; systemd-analyze wants it in tenths. */
const EXPOSURE_MAX = 2.0;
const NOBODY = "65534";

/** Shell that waits until a tracker serves, as its log says; what follows fails if it does not. */
const untilServing = (log: string) =>
  `timeout 60 sh -c "until grep -qs 'Listening on' ${log}; do sleep 0.1; done"`;

async function run(program: string, args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function has(program: string): Promise<boolean> {
  return await run(program, ["--version"]).then(({ code }) => code === 0, () => false);
}

/** What a unit sets, by name; the last one counts. */
async function readUnit(unit: string): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(`${ROOT}deploy/${unit}.service`);
  return new Map(
    [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, key, value]) => [key!, value!]),
  );
}

for (const unit of UNITS) {
  Deno.test({
    name: `${unit}.service is exposed to ${EXPOSURE_MAX} at most`,
    ignore: !await has("systemd-analyze"),
    async fn() {
      const { code, text } = await run("systemd-analyze", [
        ...["security", "--offline=true", `--threshold=${EXPOSURE_MAX * 10}`],
        `deploy/${unit}.service`,
      ]);
      assert.equal(code, 0, text);
      assert.match(text, /Overall exposure level for \S+: [01]\.\d|: 2\.0/);
    },
  });

  Deno.test(`${unit}.toml is a configuration without a warning`, async () => {
    const path = `${ROOT}deploy/${unit}.toml`;
    const { config, warnings } = await loadConfig(TRACKER_FILE, path);
    assert.deepEqual(warnings, []);
    assert.equal(config.udp!.network.io, unit === "riptide" ? "deno" : "native");
    const written = parse(await Deno.readTextFile(path)) as { memory: { limit_mib: number } };
    // The unit's bound on memory is above the configuration's.
    const bound = /^(\d+)G$/.exec((await readUnit(unit)).get("MemoryMax")!)![1];
    assert.ok(Number(bound) * 1024 > written.memory.limit_mib + 128);
  });
}

Deno.test("no unit forbids memory that is written and executed, which V8 needs", async () => {
  for (const unit of UNITS) {
    assert.ok(!(await readUnit(unit)).has("MemoryDenyWriteExecute"));
  }
});

Deno.test({
  name: "the Debian package installs, its units are valid, and it serves as its user would",
  ignore: !await has("dpkg-deb") || !await has("systemd-analyze") || Deno.uid() !== 0,
  async fn(t) {
    const dist = "dist/test-deploy";
    const root = await Deno.makeTempDir({ prefix: "riptide-root-" });
    const logs = await Deno.makeTempDir({ prefix: "riptide-logs-" });
    await Deno.chmod(root, 0o755);
    try {
      const compiled = await run(Deno.execPath(), [
        ...["run", "--quiet", "--allow-all", "tools/compile/mod.ts", dist],
      ]);
      assert.equal(compiled.code, 0, compiled.text);
      const built = await run("deploy/debian/build", [dist]);
      assert.equal(built.code, 0, built.text);
      const [deb] = (await Array.fromAsync(Deno.readDir(`${ROOT}${dist}`)))
        .map(({ name }) => name).filter((name) => name.endsWith(".deb"));

      await t.step("dpkg installs it into a root of its own, and makes the user", async () => {
        for (const directory of ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"]) {
          await Deno.mkdir(`${root}/${directory}`, { recursive: true });
        }
        for (const file of ["var/lib/dpkg/status", "etc/passwd", "etc/group"]) {
          await Deno.writeTextFile(`${root}/${file}`, "");
        }
        const installed = await run("dpkg", [
          ...[`--root=${root}`, "--force-script-chrootless", "--force-depends"],
          ...["--log=/dev/null", "--install", `${ROOT}${dist}/${deb}`],
        ]);
        assert.equal(installed.code, 0, installed.text);
        assert.match(await Deno.readTextFile(`${root}/etc/passwd`), /^riptide:/m);
        assert.equal(await Deno.readLink(`${root}/usr/bin/riptide`), "../lib/riptide/riptide");
      });

      await t.step("systemd-analyze finds nothing wrong with the units", async () => {
        for (const unit of UNITS) {
          // The same unit, with the place where the program is for this test.
          const text = await Deno.readTextFile(`${root}/lib/systemd/system/${unit}.service`);
          const path = `${root}/${unit}.service`;
          await Deno.writeTextFile(
            path,
            text.replaceAll("/usr/bin/riptide", `${root}/usr/bin/riptide`),
          );
          const { code, text: said } = await run("systemd-analyze", [
            ...["verify", "--man=false", "--generators=false", path],
          ]);
          const own = said.split("\n").filter((line) => line.includes(`${unit}.service`));
          assert.deepEqual([code, own], [0, []], said);
        }
      });

      for (const unit of UNITS) {
        await t.step(
          `${unit}: it serves with a bare /proc, no capability and no file to write`,
          async () => {
            const config = await Deno.readTextFile(`${root}/etc/riptide/${unit}.toml`);
            const path = `${root}/etc/riptide/test.toml`;
            await Deno.writeTextFile(path, `log_format = "json"\n${config}`);
            // As the unit: ProcSubset=pid, ProtectSystem=strict, NoNewPrivileges, no capability.
            const log = `${logs}/${unit}`;
            const script = `ip link set lo up
mount -t proc -o subset=pid,hidepid=invisible proc /proc
mount --bind ${root} ${root} && mount -o remount,bind,ro ${root}
setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all env -i PATH=/usr/bin:/bin RIPTIDE_CACHE_DIR=/nonexistent \
  ${root}/usr/bin/riptide tracker -c ${path} >${log} 2>&1 & tracker=$!
${untilServing(log)}
kill -TERM $tracker
wait $tracker`;
            const { code, text: said } = await run("unshare", [
              ...["--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-euc", script],
            ]);
            const text = await Deno.readTextFile(log);
            assert.equal(code, 0, said + text);
            assert.equal(text.match(/"Listening on /g)?.length, 4, text);
            assert.match(text, /"Metrics are on /);
            assert.match(text, /"Stopped"/);
            assert.doesNotMatch(text, /"level":"(error|fatal)"/);
          },
        );
      }

      await t.step("the system calls that it makes are those of the unit's filter", async () => {
        if (!await has("strace")) return;
        for (const unit of UNITS) {
          const system = await readSyscallSet("@system-service");
          const allowed = system.union(await readSyscallSet("@pkey"));
          const denied = await Promise.all(["@privileged", "@resources"].map(readSyscallSet));
          const trace = `${root}/trace`;
          const path = `${root}/etc/riptide/test.toml`;
          const log = `${logs}/strace-${unit}`;
          // strace keeps a signal to itself: the process that it follows says who it is.
          const script = `ip link set lo up
strace -f -qq -o ${trace} -e signal=none sh -c 'echo $$ >${log}.pid; exec "$@"' sh \
  ${root}/usr/bin/riptide tracker -c ${path} >${log} 2>&1 & strace=$!
${untilServing(log)}
sleep 2 # For what it does by the clock.
kill -TERM $(cat ${log}.pid)
wait $strace`;
          const config = await Deno.readTextFile(`${root}/etc/riptide/${unit}.toml`);
          await Deno.writeTextFile(path, `log_format = "json"\n${config}`);
          const { code, text: said } = await run("unshare", ["--net", "sh", "-euc", script]);
          assert.equal(code, 0, said + await Deno.readTextFile(log));
          const text = await Deno.readTextFile(trace);
          const called = new Set(
            [...text.matchAll(/^\d+ +([a-z0-9_]+)\(/gm)].map(([, name]) => name!),
          );
          assert.ok(called.has("futex") && called.size > 30, "strace saw it");
          const refused = [...called].filter((name) =>
            !allowed.has(name) || denied.some((set) => set.has(name))
          );
          // With EPERM for these, Deno goes on; only root's SQLite calls fchown().
          const harmless = new Set(["fchown", "prlimit64", "sched_setaffinity", "setrlimit"]);
          assert.deepEqual(refused.filter((name) => !harmless.has(name)), [], unit);
        }
      });
    } finally {
      await Deno.remove(root, { recursive: true });
      await Deno.remove(logs, { recursive: true });
      await Deno.remove(`${ROOT}${dist}`, { recursive: true }).catch(() => {});
    }
  },
});

/** The system calls of one of systemd's sets, the sets in it included. */
async function readSyscallSet(name: string): Promise<Set<string>> {
  const { code, text } = await run("systemd-analyze", ["syscall-filter", name]);
  assert.equal(code, 0, text);
  const calls = new Set<string>();
  for (const line of text.split("\n")) {
    const word = line.trim();
    if (word.startsWith("@") && word !== name) {
      for (const call of await readSyscallSet(word)) calls.add(call);
    } else if (/^[a-z0-9_]+$/.test(word)) calls.add(word);
  }
  return calls;
}
