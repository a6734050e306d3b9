/**
 * Keeps the heap small. V8 gives memory back while a program idles, but only with incremental marking, which main.ts
 * switches off; without it the heap fills up to V8's own limits, some hundred MiB beyond what is in use.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const lookEveryMs = 10_000;
/** A collection takes some 20 ms; in a kubelet's life this much is made in about half an hour. */
const wornBytes = 16 * 1024 * 1024;

/** Collects what is not in use now, and from then on whenever that much has been left again. */
export function keepHeapSmall(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): number => getHeapStatistics().used_heap_size;
  collect();
  let live = used();
  setInterval(() => {
    if (used() - live < wornBytes) return;
    collect();
    live = used();
  }, lookEveryMs).unref();
}
