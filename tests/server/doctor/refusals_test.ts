/** What the doctor says of configurations that would be refused. */
import { strict as assert } from "node:assert";
import { examine } from "./examine.ts";

Deno.test("doctor: says what a start would refuse, and exits as it would", async () => {
  const wrong = await examine("[network]\nadress = 3\nio = 'deno'\n");
  assert.equal(wrong.code, 78);
  assert.match(wrong.stdout, /^error {4}configuration: \S+:2: .*did you mean "network.address"/);
  await Deno.remove(wrong.configPath);

  const list = `network = { address = "127.0.0.1:0", client_subnets = ["127.0.0.0/8"] }
access_list = { mode = "black", path = "/nowhere" }`;
  const missing = await examine(list);
  assert.equal(missing.code, 78);
  assert.match(missing.stdout, /error {4}trial start: .*\/nowhere.*there is no such file/);
  await Deno.remove(missing.configPath);

  const both = await examine('network.address = "127.0.0.1:0"');
  assert.equal(both.code, 64);
  assert.match(both.stderr, /for udp, http, or ws: say --protocol udp/);
  await Deno.remove(both.configPath);

  const misspelt = await examine("[udp.network]\nadress = 3\n[http.network]\naddress = 4\n");
  assert.equal(misspelt.code, 78);
  assert.match(misspelt.stdout, /^error .*:2: .*did you mean "udp.network.address"\nerror .*:4: /);
  assert.doesNotMatch(misspelt.stdout, /"udp": expected a known key/);
  await Deno.remove(misspelt.configPath);

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const metrics = await examine(`[udp.network]
address = "127.0.0.1:0"
[metrics]
address = "127.0.0.1:${listener.addr.port}"`);
  listener.close();
  assert.equal(metrics.code, 69);
  assert.match(metrics.stdout, /^error {4}address: metrics: 127\.0\.0\.1:\d+ is held by /);
  await Deno.remove(metrics.configPath);

  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  const taken = await examine(`udp.network.address = "127.0.0.1:${port}"`);
  socket.close();
  assert.equal(taken.code, 69);
  assert.match(taken.stdout, new RegExp(`held by .*\\(process ${Deno.pid}\\)`));
  await Deno.remove(taken.configPath);
});

Deno.test("doctor: a foreign address hides no other mistake, and each is told once", async () => {
  const files = ["cert.pem", "key.pem"].map((name) => `/nowhere/${name}`);
  const tls = `enable_tls = true, tls_certificate_path = "${files[0]}", ` +
    `tls_private_key_path = "${files[1]}"`;
  const foreign = await examine(`[udp.network]
address = ["192.0.2.1:0"]
[http]
network = { address = ["192.0.2.1:0"], ${tls} }
[ws]
network = { address = ["192.0.2.1:0"], ${tls} }
[access_list]
mode = "black"
path = "/nowhere/list.txt"
`);
  await Deno.remove(foreign.configPath);
  assert.equal(foreign.code, 69);
  const told = foreign.stdout.split("\n").filter((line) => line.startsWith("error "));
  assert.equal(told.filter((line) => line.includes("no address of this machine")).length, 3);
  for (const file of files) {
    assert.equal(told.filter((line) => line.includes(`"${file}"`)).length, 1, foreign.stdout);
  }

  const list = await examine(`udp.network.address = "192.0.2.1:0"
access_list = { mode = "black", path = "/nowhere/list.txt" }`);
  await Deno.remove(list.configPath);
  assert.match(list.stdout, /error {4}trial start: .*\/nowhere\/list.txt.*there is no such file/);
});
