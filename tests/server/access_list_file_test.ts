/** The command `access-list`: what it makes of a file, and what it leaves alone. */
import { strict as assert } from "node:assert";
import { parseDetails } from "../../server/access_entry.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [string, string, string];

interface Result {
  status: number;
  stdout: string;
  stderr: string;
  text: string;
}

async function run(text: string | undefined, ...args: string[]): Promise<Result> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/list.txt`;
    if (text !== undefined) {
      await Deno.writeTextFile(path, text);
      await Deno.chmod(path, 0o640);
    }
    await Deno.writeTextFile(`${directory}/other.txt`, `${A}\n${B} reason="Other"  # other\n`);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-read", "--allow-write", MAIN, ...args],
      cwd: directory,
      stdin: "null",
    }).output();
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assert(names.every((name) => !name.endsWith(".tmp")), `left behind: ${names}`);
    if (text !== undefined) assert.equal(Deno.statSync(path).mode! & 0o777, 0o640);
    const decoder = new TextDecoder();
    return {
      status: code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
      text: await Deno.readTextFile(path).catch(() => "(no file)"),
    };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const LIST = `# Ours\n\n${A} # first\n${B} reason="Gone" until=2001-01-01T00:00:00Z\n`;

Deno.test("add appends, changes what is there, and keeps everything else", async () => {
  const added = await run(LIST, "access-list", "add", "list.txt", C, "--reason", 'It is "so"');
  assert.deepEqual(added.text, `${LIST}${C} reason="It is \\"so\\""\n`);
  assert.equal(added.stdout, "list.txt: 1 added, 0 changed, 0 removed\n");
  const changed = await run(
    LIST,
    ...["access-list", "add", "list.txt", A.toUpperCase(), B],
    ...["--until", "2030-02-03", "--comment", "later"],
  );
  const until = "until=2030-02-03T00:00:00Z # later";
  assert.equal(changed.text, `# Ours\n\n${A} ${until}\n${B} ${until}\n`);
  const bare = await run(LIST, "access-list", "add", "list.txt", B);
  assert.equal(bare.text, LIST, "a bare info hash takes no details away");
  const absent = await run(undefined, "access-list", "add", "list.txt", A);
  assert.equal(absent.text, `${A}\n`);
});

Deno.test("remove takes lines out, and keeps CRLF", async () => {
  const { text, stdout } = await run(
    `${A}\r\n# c\r\n${B} # b\r\n${A}`,
    ...["access-list", "remove", "list.txt", A],
  );
  assert.equal(text, `# c\r\n${B} # b\r\n`);
  assert.match(stdout, /2 removed/);
});

Deno.test("import adds the entries of another list", async () => {
  const { text } = await run(`${A} # mine\n`, "access-list", "import", "list.txt", "other.txt");
  assert.equal(text, `${A} # mine\n${B} reason="Other" # other\n`);
});

Deno.test("check counts, and names every line that is wrong", async () => {
  const good = await run(`${LIST}${A}\n`, "access-list", "check", "list.txt");
  assert.equal(good.stdout, "list.txt: 2 entries, 1 repeated, 1 expired, 1 different reason\n");
  const bad = await run(`${A}\nxyz\n${B} until=never\n`, "access-list", "check", "list.txt");
  assert.equal(bad.status, 78);
  assert.match(bad.stderr, /^list\.txt:2: .*40 hexadecimal digits.*\nlist\.txt:3: .*a time in UTC/);
});

Deno.test("what cannot be added leaves the file as it is", async () => {
  for (
    const [args, status] of [
      [["add", "list.txt", A, "--reason", "x".repeat(101)], 64],
      [["add", "list.txt", A, "--until", "soon"], 64],
      [["add", "list.txt", "nonsense"], 64],
      [["import", "list.txt", "none.txt"], 78],
    ] as const
  ) {
    const result = await run(LIST, "access-list", ...args);
    assert.deepEqual([result.status, result.text], [status, LIST], result.stderr);
  }
});

Deno.test("parseDetails() reads what formatDetails() writes, and a day as its beginning", () => {
  assert.deepEqual(parseDetails(' until=1970-01-02 reason="a # b" # c'), {
    until: 86_400,
    reason: "a # b",
  });
  assert.deepEqual(parseDetails("# nothing"), {});
});
