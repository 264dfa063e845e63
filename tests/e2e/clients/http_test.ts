/** Real clients over HTTP: see http_scenes.ts. */
import { testHttpClients } from "./http_scenes.ts";

testHttpClients("http");
