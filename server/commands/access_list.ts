/** The command `access-list`: edits and checks the file of an access list. */

import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { Outcome } from "../access_list_file.ts";

const file = argument(path({ metavar: "FILE", type: "file" }), {
  description: message`The list, as access_list.path names it.`,
});
const infoHashes = multiple(
  argument(
    string({
      metavar: "HASH",
      pattern: /^[0-9a-fA-F]{40}$/,
      errors: {
        patternMismatch: (input) =>
          message`Expected an info hash of 40 hexadecimal digits, but got ${input}.`,
      },
    }),
    { description: message`Info hashes of 40 hexadecimal digits.` },
  ),
  { min: 1 },
);

const add = command(
  "add",
  object({
    action: constant("add"),
    file,
    infoHashes,
    reason: optional(option("--reason", string({ metavar: "TEXT" }), {
      description: message`What clients that are refused are told.`,
    })),
    until: optional(option("--until", string({ metavar: "TIME" }), {
      description: message`When the entry ends: 2027-01-01 or 2027-01-01T00:00:00Z.`,
    })),
    comment: optional(option("--comment", string({ metavar: "TEXT" }), {
      description: message`What stands behind # in the file.`,
    })),
  }),
  { brief: message`Add entries, or change those that are there.` },
);
const remove = command("remove", object({ action: constant("remove"), file, infoHashes }), {
  brief: message`Remove entries.`,
});
const check = command("check", object({ action: constant("check"), file }), {
  brief: message`Read a list as the tracker would; status 78 where it is wrong.`,
});
const importFrom = command(
  "import",
  object({
    action: constant("import"),
    file,
    source: argument(path({ metavar: "SOURCE", type: "file" }), {
      description: message`Another list, whose entries are added.`,
    }),
  }),
  { brief: message`Add the entries of another list.` },
);

const actions = or(add, remove, check, importFrom);

export const accessList = command("access-list", map(actions, (args) => () => run(args)), {
  brief: message`Edit or check the file of an access list.`,
  footer:
    message`The file is replaced at once or not at all. A running tracker reads it at SIGHUP.`,
});

type Arguments =
  | {
    action: "add";
    file: string;
    infoHashes: readonly string[];
    reason?: string;
    until?: string;
    comment?: string;
  }
  | { action: "remove"; file: string; infoHashes: readonly string[] }
  | { action: "check"; file: string }
  | { action: "import"; file: string; source: string };

async function run(args: Arguments): Promise<number> {
  const { AccessListFile } = await import("../access_list_file.ts");
  const { EXIT_OK } = await import("../exit_status.ts");
  const { plural } = await import("../plural.ts");
  const { printOut } = await import("../print.ts");
  const mayBeAbsent = args.action === "add" || args.action === "import";
  const list = await AccessListFile.read(args.file, { mayBeAbsent });
  if (args.action === "check") {
    const { entries, repeated, expired, reasons } = list.summarize(Date.now() / 1000);
    printOut(
      `${args.file}: ${entries} ${plural(entries, "entry", "entries")}, ${repeated} repeated, ` +
        `${expired} expired, ${reasons} different ${plural(reasons, "reason")}\n`,
    );
    return EXIT_OK;
  }
  let outcome: Outcome;
  if (args.action === "add") {
    const details = await readDetails(args);
    const { comment } = args;
    outcome = list.add(args.infoHashes.map((infoHash) => ({ infoHash, details, comment })));
  } else if (args.action === "remove") {
    outcome = list.remove(args.infoHashes);
  } else {
    outcome = list.add((await AccessListFile.read(args.source)).entries());
  }
  const { added, changed, removed } = outcome;
  if (added + changed + removed > 0) await list.write();
  printOut(`${args.file}: ${added} added, ${changed} changed, ${removed} removed\n`);
  return EXIT_OK;
}

/** @throws StartError for a reason or a time that no list can hold. */
async function readDetails({ reason, until, comment }: Arguments & { action: "add" }) {
  const { checkReason, parseUntil } = await import("../access_entry.ts");
  const { StartError } = await import("../errors.ts");
  const { EXIT_USAGE } = await import("../exit_status.ts");
  try {
    if (reason !== undefined) checkReason(reason);
    if (comment !== undefined && /\p{Cc}/u.test(comment)) {
      throw new SyntaxError("expected a comment on one line");
    }
    return { reason, until: until === undefined ? undefined : parseUntil(until) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StartError(`Cannot add the entry: ${error.message}`, EXIT_USAGE);
  }
}
