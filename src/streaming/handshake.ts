/** The HTTP side of an upgrade: reading what the client wants, and answering it by hand. */
import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

type Headers = Pick<IncomingMessage, "headers">;

/** What a header lists, in one line or several, the dearest first. */
export const words = (header: string | string[] | undefined): string[] =>
  [header ?? []]
    .flat()
    .flatMap((line) => line.split(","))
    .map((word) => word.trim())
    .filter((word) => word !== "");

const wantsUpgrade = ({ headers }: Headers): boolean =>
  words(headers.connection).some((word) => word.toLowerCase() === "upgrade");

export const isWebSocketUpgrade = (request: Headers): boolean =>
  wantsUpgrade(request) && request.headers.upgrade?.toLowerCase() === "websocket";

export const isSpdyUpgrade = (request: Headers): boolean =>
  wantsUpgrade(request) && (request.headers.upgrade ?? "").toLowerCase().includes("spdy/3.1");

/** The protocols that a SPDY client offers, the dearest first: a header line each, or a list in one. */
export const offeredProtocols = ({ headers }: Headers): string[] =>
  words(headers["x-stream-protocol-version"]);

/** A client that was refused gets so long to read why and to close. */
const refusedMs = 5_000;

/** Answers with an error and ends the connection, orderly. */
export function refuse(socket: Duplex, status: number, body: string, headers: string[] = []): void {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    ...headers,
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // What it still sends is dropped: closed with unread bytes, the kernel would take the answer back.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), refusedMs);
  socket.once("close", () => clearTimeout(timer));
}

/**
 * Agrees on a protocol with a SPDY client and switches, or refuses with the reason.
 * @returns the first protocol offered that is in `supported`; undefined when refused
 */
export function acceptSpdy(
  request: Headers,
  socket: Duplex,
  supported: readonly string[],
): string | undefined {
  const offered = offeredProtocols(request);
  if (offered.length === 0) {
    refuse(socket, 400, "the header X-Stream-Protocol-Version is needed\n");
    return undefined;
  }
  const chosen = offered.find((name) => supported.includes(name));
  if (chosen === undefined) {
    const body = `none of the protocols ${offered.join(", ")} is supported; ${supported.join(", ")} are\n`;
    refuse(
      socket,
      403,
      body,
      supported.map((name) => `X-Accepted-Stream-Protocol-Versions: ${name}`),
    );
    return undefined;
  }
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    `X-Stream-Protocol-Version: ${chosen}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  return chosen;
}
