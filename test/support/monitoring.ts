/** What monitoring asks a server for, and reads in its answers. */
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { TestServer } from "./server.js";

export interface Page {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** For a server's config: a port that the kernel finds. */
export const anyPort = { host: "127.0.0.1", port: 0 };

/** Where the server said that it listens. */
export function addressOf({ book }: Pick<TestServer, "book">): string {
  const address = book.lines.find(({ event }) => event === "serving metrics")?.fields["address"];
  if (typeof address !== "string") throw new Error("the server serves no metrics");
  return address;
}

export const ask = (address: string, path: string, method = "GET"): Promise<Page> =>
  new Promise((resolve, reject) => {
    const call = request(`http://${address}${path}`, { method, agent: false }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    call.on("error", reject).end();
  });

/** All samples by their names and labels, as they stand in the text. */
export async function scrape(address: string): Promise<Map<string, number>> {
  const { body } = await ask(address, "/metrics");
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
