import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  ContainerSummary,
  ImageInspect,
  PullProgress,
  RegistryAuth,
} from "../../../src/docker/engine.js";
import { fromDocker } from "../../../src/docker/errors.js";
import { CriError } from "../../../src/errors.js";
import { Images, type ImagesDependencies } from "../../../src/images/images.js";
import { authConfig, fullId, imageId, imageInspect } from "../../support/builders.js";
import { ManualClock } from "../../support/manual-clock.js";

const never = new AbortController().signal;
const tool = imageInspect({
  Id: `sha256:${fullId("2b")}`,
  RepoTags: ["tool:1"],
  RepoDigests: [],
  Config: { User: "web:33" },
});

/** A daemon with these images, whose pulls are told by the test when to go on. */
function daemon(images: ImageInspect[], containers: ContainerSummary[] = []) {
  const calls: string[] = [];
  const auths: (RegistryAuth | undefined)[] = [];
  let next: ((event: PullProgress | "done" | Error) => void) | undefined;
  const has =
    (reference: string) =>
    ({ Id, RepoTags }: ImageInspect) =>
      Id === reference || (RepoTags ?? []).includes(reference);

  const engine: ImagesDependencies["engine"] = {
    listImages: () => Promise.resolve(images),
    inspectImage: (reference) => {
      calls.push(`inspect ${reference}`);
      const image = images.find(has(reference));
      return image ? Promise.resolve(image) : Promise.reject(new CriError("notFound", `no ${reference}`));
    },
    async *pullImage({ repository, tagOrDigest }, auth, signal) {
      calls.push(`pull ${repository} ${tagOrDigest}`);
      auths.push(auth);
      for (;;) {
        const event = await new Promise<PullProgress | "done" | Error>((resolve) => {
          next = resolve;
          const aborted = new DOMException("aborted", "AbortError");
          const end = () => resolve(fromDocker("pull", aborted, signal));
          if (signal.aborted) end();
          signal.addEventListener("abort", end, { once: true });
        });
        if (event instanceof Error) throw event;
        if (event === "done") return;
        yield event;
      }
    },
    removeImage: (reference, { force }) => {
      calls.push(`remove ${reference}${force ? " forced" : ""}`);
      return Promise.resolve();
    },
    listContainers: ({ ancestor = [] }) =>
      Promise.resolve(
        containers.filter(({ ImageID }) => ancestor.includes(ImageID) || ImageID === "layered"),
      ),
    diskUsage: () => Promise.resolve({ LayersSize: 123 }),
  };
  const clock = new ManualClock();
  const deps = { engine, clock, sandboxImage: "registry.k8s.io/pause:3.10", progressDeadline: 60_000 };
  const tell = (event: PullProgress | "done" | Error): void => next?.(event);
  return { images: new Images(deps), engine, clock, calls, auths, tell };
}

test("a pull returns the image's id and asks the registry for what was named", async () => {
  const { images, clock, calls, tell } = daemon([imageInspect()]);
  const pull = images.pull("busybox:latest", null, never);
  await clock.advance(1000);
  tell("done");
  assert.equal(await pull, imageId);
  assert.deepEqual(calls, ["pull busybox latest", "inspect busybox:latest"]);
  assert.equal(clock.sleeping, 0);
});

test("a pull without progress is given up at its deadline, not before, and the flag is named", async () => {
  const { images, clock } = daemon([]);
  let settled = false;
  const pull = images.pull("busybox:1", null, never).finally(() => (settled = true));
  pull.catch(() => undefined);
  await clock.advance(59_999);
  assert.equal(settled, false);
  await clock.advance(1);
  await assert.rejects(pull, {
    kind: "deadline",
    message: "pull of busybox:1 made no progress for 60 s (--image-pull-progress-deadline)",
  });
  assert.equal(clock.sleeping, 0);
});

test("every sign of progress gives a pull its whole deadline again", async () => {
  const { images, clock, tell } = daemon([imageInspect()]);
  const pull = images.pull("busybox:latest", null, never);
  for (let layer = 0; layer < 5; layer++) {
    await clock.advance(59_000);
    tell({ status: "Downloading", id: `${layer}` });
  }
  await clock.advance(59_000);
  tell("done");
  assert.equal(await pull, imageId);
});

test("a pull that stops after some progress is given up a deadline later", async () => {
  const { images, clock, tell } = daemon([]);
  const pull = images.pull("busybox:1", null, never);
  const failed = assert.rejects(pull, { kind: "deadline" });
  await clock.advance(30_000);
  tell({ status: "Downloading" });
  await clock.advance(60_000);
  await failed;
  assert.equal(clock.now(), 90_000_000_000n);
});

test("a client that goes away cancels the pull", async () => {
  const { images, clock } = daemon([]);
  const client = new AbortController();
  const pull = images.pull("busybox:1", null, client.signal);
  const failed = assert.rejects(pull, { kind: "cancelled" });
  await clock.advance(10);
  client.abort();
  await failed;
  assert.equal(clock.sleeping, 0);
});

