/**
 * Makes `dist/riptide`: one file that needs no Deno, no cache and no network, for this machine's
 * system and processor.
 *
 *     deno task compile [DIRECTORY]
 *
 * `deno compile` needs a runtime binary that only Deno's own host has, and a file made by it has
 * one set of permissions for all commands (docs/decisions/0012-one-file.md). This one unpacks
 * itself: unpack.sh, then a tar.gz of Deno, the modules that main.ts reaches, their packages, and
 * launcher.sh. The same source, Deno, tar and gzip give the same bytes.
 */
import { makeBom } from "./bom.ts";
import { readPermissions } from "./permissions.ts";
import { stageModules } from "./stage.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const DIST = `${ROOT}${Deno.args[0] ?? "dist"}`;
/** The same things unpacked, for packages and images. */
const STAGE = `${DIST}/stage`;
const HOME = `${STAGE}/riptide`;

if (Deno.build.os !== "linux") {
  console.error("Cannot make a file for this system: only Linux's is supported");
  Deno.exit(1);
}
Deno.chdir(ROOT);
const manifest = JSON.parse(await Deno.readTextFile("deno.json"));
await Deno.remove(STAGE, { recursive: true }).catch(() => {});
await Deno.mkdir(`${HOME}/app`, { recursive: true });

const packages = await stageModules(manifest, `${HOME}/app`);
await Deno.copyFile(Deno.execPath(), `${HOME}/deno`);
await Deno.copyFile("LICENSE", `${HOME}/LICENSE`);
await Deno.writeTextFile(`${HOME}/riptide`, await launcher());
const bom = await makeBom(manifest, packages, await sha256(`${HOME}/deno`));
await Deno.writeTextFile(`${HOME}/bom.cdx.json`, bom);
for (const program of ["deno", "riptide"]) await Deno.chmod(`${HOME}/${program}`, 0o755);
const sums = await Promise.all((await filesUnder(HOME)).map(sumLine));
await Deno.writeTextFile(`${HOME}/SHA256SUMS`, sums.join(""));

await Deno.writeTextFile(`${DIST}/head`, await head());
await pack();
await Deno.remove(`${DIST}/head`);
await Deno.writeTextFile(`${DIST}/riptide.cdx.json`, bom);
const made = ["riptide", "riptide.cdx.json"];
const lines = await Promise.all(
  made.map(async (name) => `${await sha256(`${DIST}/${name}`)}  ${name}\n`),
);
await Deno.writeTextFile(`${DIST}/SHA256SUMS`, lines.join(""));
console.log(lines.join("").trimEnd());

/** The start script, with a case for each command of deno.json's tasks. */
async function launcher(): Promise<string> {
  const cases = Object.entries(readPermissions(manifest.tasks))
    .map(([command, flags]) => `${command}) permissions="${flags.join(" ")}" ;;`);
  return await fill("launcher.sh", { PERMISSIONS: cases.join("\n") });
}

/** The script in front of the archive. */
async function head(): Promise<string> {
  const SUMS = await sha256(`${HOME}/SHA256SUMS`);
  const text = await fill("unpack.sh", { VERSION: manifest.version, SUMS });
  return text.replace("@LINES@", String(text.split("\n").length));
}

async function fill(template: string, values: Record<string, string>): Promise<string> {
  const text = await Deno.readTextFile(new URL(template, import.meta.url));
  return text.replace(/@([A-Z]+)@/g, (whole, name) => values[name] ?? whole);
}

/** Writes the head and the archive, with nothing in it of the moment or of who builds. */
async function pack(): Promise<void> {
  const script = `cp head riptide.new
tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
  --mode=u=rwX,go=rX -cf - -C stage riptide | gzip -9n >>riptide.new
chmod 755 riptide.new
mv riptide.new riptide`;
  const { success } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", script],
    cwd: DIST,
  }).output();
  if (!success) throw new Error("Cannot pack dist/riptide: GNU tar and gzip are needed");
}

async function sumLine(path: string): Promise<string> {
  return `${await sha256(path)}  ${path.slice(HOME.length + 1)}\n`;
}

/** Every file below a directory, sorted. */
async function filesUnder(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    found.push(...isDirectory ? await filesUnder(path) : [path]);
  }
  return found.sort();
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).toHex();
}
