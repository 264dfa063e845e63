import { strict as assert } from "node:assert";
import { whyUnreadable } from "../../server/errors.ts";

Deno.test("whyUnreadable() ends a sentence, without the system's numbers", () => {
  const { NotFound, PermissionDenied } = Deno.errors;
  assert.equal(whyUnreadable(new NotFound("No such file (os error 2)")), "there is no such file");
  assert.equal(
    whyUnreadable(new PermissionDenied("Permission denied (os error 13): open 'list.txt'")),
    "the system does not permit it",
  );
  assert.equal(whyUnreadable(new Error("Is a directory (os error 21)")), "is a directory");
});

Deno.test("whyUnreadable() leaves a missing grant to the message that names its flag", () => {
  const error = new Deno.errors.NotCapable("Requires read access, run again with --allow-read");
  assert.throws(() => whyUnreadable(error), error);
});
