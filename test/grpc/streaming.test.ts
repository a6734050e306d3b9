/** Exec, Attach and PortForward: what the RPCs refuse, and what comes of the URLs that they hand out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status, type ServiceError } from "@grpc/grpc-js";
import {
  createContainer,
  runContainer,
  runPod,
  sharedServer,
  startServer,
  versions,
} from "../support/server.js";
import type { Method, Rpc } from "../support/server.js";

const shared = await sharedServer();
const unknownId = "f".repeat(64);

const { INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, RESOURCE_EXHAUSTED } = status;
const ttyAndStderr = "tty and stderr cannot both be true: a terminal has one output";
const noStream = "one of stdin, stdout and stderr must be true";

/** The call fails with that code, and exactly that message. */
const refused = (call: Promise<unknown>, code: status, details: string): Promise<void> =>
  assert.rejects(call, (error: ServiceError) => {
    assert.deepEqual([error.code, error.details], [code, details]);
    return true;
  });

/** Each breaks the rules that follow it in the list as well: the first one that is broken is told. */
const wrong: [Method, object, string][] = [
  ["Exec", { cmd: [], tty: true, stderr: true }, "container_id is required"],
  ["Attach", { tty: true, stderr: true }, "container_id is required"],
  ["Exec", { container_id: unknownId, tty: true, stderr: true }, "cmd is required"],
  ["Exec", { container_id: unknownId, cmd: [""], stdout: true }, "cmd is required"],
  ["Exec", { container_id: unknownId, cmd: ["sh"], tty: true, stderr: true }, ttyAndStderr],
  ["Exec", { container_id: unknownId, cmd: ["sh"], tty: true, stdout: true, stderr: true }, ttyAndStderr],
  ["Attach", { container_id: unknownId, tty: true, stderr: true }, ttyAndStderr],
  ["Exec", { container_id: unknownId, cmd: ["sh"] }, noStream],
  ["Exec", { container_id: unknownId, cmd: ["sh"], tty: true }, noStream],
  ["Attach", { container_id: unknownId }, noStream],
  ["PortForward", { port: [0] }, "pod_sandbox_id is required"],
  ["PortForward", { pod_sandbox_id: unknownId, port: [80, 0] }, "port 0 is not a port"],
  ["PortForward", { pod_sandbox_id: unknownId, port: [65_536] }, "port 65536 is not a port"],
  ["PortForward", { pod_sandbox_id: unknownId, port: [-1] }, "port -1 is not a port"],
];

/** What is right about a request, for an id. */
const right: [Method, (id: string) => object, string][] = [
  ["Exec", (id) => ({ container_id: id, cmd: ["sh"], stdout: true }), "container"],
  ["Attach", (id) => ({ container_id: id, stdout: true }), "container"],
  ["PortForward", (id) => ({ pod_sandbox_id: id }), "pod sandbox"],
];

const urlOf = async (rpc: Rpc, method: Method, request: object): Promise<string> =>
  ((await rpc(method, request)) as { url: string }).url;

for (const version of versions) {
  for (const [method, request, details] of wrong) {
    test(`${version}: ${method} with ${JSON.stringify(request)} is INVALID_ARGUMENT: ${details}`, async () => {
      const rpc = shared.fresh().rpc(version);
      await refused(rpc(method, request), INVALID_ARGUMENT, details);
    });
  }

  for (const [method, request, noun] of right) {
    test(`${version}: ${method} of an id that does not exist is NOT_FOUND and names it`, async () => {
      const rpc = shared.fresh().rpc(version);
      await refused(rpc(method, request(unknownId)), NOT_FOUND, `no ${noun} with id "${unknownId}"`);
    });

    test(`${version}: ${method} answers with an absolute URL on loopback, another each time`, async () => {
      const rpc = shared.fresh().rpc(version);
      const pod = await runPod(rpc);
      const id = noun === "container" ? await runContainer(rpc, pod) : pod;
      const urls = [await urlOf(rpc, method, request(id)), await urlOf(rpc, method, request(id))];
      for (const url of urls) {
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/(exec|attach|portforward)\/[A-Za-z0-9_-]{22}$/);
        assert.ok(url.includes(`/${method.toLowerCase()}/`), url);
      }
      assert.notEqual(urls[0], urls[1]);
    });

    test(`${version}: ${method} takes the beginning of an id`, async () => {
      const rpc = shared.fresh().rpc(version);
      const pod = await runPod(rpc);
      const id = noun === "container" ? await runContainer(rpc, pod) : pod;
      assert.match(await urlOf(rpc, method, request(id.slice(0, 13))), /^http:/);
    });
  }

  for (const [method, request] of right.slice(0, 2)) {
    test(`${version}: ${method} in a container that does not run is FAILED_PRECONDITION and says how it is`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      const id = await createContainer(rpc, await runPod(rpc));
      const notRunning = `container ${id} is not running: it is`;
      await refused(rpc(method, request(id)), FAILED_PRECONDITION, `${notRunning} created`);
      await rpc("StartContainer", { container_id: id });
      assert.match(await urlOf(rpc, method, request(id)), /^http:/);
      engine.containers.exit(id, 1);
      await refused(rpc(method, request(id)), FAILED_PRECONDITION, `${notRunning} exited`);
    });
  }

  test(`${version}: a pod is no container to run a command in, and a container no pod to forward to`, async () => {
    const rpc = shared.fresh().rpc(version);
    const pod = await runPod(rpc);
    const container = await runContainer(rpc, pod);
    for (const [method, request, noun] of right) {
      const id = noun === "container" ? pod : container;
      await refused(rpc(method, request(id)), NOT_FOUND, `no ${noun} with id "${id}"`);
    }
  });
}

test("with 1000 URLs that nobody came to all three are RESOURCE_EXHAUSTED, and ExecSync is not", async (t) => {
  const { rpc: connect, engine } = await startServer(t);
  const rpc = connect("v1");
  engine.execs.scripts.set("date", { stdout: "today" });
  const pod = await runPod(rpc);
  const container = await runContainer(rpc, pod);
  for (let hundreds = 0; hundreds < 10; hundreds++) {
    await Promise.all(
      Array.from({ length: 100 }, () => rpc("Attach", { container_id: container, stdout: true })),
    );
  }
  const details = "1000 streaming requests wait for their connection already";
  for (const [method, request, noun] of right) {
    await refused(rpc(method, request(noun === "container" ? container : pod)), RESOURCE_EXHAUSTED, details);
  }
  const { stdout } = await rpc("ExecSync", { container_id: container, cmd: ["date"] });
  assert.equal(stdout.toString(), "today");
});

test("a streaming address that cannot be had keeps the program from starting, and names its flag", async (t) => {
  const { config } = await startServer(t);
  const streaming = { ...config.streaming, host: "192.0.2.1" };
  await assert.rejects(startServer(t, { streaming }), /--streaming-bind-addr 192\.0\.2\.1:0/);
});
