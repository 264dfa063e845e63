/** Where in a TOML text a key or a list's item stands. */

import { type AST, parseTOML } from "toml-eslint-parser";

/** Keys and item numbers from the top of the file to one value. */
export type KeyPath = readonly (string | number)[];

/** Line numbers, from 1, of everything in a TOML text that has already been parsed. */
export class Positions {
  readonly #lines = new Map<string, number>();

  constructor(text: string) {
    this.#addContents([], parseTOML(text).body[0].body);
  }

  /** Finds the line of this path, or of the innermost table or list around it that there is. */
  lineOf(path: KeyPath): number | undefined {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(toId(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return undefined;
  }

  #add(path: KeyPath, line: number): void {
    const id = toId(path);
    if (!this.#lines.has(id)) this.#lines.set(id, line);
  }

  #addContents(path: KeyPath, nodes: readonly (AST.TOMLKeyValue | AST.TOMLTable)[]): void {
    for (const node of nodes) {
      if (node.type === "TOMLTable") {
        this.#add(node.resolvedKey, node.loc.start.line);
        if (node.kind === "array") this.#add(node.resolvedKey.slice(0, -1), node.loc.start.line);
        this.#addContents(node.resolvedKey, node.body);
        continue;
      }
      const keys = node.key.keys.map((key) => key.type === "TOMLBare" ? key.name : key.value);
      keys.forEach((_, index) =>
        this.#add([...path, ...keys.slice(0, index + 1)], node.loc.start.line)
      );
      this.#addValue([...path, ...keys], node.value);
    }
  }

  #addValue(path: KeyPath, value: AST.TOMLContentNode): void {
    if (value.type === "TOMLInlineTable") this.#addContents(path, value.body);
    if (value.type !== "TOMLArray") return;
    value.elements.forEach((element, index) => {
      this.#add([...path, index], element.loc.start.line);
      this.#addValue([...path, index], element);
    });
  }
}

function toId(path: KeyPath): string {
  return JSON.stringify(path);
}
