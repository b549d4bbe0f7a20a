/**
 * The background worker: published as one self-contained file, started by `open()`. Apps whose bundler does not emit it
 * serve this file themselves and pass its URL as `workerUrl`.
 */
import { expose } from "comlink";
import { carryErrors } from "./worker/error-data.ts";
import { WorkerHost } from "./worker/host.ts";

// Exposed before anything is awaited: a message that arrives earlier would be lost.
carryErrors();
expose(new WorkerHost());
