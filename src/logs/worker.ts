/** The log thread itself: what log-thread.ts starts. */
import { parentPort } from "node:worker_threads";
import { Followers } from "./followers.js";
import type { LogRequest } from "./messages.js";

const port = parentPort;
if (!port) throw new Error("this is a worker thread's file");

const followers = new Followers((reply) => port.postMessage(reply), {
  now: () => performance.now(),
  soon: (run) => void setImmediate(run),
  later: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
});

port.on("message", (request: LogRequest) => {
  followers.handle(request);
  // Nothing else keeps the thread alive then.
  if (request.action === "stop") port.close();
});
