/** What a changed file changes. */

import assert from "node:assert/strict";
import { changedKeys } from "../../../server/config/mod.ts";
import { load } from "./harness.ts";

Deno.test("changedKeys() names what differs", async () => {
  const before = await load("");
  const after = await load(`log_level = "debug"\nnetwork.address = "[::]:1"`);
  assert.deepEqual(changedKeys(before, after), ["log_level", "network.address"]);
  assert.deepEqual(changedKeys(before, before), []);
});
