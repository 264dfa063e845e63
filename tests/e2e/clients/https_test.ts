/** Real clients over HTTPS: see http_scenes.ts. */
import { testHttpClients } from "./http_scenes.ts";

testHttpClients("https");
