/**
 * `dist/riptide` as an operator gets it: built twice, and run in an empty home without a network,
 * in a network namespace of its own.
 */
import { strict as assert } from "node:assert";
import { REPOSITORY } from "../support/configuration.ts";

const ROOT = REPOSITORY.pathname;
const ANNOUNCE = `${ROOT}tests/fixtures/announce_once.ts`;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. */
async function run(program: string, args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env,
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) } as Outcome;
}

/** Runs a line of shell in a namespace whose only network is its own loopback. */
async function offline(line: string, env: Record<string, string>): Promise<Outcome> {
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  return await run("env", [
    ...["-i", path, ...assignments, "unshare", "--net", "sh", "-euc"],
    `ip link set lo up\n${line}`,
  ]);
}

async function build(directory: string): Promise<string> {
  const permissions = [
    "--allow-read",
    "--allow-write",
    "--allow-run",
    "--allow-sys",
    "--allow-env",
  ];
  const { code, stdout, stderr } = await run(Deno.execPath(), [
    ...["run", "--quiet", ...permissions, "tools/compile/mod.ts", directory],
  ]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Whether this machine lets a test make a network namespace. */
async function canUnshare(): Promise<boolean> {
  try {
    return (await run("unshare", ["--net", "true"])).code === 0;
  } catch {
    return false;
  }
}

Deno.test({
  name: "dist/riptide is reproducible, and serves offline from an empty home",
  ignore: Deno.build.os !== "linux" || !await canUnshare(),
  async fn(t) {
    const home = await Deno.makeTempDir({ prefix: "riptide-home-" });
    // Below the repository, as Deno reads no permission of a path elsewhere from a relative one.
    const [dist, again] = ["dist/test-1", "dist/test-2"];
    const riptide = `${ROOT}${dist}/riptide`;
    const env = { HOME: home };
    const configPath = `${home}/riptide.toml`;
    await Deno.writeTextFile(
      configPath,
      'log_format = "json"\nmemory.limit_mib = 32\nnetwork.address = "127.0.0.1:3000"\n',
    );
    try {
      await t.step("the same source gives the same bytes", async () => {
        const [one, other] = await Promise.all([build(dist), build(again)]);
        assert.equal(one, other);
        const check = ["-c", `cd ${dist} && sha256sum -c SHA256SUMS`];
        assert.equal((await run("sh", check)).code, 0);
      });
      await Deno.remove(`${ROOT}${again}`, { recursive: true });

      await t.step("the bill of materials names what is in it, and is in it", async () => {
        const bom = JSON.parse(await Deno.readTextFile(`${ROOT}${dist}/riptide.cdx.json`));
        assert.deepEqual([bom.bomFormat, bom.specVersion], ["CycloneDX", "1.6"]);
        const names: string[] = bom.components.map(({ name }: { name: string }) => name);
        assert.ok(["deno", "valibot", "smol-toml"].every((name) => names.includes(name)));
        assert.ok(!names.includes("assemblyscript"), "Only for development");
        for (const name of names.slice(1)) {
          await Deno.stat(`${ROOT}${dist}/stage/riptide/app/node_modules/${name}/package.json`);
        }
        for (const { hashes } of bom.components) assert.match(hashes[0].content, /^[0-9a-f]{64,}$/);
      });

      await t.step("-V and -p print, and nothing else", async () => {
        const version = await offline(`${riptide} -V`, env);
        assert.deepEqual([version.code, version.stderr], [0, ""]);
        assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
        const printed = await offline(`${riptide} udp -p`, env);
        assert.deepEqual([printed.code, printed.stderr], [0, ""]);
        assert.match(printed.stdout, /^\[network\]$/m);
      });

      await t.step("a bad configuration ends with 78, a bad command with 64", async () => {
        await Deno.writeTextFile(`${home}/bad.toml`, "adress = 1\n");
        const bad = await offline(`exec ${riptide} udp -c ${home}/bad.toml`, env);
        assert.equal(bad.code, 78);
        assert.match(bad.stderr, /bad\.toml:1: Cannot use "adress"/);
        assert.equal((await offline(`exec ${riptide} upd`, env)).code, 64);
      });

      for (const io of ["deno", "native"]) {
        await t.step(`it answers an announce and stops on SIGTERM with 0 (${io})`, async () => {
          const line = `${riptide} udp --io ${io} -c ${configPath} & tracker=$!
${Deno.execPath()} run --quiet --no-lock --cached-only --unstable-net --allow-net --allow-sys \
  ${ANNOUNCE} udp://127.0.0.1:3000/announce
kill -TERM $tracker
wait $tracker`;
          // The client is this Deno with this cache; only the tracker has an empty home.
          const denoDir = await readDenoDir();
          const { code, stdout, stderr } = await offline(line, { ...env, DENO_DIR: denoDir });
          assert.equal(code, 0, stderr);
          assert.match(stdout, /^seeders 1\n$/, stderr);
          assert.match(stderr, /"Stopped"/);
        });
      }

      await t.step("it answers over HTTP", async () => {
        const line = `${riptide} http -c ${configPath} & tracker=$!
curl --silent --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:3000/announce
kill -TERM $tracker
wait $tracker`;
        const { code, stdout, stderr } = await offline(line, env);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^d14:failure reason/);
      });

      await t.step("it upgrades to WebTorrent", async () => {
        // curl waits for what follows the upgrade, so bash asks once somebody listens.
        const request = "GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade\\r\\n" +
          "Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n";
        const line = `${riptide} ws -c ${configPath} & tracker=$!
curl --silent --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:3000/ >/dev/null
timeout 30 bash -euc 'exec 3<>/dev/tcp/127.0.0.1/3000; printf "${request}" >&3; head -n 1 <&3'
kill -TERM $tracker
wait $tracker`;
        const { code, stdout, stderr } = await offline(line, env);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^HTTP\/1\.1 101 /);
      });

      await t.step(
        "what was unpacked is used again, and replaced where it was changed",
        async () => {
          const [entry] = await Array.fromAsync(Deno.readDir(`${home}/.cache/riptide`));
          const unpacked = `${home}/.cache/riptide/${entry!.name}`;
          assert.equal((await Deno.stat(`${home}/.cache/riptide`)).mode! & 0o777, 0o700);
          const before = (await Deno.stat(`${unpacked}/deno`)).ino;
          assert.equal((await offline(`${riptide} -V`, env)).code, 0);
          assert.equal((await Deno.stat(`${unpacked}/deno`)).ino, before);
          await Deno.writeTextFile(`${unpacked}/app/main.ts`, "console.log('changed')");
          const after = await offline(`${riptide} -V`, env);
          assert.match(after.stdout, /^\d+\.\d+\.\d+\n$/);
          const names = await Array.fromAsync(Deno.readDir(`${home}/.cache/riptide`));
          assert.equal(names.length, 1, "Nothing is left behind");
        },
      );

      await t.step("starts at the same moment do not meet", async () => {
        const fresh = { HOME: home, RIPTIDE_UNPACK_DIR: `${home}/together` };
        const outcomes = await Promise.all([1, 2, 3].map(() => offline(`${riptide} -V`, fresh)));
        for (const { code, stdout, stderr } of outcomes) {
          assert.deepEqual([code, stderr], [0, ""]);
          assert.match(stdout, /^\d/);
        }
        const names = await Array.fromAsync(Deno.readDir(`${home}/together`));
        assert.equal(names.length, 1);
      });

      await t.step("a directory of another user, or a link to one, is refused", async () => {
        await Deno.mkdir(`${home}/theirs`);
        if (Deno.uid() === 0) await Deno.chown(`${home}/theirs`, 65534, 65534);
        await Deno.symlink(`${home}/theirs`, `${home}/link`);
        for (const name of Deno.uid() === 0 ? ["theirs", "link"] : ["link"]) {
          const dir = { ...env, RIPTIDE_UNPACK_DIR: `${home}/${name}` };
          const { code, stderr } = await offline(`exec ${riptide} -V`, dir);
          assert.equal(code, 77, name);
          assert.match(stderr, /not a directory of this user's own; .*RIPTIDE_UNPACK_DIR/);
        }
      });

      await t.step("a directory where no program may run is named", async () => {
        const dir = `${home}/noexec`;
        await Deno.mkdir(dir);
        const { code, stderr } = await run("unshare", [
          ...["--mount", "env", "-i", "PATH=/usr/bin:/bin", `RIPTIDE_UNPACK_DIR=${dir}`],
          ...["sh", "-euc", `mount -t tmpfs -o noexec,mode=700 tmpfs ${dir}; exec ${riptide} -V`],
        ]);
        assert.equal(code, 77, stderr);
        assert.match(stderr, /mounted noexec; name another directory in RIPTIDE_UNPACK_DIR/);
      });

      await t.step("a file that is cut short says so", async () => {
        const whole = await Deno.readFile(riptide);
        await Deno.writeFile(`${home}/short`, whole.subarray(0, 1_000_000), { mode: 0o755 });
        const dir = { ...env, RIPTIDE_UNPACK_DIR: `${home}/cut` };
        const { code, stderr } = await offline(`exec ${home}/short -V`, dir);
        assert.equal(code, 1);
        assert.match(stderr, /cut short, or there is no room/);
        assert.deepEqual(await Array.fromAsync(Deno.readDir(`${home}/cut`)), []);
      });
    } finally {
      await Deno.remove(home, { recursive: true });
      await Deno.remove(`${ROOT}${dist}`, { recursive: true });
    }
  },
});

async function readDenoDir(): Promise<string> {
  const { stdout } = await run(Deno.execPath(), ["info", "--json"]);
  return JSON.parse(stdout).denoDir;
}
