import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, commandProtocols, forwardProtocols } from "../../../../src/streaming/websocket/protocols.js";
import { words } from "../../../../src/streaming/handshake.js";

const commands: [header: string | undefined, codec: string, status: string, closesChannels?: boolean][] = [
  ["v5.channel.k8s.io", "binary", "json", true],
  ["v4.channel.k8s.io", "binary", "json"],
  ["v4.base64.channel.k8s.io", "base64", "json"],
  ["channel.k8s.io", "binary", "text"],
  ["base64.channel.k8s.io", "base64", "text"],
  [undefined, "binary", "text"],
  ["", "binary", "text"],
  [" , ", "binary", "text"],
];
for (const [header, codec, status, closesChannels = false] of commands) {
  test(`a command's client that offers ${header ?? "nothing"} gets ${codec} and ${status}`, () => {
    const offered = words(header);
    const name = offered[0];
    assert.deepEqual(choose(offered, commandProtocols), { name, codec, status, closesChannels });
  });
}

for (const [header, kind, codec] of [
  ["SPDY/3.1+portforward.k8s.io", "tunnel"],
  ["v2.portforward.k8s.io", "tunnel"],
  ["v4.channel.k8s.io", "channels", "binary"],
  ["v4.base64.channel.k8s.io", "channels", "base64"],
  [undefined, "channels", "binary"],
] as const) {
  test(`a port-forward's client that offers ${header ?? "nothing"} gets ${codec ?? ""} ${kind}`, () => {
    assert.deepEqual(choose(words(header), forwardProtocols), {
      kind,
      name: header,
      ...(codec && { codec }),
    });
  });
}

test("of several the client's order decides, and unknown ones are passed over", () => {
  const header = "v9.channel.k8s.io,channel.k8s.io ,  v5.channel.k8s.io";
  assert.equal(choose(words(header), commandProtocols)?.name, "channel.k8s.io");
});

for (const header of [
  "v3.channel.k8s.io",
  "V4.CHANNEL.K8S.IO",
  "base64.v4.channel.k8s.io",
  "chat",
  "undefined",
]) {
  test(`nothing is agreed on with a command's client that offers ${header}`, () =>
    assert.equal(choose(words(header), commandProtocols), undefined));
}
for (const header of ["channel.k8s.io", "v5.channel.k8s.io", "portforward.k8s.io", "SPDY/3.1+other.k8s.io"]) {
  test(`nothing is agreed on with a port-forward's client that offers ${header}`, () =>
    assert.equal(choose(words(header), forwardProtocols), undefined));
}
