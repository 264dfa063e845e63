/** What a slip of the pen was meant to be. */

import assert from "node:assert/strict";
import { editDistance, nearest } from "../../../server/config/suggest.ts";

Deno.test("nearest() finds slips and nothing far-fetched", () => {
  assert.equal(editDistance("adress", "address"), 1);
  assert.equal(editDistance("ab", "ba"), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(nearest("nativ", ["deno", "native"]), "native");
  assert.equal(nearest("epoll", ["deno", "native"]), undefined);
});
