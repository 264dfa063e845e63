/**
 * The words that configuration schemas are written in: valibot schemas that also know their
 * description, so that messages, the commented default file and the types come from one place.
 *
 * Every leaf reports a problem as what it expects ("a whole number from 1 to 100"); load.ts makes
 * the sentence around it.
 */

import * as v from "valibot";

/** What a key says about itself in the default file. */
export interface KeyInfo {
  /** What it does, in one or two sentences. */
  help: string;
  /** What it accepts, as in "expected …". */
  expected: string;
  /** The same for the default file, where the description does not say it already. */
  range?: string;
  /** Values of other trackers and likely slips, and what they are called here. */
  aliases?: Readonly<Record<string, string>>;
  /** The values to choose from. */
  choices?: readonly string[];
}

/** What a table says about itself in the default file. */
export interface TableInfo {
  help: string;
}

type Schema<TOutput> = v.GenericSchema<unknown, TOutput>;
// deno-lint-ignore no-explicit-any -- the input of a default is checked by the builders below
type Entries = Record<string, v.OptionalSchema<any, any>>;

/** A whole number within limits, with the name of its unit ("seconds"). */
export function integer(
  options: { default: number; min: number; max: number; unit?: string; help: string },
) {
  const { min, max } = options;
  const unit = options.unit === undefined ? "" : ` of ${options.unit}`;
  const expected = `a whole number${unit} from ${min} to ${max}`;
  const range = `${capitalize(options.unit ?? "a number")}, ${min} to ${max}.`;
  const isFit = (input: unknown) => Number.isInteger(input) && fits(input as number, min, max);
  const schema = v.pipe(
    v.custom<number>(isFit, expected),
    v.metadata({ help: options.help, expected, range } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/** A whole number within limits, or a word that lets the program choose it. */
export function integerOr<const TWord extends string>(
  word: TWord,
  options: { default: number; min: number; max: number; help: string },
) {
  const { min, max, help } = options;
  const expected = `a whole number from ${min} to ${max}, or "${word}"`;
  const range = `A number, ${min} to ${max}, or "${word}".`;
  const isFit = (input: unknown) =>
    input === word || Number.isInteger(input) && fits(input as number, min, max);
  const schema = v.pipe(
    v.custom<number | TWord>(isFit, expected),
    v.metadata({ help, expected, range } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/** One word of several. */
export function choice<const TChoice extends string>(
  choices: readonly TChoice[],
  options: { default: NoInfer<TChoice>; help: string; aliases?: Record<string, NoInfer<TChoice>> },
) {
  const expected = formatChoices(choices);
  const { help, aliases } = options;
  const schema = v.pipe(
    v.picklist(choices, expected),
    v.metadata({ help, expected, range: `${expected}.`, aliases, choices } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/** Text such as a path; may be empty. */
export function text(options: { default: string; expected: string; help: string }) {
  const { help, expected } = options;
  const isLine = (input: string) => !/\p{Cc}/u.test(input);
  const schema = v.pipe(
    v.string(expected),
    v.check(isLine, `${expected}, without control characters`),
    v.metadata({ help, expected } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/**
 * A text that may be empty, or else one that `parse` accepts and spells in its normal form, as for
 * `list`.
 */
export function emptyOr(options: {
  parse: (item: string) => string;
  expected: string;
  help: string;
}) {
  const { help, parse } = options;
  const expected = `${options.expected}, or ""`;
  const schema = v.pipe(
    v.string(expected),
    v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
      if (dataset.value === "") return "";
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        addIssue({ message: error.message });
        return NEVER;
      }
    }),
    v.metadata({ help, expected } satisfies KeyInfo),
  );
  return v.optional(schema, "");
}

/** `true` or `false`. */
export function flag(options: { default: boolean; help: string }) {
  const { help } = options;
  const expected = "true or false";
  const schema = v.pipe(
    v.boolean(expected),
    v.metadata({ help, expected, range: "true or false." } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/**
 * A list of texts, each of which `parse` accepts and spells in its normal form, or refuses by
 * throwing a SyntaxError whose message is what it expects. One text stands for a list of one.
 */
export function list(options: {
  default: string[];
  parse: (item: string) => string;
  expected: string;
  minLength?: number;
  maxLength: number;
  help: string;
}) {
  const { help, expected, minLength = 0, maxLength, parse } = options;
  const item = v.pipe(
    v.string(expected),
    v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        addIssue({ message: error.message });
        return NEVER;
      }
    }),
  );
  const schema = v.pipe(
    v.custom<string | string[]>(
      (input) => typeof input === "string" || Array.isArray(input),
      `${expected}, or a list of them`,
    ),
    v.transform((input) => typeof input === "string" ? [input] : input),
    v.array(item),
    v.minLength(minLength, `at least ${minLength}: ${expected}`),
    v.maxLength(maxLength, `at most ${maxLength} entries`),
    v.metadata({ help, expected } satisfies KeyInfo),
  );
  return v.optional(schema, options.default);
}

/** A table of keys; every key, and so the table, may be left out. */
export function table<const TEntries extends Entries>(help: string, entries: TEntries) {
  const schema = v.pipe(v.object(entries, "a table"), v.metadata({ help } satisfies TableInfo));
  return v.optional(schema, {} as never);
}

/** A table that means something by being there: left out, what it configures is off. */
export function optionalTable<const TEntries extends Entries>(help: string, entries: TEntries) {
  const schema = v.pipe(v.object(entries, "a table"), v.metadata({ help } satisfies TableInfo));
  return v.optional(schema);
}

/** The whole of a configuration file: keys first, then tables. */
export function file<const TEntries extends Entries>(help: string, entries: TEntries) {
  return v.pipe(v.object(entries, "a table"), v.metadata({ help } satisfies TableInfo));
}

/** A key or table of a schema, as the readers of schemas (load.ts, print.ts) see it. */
export type Node =
  | { kind: "key"; info: KeyInfo; default: unknown }
  | { kind: "table"; info: TableInfo; children: ReadonlyMap<string, Node> };

/** Reads what a schema made by `file()` or `table()` consists of. */
export function describe(schema: Schema<unknown>): Node & { kind: "table" } {
  const node = describeNode(schema, undefined);
  if (node.kind !== "table") throw new TypeError("A configuration is a table");
  return node;
}

function describeNode(schema: unknown, fallback: unknown): Node {
  const given = schema as {
    type: string;
    wrapped?: unknown;
    default?: unknown;
    entries?: Record<string, unknown>;
  };
  if (given.type === "optional") return describeNode(given.wrapped, given.default);
  const info = v.getMetadata(schema as Schema<unknown>);
  if (given.entries === undefined) {
    return { kind: "key", info: info as unknown as KeyInfo, default: fallback };
  }
  const children = new Map(
    Object.entries(given.entries).map(([key, child]) => [key, describeNode(child, undefined)]),
  );
  return { kind: "table", info: info as unknown as TableInfo, children };
}

/** Writes `"a", "b" or "c"`. */
function formatChoices(choices: readonly string[]): string {
  const quoted = choices.map((choice) => JSON.stringify(choice));
  if (quoted.length < 2) return quoted.join("");
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

function capitalize(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function fits(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}