test("a registry's refusal is passed on, and nothing goes on waiting", async () => {
  const { images, clock, tell } = daemon([]);
  const pull = images.pull("ghcr.io/a/b:1", null, never);
  await clock.advance(10);
  tell(new CriError("denied", "pull image ghcr.io/a/b:1: unauthorized"));
  await assert.rejects(pull, { kind: "denied", message: "pull image ghcr.io/a/b:1: unauthorized" });
  assert.equal(clock.sleeping, 0);
});

test("credentials go to their own registry only", async () => {
  const { images, clock, auths, tell } = daemon([{ ...tool, RepoTags: ["ghcr.io/a:1", "quay.io/a:1"] }]);
  const auth = authConfig({ username: "u", password: "p", serverAddress: "ghcr.io" });
  for (const image of ["ghcr.io/a:1", "quay.io/a:1"]) {
    const pull = images.pull(image, auth, never);
    await clock.advance(0);
    tell("done");
    await pull;
  }
  assert.deepEqual(auths, [{ username: "u", password: "p", serveraddress: "ghcr.io" }, undefined]);
});

test("what cannot be pulled is refused before Docker is asked", async () => {
  const { images, calls } = daemon([]);
  await assert.rejects(images.pull(imageId, null, never), { kind: "invalid" });
  await assert.rejects(images.pull("No Such", null, never), { kind: "invalid" });
  assert.deepEqual(calls, []);
});

test("an image that is there is not pulled to ensure it, and one that is not is", async () => {
  const there = daemon([imageInspect({ Config: { User: "web:33", Volumes: { "/data": {} } } })]);
  assert.deepEqual(await there.images.ensure("busybox:latest", never), {
    id: imageId,
    labels: {},
    user: "web:33",
    volumes: ["/data"],
  });
  assert.deepEqual(there.calls, ["inspect busybox:latest"]);

  const away = daemon([]);
  const ensured = away.images.ensure("busybox:1", never);
  await away.clock.advance(0);
  away.tell(new CriError("unavailable", "no registry"));
  await assert.rejects(ensured, { kind: "unavailable" });
  assert.ok(away.calls.includes("pull busybox 1"));
});

test("an image is found by id, by tag and by old forms; what is nowhere is an empty answer", async () => {
  const { images } = daemon([imageInspect()]);
  for (const reference of [imageId, "busybox:latest", `docker://${imageId}`]) {
    assert.equal((await images.status(reference))?.image.id, imageId, reference);
  }
  assert.equal(await images.status("tool:2"), undefined);
});

test("a status has the image's own user", async () => {
  const { images } = daemon([tool]);
  assert.equal((await images.status("tool:1"))?.image.username, "web");
});

test("an image that Docker says it pulled and does not know is an error", async () => {
  const { images, clock, tell } = daemon([]);
  const pull = images.pull("busybox:1", null, never);
  await clock.advance(0);
  tell("done");
  await assert.rejects(pull, { kind: "internal", message: /^image busybox:1 was pulled, but/ });
});

test("an engine that cannot be asked is not asked to pull instead", async () => {
  const { images, engine, calls } = daemon([]);
  engine.inspectImage = () => Promise.reject(new CriError("unavailable", "no engine"));
  await assert.rejects(images.ensure("busybox:1", never), { kind: "unavailable" });
  assert.deepEqual(calls, []);
});

test("a failing engine is not an image that is not there", async () => {
  const { images, engine } = daemon([]);
  engine.inspectImage = () => Promise.reject(new CriError("unavailable", "no engine"));
  await assert.rejects(images.status("busybox"), { kind: "unavailable" });
});

test("what Docker refuses as a reference names no image", async () => {
  const { images, engine } = daemon([]);
  engine.inspectImage = () => Promise.reject(new CriError("invalid", "invalid reference format"));
  assert.equal(await images.status("No Such"), undefined);
});

test("a list has every image with its user, and looks each image up once", async () => {
  const { images, calls } = daemon([imageInspect(), tool]);
  for (let round = 0; round < 2; round++) {
    const listed = await images.list("", never);
    assert.deepEqual(
      listed.map(({ id, username }) => [id, username]),
      [
        [imageId, ""],
        [tool.Id, "web"],
      ],
    );
  }
  assert.deepEqual(calls, [`inspect ${imageId}`, `inspect ${tool.Id}`]);
});

test("a list by reference has that image, or none", async () => {
  const { images } = daemon([imageInspect(), tool]);
  assert.deepEqual(
    (await images.list("tool:1", never)).map(({ id }) => id),
    [tool.Id],
  );
  assert.deepEqual(await images.list("tool:9", never), []);
});

test("an image that is removed while the list is made is not in it", async () => {
  const { images, engine } = daemon([tool]);
  engine.listImages = () => Promise.resolve([imageInspect(), tool]);
  assert.deepEqual(
    (await images.list("", never)).map(({ id }) => id),
    [tool.Id],
  );
});

