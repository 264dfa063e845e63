/** Real clients over UDP, the sandboxed driver: see udp_scenes.ts. */
import { testUdpClients } from "./udp_scenes.ts";

testUdpClients("deno", false);
