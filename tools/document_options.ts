/**
 * Writes docs/CONFIGURATION.md from the schema of configurations: every table and key.
 *
 *     deno task document
 */
import { TRACKER_SCHEMA } from "../server/config/tracker.ts";
import { describe, type Node } from "../server/config/schema.ts";

const PAGE = new URL("../docs/CONFIGURATION.md", import.meta.url);

const HEAD = `# Configuration

<!-- Written by \`deno task document\` from the schema; do not edit. -->

Files are TOML. Every key may be left out. \`riptide COMMAND -p\` prints this as a file;
\`-c FILE -p\` prints a file with everything that it leaves out.

Below are the tables of \`riptide tracker\`. The files of \`riptide udp\`, \`riptide http\` and
\`riptide ws\` hold one protocol: the keys of its table stand there without its name, so
\`[udp.network]\` is \`[network]\`, and \`udp.socket_workers\` is \`socket_workers\`. The other
tables are the same.
`;

/** Writes the page, formatted as \`deno fmt\` does. */
export async function documentOptions(): Promise<string> {
  const page = HEAD + documentTable(describe(TRACKER_SCHEMA), []);
  const command = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext=md", "--line-width=100", "-"],
    stdin: "piped",
    stdout: "piped",
  });
  const formatter = command.spawn();
  const writer = formatter.stdin.getWriter();
  await writer.write(new TextEncoder().encode(page));
  await writer.close();
  const { success, stdout } = await formatter.output();
  if (!success) throw new Error("Cannot format docs/CONFIGURATION.md");
  return new TextDecoder().decode(stdout);
}

/** A table's keys, and then the tables in it. */
function documentTable(table: Node & { kind: "table" }, path: readonly string[]): string {
  const name = path.length === 0 ? "Above the first table" : `\`[${path.join(".")}]\``;
  const help = path.length === 0 ? "" : `${table.info.help}\n\n`;
  let keys = "";
  let tables = "";
  for (const [key, child] of table.children) {
    if (child.kind === "table") tables += documentTable(child, [...path, key]);
    else {
      const range = child.info.range ?? `Accepts ${child.info.expected}.`;
      keys += `- \`${key} = ${inline(child.default)}\`\\\n  ${
        escape(`${child.info.help} ${range}`)
      }\n`;
    }
  }
  return `\n## ${name}\n\n${help}${keys}${tables}`;
}

/** A default as the file has it. */
function inline(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(inline).join(", ")}]` : JSON.stringify(value);
}

/** Descriptions are plain text: brackets and underscores mean themselves. */
function escape(text: string): string {
  return text.replace(/\S*[[\]_*<>]\S*/g, (word) => {
    const [, open, code, close] = /^([("]?)(.*?)([).,:;"]*)$/.exec(word)!;
    return code!.includes("`") ? word : `${open}\`${code}\`${close}`;
  });
}

if (import.meta.main) await Deno.writeTextFile(PAGE, await documentOptions());