test("an image is removed under all its names at once, whichever name was given", async () => {
  for (const reference of ["busybox:latest", imageId]) {
    const { images, calls } = daemon([imageInspect({ RepoTags: ["busybox:latest", "x:1"] })]);
    await images.remove(reference);
    assert.deepEqual(calls, [`inspect ${reference}`, `remove ${imageId} forced`]);
  }
});

test("an image that a container uses is refused by that container's name, before anything is untagged", async () => {
  const user = { Id: fullId("c0"), Names: ["/k8s_app_web_default_u-1_0"], ImageID: imageId, Labels: {} };
  const { images, calls } = daemon([imageInspect()], [user]);
  await assert.rejects(images.remove("busybox:latest"), {
    kind: "failedPrecondition",
    message: "image busybox:latest is in use by k8s_app_web_default_u-1_0",
  });
  assert.deepEqual(calls, ["inspect busybox:latest"]);
});

test("a container of an image that was built on this one does not hold it", async () => {
  const user = { Id: fullId("c0"), Names: ["/x"], ImageID: "layered", Labels: {} };
  const { images, calls } = daemon([imageInspect()], [user]);
  await images.remove("busybox:latest");
  assert.ok(calls.includes(`remove ${imageId} forced`));
});

test("removing an image that is not there, or leaves just then, is success", async () => {
  const { images, calls } = daemon([]);
  await images.remove("busybox:1");
  assert.deepEqual(calls, ["inspect busybox:1"]);
  const leaving = daemon([imageInspect()]);
  leaving.engine.removeImage = () => Promise.reject(new CriError("notFound", "gone"));
  await leaving.images.remove(imageId);
});

test("a removal that Docker refuses is an error", async () => {
  const { images, engine } = daemon([imageInspect()]);
  engine.removeImage = () => Promise.reject(new CriError("failedPrecondition", "in use"));
  await assert.rejects(images.remove(imageId), { kind: "failedPrecondition" });
});

test("the bytes of all layers are the engine's number, with the time of the question", async () => {
  const { images, clock } = daemon([]);
  await clock.advance(7);
  assert.deepEqual(await images.layersSize(never), { timestamp: "7000000", bytes: 123 });
});

const layered = (Id: string, UpperDir: string, Name = "overlay2") =>
  imageInspect({ Id, GraphDriver: { Name, Data: { UpperDir, LowerDir: "/l/base:/l/root" } } });

test("layers that two images share are told once, and gone when the images are", async () => {
  const all = [layered("sha256:a", "/l/a"), layered("sha256:b", "/l/b")];
  const { images } = daemon(all);
  assert.deepEqual([...((await images.layerFolders()) ?? [])].sort(), ["/l/a", "/l/b", "/l/base", "/l/root"]);
  all.splice(0, 1);
  assert.deepEqual([...((await images.layerFolders()) ?? [])].sort(), ["/l/b", "/l/base", "/l/root"]);
});

test("where Docker keeps layers in another way their folders are not known", async () => {
  assert.equal(await daemon([layered("sha256:a", "/l/a", "btrfs")]).images.layerFolders(), undefined);
});

test("an image of a container is looked at once, until images change", async () => {
  const here = [tool];
  const { images, calls } = daemon(here);
  const looks = () => calls.filter((call) => call === `inspect ${tool.Id}`).length;
  await Promise.all([images.known(tool.Id), images.known(tool.Id)]);
  assert.equal(await images.known(tool.Id), tool);
  assert.equal(looks(), 1);
  const renamed = { ...tool, RepoTags: ["tool:2"] };
  here[0] = renamed;
  images.changed();
  assert.equal(await images.known(tool.Id), renamed);
  assert.equal(looks(), 2);
});

test("an image that is gone is not looked for again, until images change", async () => {
  const here: ImageInspect[] = [];
  const { images, calls } = daemon(here);
  assert.equal(await images.known(tool.Id), undefined);
  assert.equal(await images.known(tool.Id), undefined);
  assert.equal(calls.length, 1);
  here.push(tool);
  images.changed();
  assert.equal(await images.known(tool.Id), tool);
});

test("a look at an image that fails is not kept", async () => {
  const { images, engine } = daemon([tool]);
  const { inspectImage } = engine;
  engine.inspectImage = () => Promise.reject(new CriError("unavailable", "away"));
  await assert.rejects(images.known(tool.Id), { kind: "unavailable" });
  engine.inspectImage = inspectImage;
  assert.equal(await images.known(tool.Id), tool);
});

test("a look that was under way when images changed does not count afterwards", async () => {
  const here = [tool];
  const { images } = daemon(here);
  const before = images.known(tool.Id);
  images.changed();
  here[0] = { ...tool, RepoTags: ["tool:2"] };
  assert.deepEqual((await images.known(tool.Id))?.RepoTags, ["tool:2"]);
  await before;
});
