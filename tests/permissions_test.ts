/**
 * The ways around a grant, tried from inside a worker that has it. What a grant itself refuses is
 * in conformance/permissions_test.ts.
 */
import { strict as assert } from "node:assert";
import { LIBC_PATHS } from "../server/native/library_paths.ts";
import { netGrant } from "../protocols/udp/mod.ts";
import { parseListenAddress } from "../server/config/address.ts";
import type { Escape, Escapes } from "./fixtures/escape_worker.ts";
import { within } from "./support/deadline.ts";

const SUBNETS = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"];

/** Nobody is there, and no grant names it. */
const FOREIGN_MODULE = "https://192.0.2.1/module.ts";

/**
 * The grants as the pool gives them; a file of its own is the only one that the housekeeper reads.
 */
const GRANTS: Record<string, (list: string) => Deno.PermissionOptions> = {
  "sandboxed driver": () => ({ net: netGrant(parseListenAddress("127.0.0.1:3000"), SUBNETS) }),
  "native driver": () => ({ ffi: [...LIBC_PATHS.x86_64, ...LIBC_PATHS.aarch64] }),
  "housekeeper with lists": (list) => ({ read: [list] }),
  "housekeeper without lists": () => "none",
};

/** Deno 2.9.6 lets whoever has any grant of the network ask the system's name server. */
const RESOLVING = "resolve a name";

/** Runs the attempts with a grant. */
async function escape(permissions: Deno.PermissionOptions, escapes: Escapes) {
  const url = new URL("./fixtures/escape_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", deno: { permissions } });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, Escape>>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(escapes);
    return await within(promise, { deadlineMs: 20_000, what: "the outcomes" });
  } finally {
    worker.terminate();
  }
}

for (const [name, grant] of Object.entries(GRANTS)) {
  Deno.test(`${name}: there is no way around the grant`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const [list, secret, module] = ["list.txt", "secret.txt", "module.ts"]
        .map((file) => `${directory}/${file}`);
      await Deno.writeTextFile(list!, "");
      await Deno.writeTextFile(secret!, "secret");
      await Deno.writeTextFile(module!, "export const secret = 1;");
      const outcomes = await escape(grant(list!), {
        module: new URL(`file://${module}`).href,
        foreignModule: FOREIGN_MODULE,
        file: secret!,
        listen: [["0.0.0.0", 0], ["192.0.2.1", 0]],
      });
      for (const [attempt, outcome] of Object.entries(outcomes)) {
        if (name === "sandboxed driver" && attempt === RESOLVING) continue;
        assert.equal(outcome, "refused", attempt);
      }
      assert.ok(Object.keys(outcomes).length >= 15);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("the attempts succeed where nothing is refused", async () => {
  const file = await Deno.makeTempFile();
  try {
    const outcomes = await escape("inherit", {
      module: import.meta.resolve("./support/deadline.ts"),
      foreignModule: FOREIGN_MODULE,
      file,
      listen: [["0.0.0.0", 0]],
    });
    const refused = Object.entries(outcomes).filter(([, outcome]) => outcome === "refused");
    assert.deepEqual(refused, []);
    for (
      const attempt of ["import a module", "fetch a file", "ask for more", "listen on 0.0.0.0"]
    ) {
      assert.equal(outcomes[attempt], "allowed", attempt);
    }
    await Deno.remove(`${file}.link`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("the sandboxed driver's grant names its address and its family's subnets", () => {
  const grant = (address: string, subnets = SUBNETS) =>
    netGrant(parseListenAddress(address), subnets);
  assert.deepEqual(grant("127.0.0.1:3000"), ["127.0.0.1:3000", "127.0.0.0/8", "10.0.0.0/8"]);
  assert.deepEqual(grant("192.0.2.1:80", ["::/0"]), ["192.0.2.1:80"]);
  // Deno 2.9 names no IPv6 subnet.
  assert.equal(grant("[::1]:3000"), true);
  assert.equal(grant("[::]:3000", ["0.0.0.0/0"]), true);
});
