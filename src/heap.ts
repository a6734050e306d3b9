/**
 * Keeps the heap small. V8 gives memory back while a program idles, but only with incremental marking, which does us more
 * harm than good; without it, and by V8's own limits, the heap grows to some hundred MiB beyond what is in use.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const lookEveryMs = 2_000;
/** A collection takes some 20 ms; in a kubelet's life this much is made in about a quarter of an hour. */
const wornBytes = 8 * 1024 * 1024;

/** To be called before the program is loaded. */
export function setHeapFlags(): void {
  // V8 counts the buffers that sockets are read into as memory outside of its heap, and begins to mark the whole heap
  // in steps for every 64 MiB of them: while output streams, that took two thirds of our CPU. The short collections
  // free such buffers as well, and marking a heap of some 20 MB at once, when that is needed, takes about 20 ms.
  // Set while such a marking is under way, as loading the program can begin one, the flag ends the process.
  setFlagsFromString("--no-incremental-marking");
  holdYoungGeneration();
}

/**
 * The space for new objects stays as large as it is. V8 doubles it up to twice 16 MiB under load, never to give it back, and
 * what a request leaves fits in a fraction of that. Every thread that begins sets the factor back to 2.
 */
const holdYoungGeneration = (): void => setFlagsFromString("--semi-space-growth-factor=1");

/** Collects what the start has left, after a moment in which there is more to do, and then what is left again and again. */
export function keepHeapSmall(): void {
  const used = (): number => getHeapStatistics().used_heap_size;
  let collect: (() => void) | undefined;
  let live = 0;
  holdYoungGeneration();
  setInterval(() => {
    holdYoungGeneration();
    if (used() - live < wornBytes) return;
    collect ??= collector();
    collect();
    live = used();
  }, lookEveryMs).unref();
}

/** V8's own, which scripts see only with a flag, and then in what is made afterwards. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
