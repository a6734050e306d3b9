#!/usr/bin/env node
/** The entry. It sets V8's flags before anything else is loaded, and leaves the rest to command-line.ts. */
import { setHeapFlags } from "./heap.js";

setHeapFlags();

await import("./command-line.js");
