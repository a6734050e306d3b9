import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import {
  checkAgainstHost,
  checkAgainstPods,
  hostPortsOf,
  type HostPort,
} from "../../../../src/network/cni/host-ports.js";
import { refuses } from "../../../support/assertions.js";

/** "80/tcp" or "127.0.0.1 80/tcp" */
function port(text: string): HostPort {
  const [, hostIP, number, protocol = ""] = /^(?:(\S*) )?(\d+)\/(\w+)$/.exec(text) ?? assert.fail(text);
  return { protocol, hostPort: Number(number), ...(hostIP === undefined ? {} : { hostIP }) };
}
const held = (...ports: string[]) => [{ holder: "shop/web", ports: ports.map(port) }];

const collisions: [wanted: string, other: string, collide: boolean][] = [
  ["80/tcp", "80/tcp", true],
  ["80/tcp", "81/tcp", false],
  ["80/tcp", "80/udp", false],
  ["80/udp", "80/udp", true],
  ["80/sctp", "80/sctp", true],
  ["80/sctp", "80/tcp", false],
  // A predecessor wrote it as it came.
  ["80/tcp", "80/TCP", true],
  ["127.0.0.1 80/tcp", "127.0.0.1 80/tcp", true],
  ["127.0.0.1 80/tcp", "127.0.0.2 80/tcp", false],
  ["127.0.0.1 80/tcp", "::1 80/tcp", false],
  ["::1 80/tcp", "::1 80/tcp", true],
  ...["127.0.0.1", "::1", "", "0.0.0.0", "::"].flatMap((address) =>
    ["80/tcp", "0.0.0.0 80/tcp", ":: 80/tcp"].map((any): [string, string, boolean] => [
      `${address} 80/tcp`,
      any,
      true,
    ]),
  ),
];
for (const [wanted, other, collide] of collisions) {
  test(`a pod with ${wanted} ${collide ? "cannot" : "can"} be beside one with ${other}`, () => {
    for (const [mine, theirs] of [
      [wanted, other],
      [other, wanted],
    ] as const) {
      const check = () => checkAgainstPods([port(mine)], held(theirs));
      if (collide) refuses(check, "failedPrecondition", "host port 80/");
      else check();
    }
  });
}

test("the port, its address and the pod that has it are told", () => {
  const check = (wanted: string) => () =>
    checkAgainstPods([port("9/tcp"), port(wanted)], [{ holder: "a/b", ports: [] }, ...held("7/udp", wanted)]);
  refuses(check("80/tcp"), "failedPrecondition", "host port 80/tcp is in use by pod shop/web");
  refuses(check("0.0.0.0 80/udp"), "failedPrecondition", "host port 80/udp is in use by pod shop/web");
  refuses(check("::1 80/sctp"), "failedPrecondition", "host port 80/sctp on ::1 is in use by pod shop/web");
});

test("a pod without ports, and one where nobody has any, is in nobody's way", () => {
  checkAgainstPods([], held("80/tcp"));
  checkAgainstPods([port("80/tcp")], held());
  checkAgainstPods([port("80/tcp")], []);
});

test("a pod's ports are what the capability says; what is no list of objects is none", () => {
  const portMappings = [{ protocol: "tcp", hostPort: 80, containerPort: 8080 }];
  assert.deepEqual(hostPortsOf({ portMappings, bandwidth: {} }), portMappings);
  assert.deepEqual(hostPortsOf({ portMappings: [null, 80, ...portMappings, "80"] }), portMappings);
  for (const other of [{}, { portMappings: null }, { portMappings: {} }]) {
    assert.deepEqual(hostPortsOf(other), []);
  }
});

/** Listens until the test ends. @returns the port, which is the kernel's choice if none is given */
async function listen(t: TestContext, protocol: string, host: string, ipv6Only = false): Promise<number> {
  if (protocol === "tcp") {
    const server = createServer().listen({ port: 0, host, ipv6Only });
    await once(server, "listening");
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  }
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", ipv6Only });
  socket.bind({ port: 0, address: host, exclusive: true });
  await once(socket, "listening");
  t.after(() => socket.close());
  return socket.address().port;
}

/** Where somebody listens, and which addresses a pod cannot have the same port on then. */
const listeners: { at: string; ipv6Only?: boolean; taken: string[]; free: string[] }[] = [
  { at: "127.0.0.1", taken: ["", "0.0.0.0", "::", "127.0.0.1"], free: ["127.0.0.2", "::1"] },
  { at: "0.0.0.0", taken: ["", "0.0.0.0", "::", "127.0.0.1", "127.0.0.2"], free: ["::1"] },
  { at: "::1", taken: ["", "0.0.0.0", "::", "::1"], free: ["127.0.0.1"] },
  { at: "::", ipv6Only: true, taken: ["", "0.0.0.0", "::", "::1"], free: ["127.0.0.1"] },
  { at: "::", taken: ["", "0.0.0.0", "::", "::1", "127.0.0.1"], free: [] },
];
for (const protocol of ["tcp", "udp"]) {
  for (const { at, ipv6Only = false, taken, free } of listeners) {
    const where = `${at}${ipv6Only ? " (IPv6 alone)" : ""}/${protocol}`;
    test(`a program that listens on ${where} has its port on ${taken.map((ip) => ip || "any address").join(", ")}`, async (t) => {
      const hostPort = await listen(t, protocol, at, ipv6Only);
      for (const hostIP of taken) {
        const place = ["", "0.0.0.0", "::"].includes(hostIP) ? "" : ` on ${hostIP}`;
        await assert.rejects(checkAgainstHost([{ protocol, hostPort, hostIP }]), {
          name: "CriError",
          kind: "failedPrecondition",
          message: `host port ${hostPort}/${protocol}${place} is in use by a program on this host`,
        });
      }
      for (const hostIP of free) await checkAgainstHost([{ protocol, hostPort, hostIP }]);
    });
  }

  test(`a free ${protocol} port can be had, again and again, and beside the other protocol`, async (t) => {
    const hostPort = await listen(t, protocol === "tcp" ? "udp" : "tcp", "127.0.0.1");
    for (let time = 0; time < 3; time++) await checkAgainstHost([{ protocol, hostPort }]);
  });

  test(`of several ${protocol} ports the taken one is named`, async (t) => {
    const hostPort = await listen(t, protocol, "::");
    const free = port(`127.0.0.1 ${hostPort}/${protocol === "tcp" ? "udp" : "tcp"}`);
    await assert.rejects(checkAgainstHost([free, { protocol, hostPort }]), {
      message: `host port ${hostPort}/${protocol} is in use by a program on this host`,
    });
  });

  test(`an address that this host does not have is no conflict (${protocol})`, () =>
    // One of those that are kept for documentation.
    checkAgainstHost([port(`192.0.2.1 80/${protocol}`), port(`2001:db8::1 80/${protocol}`)]));

  test(`looking at a ${protocol} port leaves no socket open, whether it is free or taken`, async (t) => {
    const hostPort = await listen(t, protocol, "::1");
    const look = async () => {
      await assert.rejects(checkAgainstHost([{ protocol, hostPort }]));
      await checkAgainstHost([{ protocol, hostPort, hostIP: "127.0.0.1" }]);
    };
    await look();
    const openFiles = () => readdirSync("/proc/self/fd").length;
    const before = openFiles();
    for (let time = 0; time < 20; time++) await look();
    // Whatever else this process opens or closes meanwhile, it is not twenty files.
    assert.ok(openFiles() < before + 10, `${before} files before, ${openFiles()} after`);
  });
}

test("SCTP is not looked at", () => checkAgainstHost([port("80/sctp")]));
