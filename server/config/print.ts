/** Writes a configuration as TOML with a comment above every key, generated from its schema. */

import type { FileKind } from "./file_kind.ts";
import { describe, type Node } from "./schema.ts";

const COMMENT_WIDTH = 90;
const LINE_WIDTH = 100;

/** Prints the file that loads back as this configuration. */
export function printConfig<TConfig>(kind: FileKind<TConfig>, config: TConfig): string {
  const root = describe(kind.schema);
  const head = [
    ...comment(root.info.help),
    "#",
    ...comment(
      `Every key may be left out. Start with: deno task ${kind.command} -c FILE`,
    ),
  ];
  return head.join("\n") + "\n" + printTable(root, config as Record<string, unknown>, []);
}

function printTable(
  node: Node & { kind: "table" },
  values: Record<string, unknown>,
  path: string[],
): string {
  let text = "";
  const tables: string[] = [];
  for (const [key, child] of node.children) {
    const value = values[key];
    if (value === undefined) continue;
    if (child.kind === "key") {
      const lines = [
        ...comment(child.info.help),
        ...commentRange(child, value),
        assign(key, value),
      ];
      text += "\n" + lines.join("\n") + "\n";
    } else {
      const inner = [...path, key];
      const head = ["", "", ...comment(child.info.help), `[${inner.join(".")}]`].join("\n");
      tables.push(
        head + "\n" + printTable(child, value as Record<string, unknown>, inner).trimStart(),
      );
    }
  }
  return text + tables.join("");
}

/** What the key accepts, and its default where it has another value. */
function commentRange(key: Node & { kind: "key" }, value: unknown): string[] {
  const isDefault = inline(value) === inline(key.default);
  const shown = isDefault ? "" : ` Default: ${inline(key.default)}.`;
  const text = ((key.info.range ?? "") + shown).trim();
  return text === "" ? [] : comment(text);
}

function assign(key: string, value: unknown): string {
  const line = `${key} = ${inline(value)}`;
  if (!Array.isArray(value) || line.length <= LINE_WIDTH) return line;
  return `${key} = [\n${value.map((item) => `    ${inline(item)},\n`).join("")}]`;
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  return JSON.stringify(value); // texts hold no control characters, so JSON's form is TOML's
}

function comment(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > COMMENT_WIDTH && line !== "#") {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
