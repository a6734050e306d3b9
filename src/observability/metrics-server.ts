/** The HTTP server for monitoring: metrics and the two probes that Kubernetes' components have. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CriError, messageOf } from "../errors.js";

export interface MetricsServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The body of /metrics and its type. */
  text: () => Promise<string>;
  contentType: string;
  /** Why this program cannot do its work now; undefined when it can. */
  whyNotReady: () => Promise<string | undefined>;
}

interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

const ok: Answer = { status: 200, body: "ok\n" };
const plain = "text/plain; charset=utf-8";

export class MetricsServer {
  readonly #server: Server;
  readonly #pages = new Map<string, () => Promise<Answer>>([
    ["/metrics", () => this.#metrics()],
    // Whoever reads the answer knows that this program is alive.
    ["/healthz", () => Promise.resolve(ok)],
    ["/readyz", () => this.#readiness()],
  ]);

  constructor(private readonly options: MetricsServerOptions) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /**
   * @returns where it listens
   * @throws CriError unavailable when it cannot: another program has the port
   */
  async start(): Promise<string> {
    const { host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) => {
        const where = `--metrics-bind-address ${host}:${port}`;
        const message = `cannot listen on ${where}: ${messageOf(error)}`;
        reject(new CriError("unavailable", message, { cause: error }));
      });
      this.#server.listen(port, host, resolve);
    });
    const { address, port: taken, family } = this.#server.address() as AddressInfo;
    return `${family === "IPv6" ? `[${address}]` : address}:${taken}`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body, headers } = await this.#find(request).catch((error: unknown) => ({
      status: 500,
      body: `${messageOf(error)}\n`,
      headers: {},
    }));
    // Node leaves the body of an answer to HEAD away by itself.
    response
      .writeHead(status, { "Content-Type": plain, "Content-Length": Buffer.byteLength(body), ...headers })
      .end(body);
  }

  async #find({ url = "", method = "" }: IncomingMessage): Promise<Answer> {
    const page = this.#pages.get(url.split("?")[0] ?? "");
    if (!page) return { status: 404, body: "only /metrics, /healthz and /readyz are here\n" };
    if (method === "GET" || method === "HEAD") return await page();
    return { status: 405, body: "only GET and HEAD are served\n", headers: { Allow: "GET, HEAD" } };
  }

  async #metrics(): Promise<Answer> {
    const { text, contentType } = this.options;
    return { status: 200, body: await text(), headers: { "Content-Type": contentType } };
  }

  async #readiness(): Promise<Answer> {
    const reason = await this.options.whyNotReady();
    return reason === undefined ? ok : { status: 503, body: `not ready: ${reason}\n` };
  }
}
