import { fromDocker } from "../../src/docker/errors.js";
import type { CriError } from "../../src/errors.js";

/** What the engine port rejects with when the daemon answers with this HTTP status and sentence. */
export const refusal = (statusCode: number, message: string, doing = "ask the fake engine"): CriError =>
  fromDocker(doing, Object.assign(new Error(message), { statusCode, json: { message } }));

/** What the engine port rejects with when nobody listens on Docker's socket. */
export const unreachable = (): CriError =>
  fromDocker(
    "ask the fake engine",
    Object.assign(new Error("connect ECONNREFUSED /var/run/docker.sock"), { code: "ECONNREFUSED" }),
  );
