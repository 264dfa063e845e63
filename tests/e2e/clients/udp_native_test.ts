/** Real clients over UDP, the native driver: see udp_scenes.ts. */
import { nativeIsAvailable } from "../../support/configuration.ts";
import { testUdpClients } from "./udp_scenes.ts";

testUdpClients("native", !nativeIsAvailable());
