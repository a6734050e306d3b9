/** Docker's archive endpoint: one path of a container's file system, as tar. */
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { CriError } from "../errors.js";
import type { ContainerPath } from "./engine.js";

/** A tar's header, padding and end, beside its content. */
const tarOverhead = 16 * 1024;

/**
 * What the reply to GET /containers/{id}/archive holds.
 * @throws CriError exhausted for a file of more than `maxBytes`
 */
export async function readArchive(reply: IncomingMessage, maxBytes: number): Promise<ContainerPath> {
  try {
    // Docker has followed a link to its end, as the container would.
    const { linkTarget, size } = parseStat(reply.headers["x-docker-container-path-stat"]);
    if (linkTarget) return { kind: "link", target: linkTarget };
    if (size > maxBytes) throw new CriError("exhausted", `${size} bytes are more than ${maxBytes}`);
    return await firstEntry(await readAtMost(reply, maxBytes + tarOverhead));
  } finally {
    reply.destroy();
  }
}

function parseStat(header: string | string[] | undefined): { linkTarget?: string; size: number } {
  return JSON.parse(Buffer.from(String(header), "base64").toString()) as {
    linkTarget?: string;
    size: number;
  };
}

/** A directory comes with all that is in it. */
async function readAtMost(source: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks);
}

async function firstEntry(tar: Buffer): Promise<ContainerPath> {
  const unpacking = extract();
  unpacking.on("error", () => undefined);
  unpacking.end(tar);
  for await (const entry of unpacking) {
    return entry.header.type === "file"
      ? { kind: "file", content: await buffer(entry) }
      : { kind: "other", type: entry.header.type ?? "unknown" };
  }
  throw new CriError("internal", "the archive is empty");
}
