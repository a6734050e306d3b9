#!/usr/bin/env node
/** The entry. It sets V8's flags before anything else is loaded, and leaves the rest to command-line.ts. */
import { setFlagsFromString } from "node:v8";

// V8 counts the buffers that sockets are read into as memory outside of its heap, and begins to mark the whole heap
// in steps for every 64 MiB of them: while output streams, that took two thirds of our CPU. The short collections
// free such buffers as well, and marking a heap of some 20 MB at once, when that is needed, takes about 20 ms.
// Set while such a marking is under way, as loading the program can begin one, the flag ends the process.
setFlagsFromString("--no-incremental-marking");

await import("./command-line.js");
