/** One pod's life, RPC by RPC, as a client of either version sees it. */
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { eventually } from "../support/eventually.js";
import {
  appImage,
  containerConfig,
  createContainer,
  podConfig,
  runContainer,
  runPod,
  sandboxImage,
  sharedServer,
  startServer,
  versions,
  type Rpc,
} from "../support/server.js";

const shared = await sharedServer();

const podState = async (rpc: Rpc, id: string) =>
  (await rpc("PodSandboxStatus", { pod_sandbox_id: id })).status?.state;
const containerState = async (rpc: Rpc, id: string) =>
  (await rpc("ContainerStatus", { container_id: id })).status?.state;
const podIds = async (rpc: Rpc, filter?: object) =>
  (await rpc("ListPodSandbox", { filter })).items.map(({ id }) => id);
const containerIds = async (rpc: Rpc, filter?: object) =>
  (await rpc("ListContainers", { filter })).containers.map(({ id }) => id);
const imageIds = async (rpc: Rpc, filter?: object) =>
  (await rpc("ListImages", { filter })).images.map(({ id }) => id);

for (const version of versions) {
  /** A value of an environment variable; bytes in v1, text in v1alpha2. */
  const envValue = (text: string) => (version === "v1" ? Buffer.from(text) : text);

  test(`${version}: a pod is run, used, stopped and removed, and every step is seen at once`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    engine.execs.scripts.set("date", { stdout: "today\n" });

    const { image_ref } = await rpc("PullImage", { image: { image: appImage } });
    assert.equal((await rpc("ImageStatus", { image: { image: appImage } })).image?.id, image_ref);

    const { pod_sandbox_id } = await rpc("RunPodSandbox", { config: podConfig() });
    assert.equal(await podState(rpc, pod_sandbox_id), "SANDBOX_READY");
    assert.deepEqual(await podIds(rpc), [pod_sandbox_id]);

    const request = { pod_sandbox_id, config: containerConfig(), sandbox_config: podConfig() };
    const { container_id } = await rpc("CreateContainer", request);
    assert.equal(await containerState(rpc, container_id), "CONTAINER_CREATED");
    await rpc("StartContainer", { container_id });
    assert.equal(await containerState(rpc, container_id), "CONTAINER_RUNNING");
    assert.deepEqual(await containerIds(rpc, { state: { state: "CONTAINER_RUNNING" } }), [container_id]);

    const { stdout } = await rpc("ExecSync", { container_id, cmd: ["date"] });
    assert.equal(stdout.toString(), "today\n");

    await rpc("StopContainer", { container_id, timeout: 5 });
    assert.equal(await containerState(rpc, container_id), "CONTAINER_EXITED");
    await rpc("RemoveContainer", { container_id });
    assert.deepEqual(await containerIds(rpc), []);
    await rpc("StopPodSandbox", { pod_sandbox_id });
    assert.equal(await podState(rpc, pod_sandbox_id), "SANDBOX_NOTREADY");
    await rpc("RemovePodSandbox", { pod_sandbox_id });
    assert.deepEqual(await podIds(rpc), []);
    await rpc("RemoveImage", { image: { image: appImage } });
    assert.equal((await rpc("ImageStatus", { image: { image: appImage } })).image, null);
    assert.deepEqual(engine.containers.names, []);
  });

  test(`${version}: Version names the runtime, Docker's version and the interface that was called`, async () => {
    const { rpc } = shared.fresh();
    assert.deepEqual(await rpc(version)("Version", { version: "0.1.0" }), {
      version: "0.1.0",
      runtime_name: "docker",
      runtime_version: "28.5.2",
      runtime_api_version: version,
    });
  });

  test(`${version}: Status says that runtime and network are ready, and tells more when asked`, async () => {
    const { rpc: connect, config } = shared.fresh();
    const rpc = connect(version);
    const brief = await rpc("Status");
    const conditions = brief.status?.conditions.map((condition) => [condition.type, condition.status]);
    assert.deepEqual(conditions, [
      ["RuntimeReady", true],
      ["NetworkReady", true],
    ]);
    assert.deepEqual(brief.info, {});
    if (version === "v1") {
      assert.deepEqual(
        brief.runtime_handlers.map(({ name }) => name),
        ["", "crun", "runc"],
      );
    }
    const { info } = await rpc("Status", { verbose: true });
    assert.deepEqual(JSON.parse(info["config"] ?? ""), JSON.parse(JSON.stringify(config)));
    assert.match(info["host"] ?? "", /"engineVersion":"28\.5\.2"/);
  });

  test(`${version}: Status tells of somebody else's network of our name, and that it has gone`, async () => {
    const { rpc: connect, engine } = shared.fresh();
    const rpc = connect(version);
    const ready = async () => (await rpc("Status")).status?.conditions[1]?.status;
    assert.equal(await ready(), true);
    const { id } = engine.networks.create({ Name: "dockershim" });
    await eventually("Status tells of it", async () => (await ready()) === false);
    engine.networks.remove(id);
    assert.equal(await ready(), true);
  });

  test(`${version}: Status says that the network is not ready where nothing sets it up`, async (t) => {
    const { rpc, config } = await startServer(t, { networkPlugin: "cni" });
    const network = (await rpc(version)("Status")).status?.conditions[1];
    assert.deepEqual([network?.type, network?.status], ["NetworkReady", false]);
    assert.equal(network?.reason, "NetworkPluginNotReady");
    assert.match(network?.message ?? "", new RegExp(`no CNI configuration.*${config.cni.confDirectory}`));
  });

  if (version === "v1") {
    for (const [driver, cgroup_driver] of Object.entries({ cgroupfs: "CGROUPFS", systemd: "SYSTEMD" })) {
      test(`v1: RuntimeConfig tells the kubelet to use Docker's cgroup driver, ${driver}`, async (t) => {
        const { rpc } = await startServer(t, {}, (engine) => (engine.facts.CgroupDriver = driver));
        assert.deepEqual(await rpc("v1")("RuntimeConfig"), { linux: { cgroup_driver } });
      });
    }
  }

  for (const pod_cidr of ["10.1.0.0/24", "10.1.0.0/24,fd00::/64", ""]) {
    test(`${version}: UpdateRuntimeConfig takes the pod range "${pod_cidr}"`, async () => {
      const { rpc } = shared.fresh();
      const runtime_config = { network_config: { pod_cidr } };
      assert.deepEqual(await rpc(version)("UpdateRuntimeConfig", { runtime_config }), {});
    });
  }

  test(`${version}: an image has one id, by whatever reference it is asked for`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const digest = engine.images.publish("busybox:1.36", { user: "1000:1000" });
    const { image_ref: id } = await rpc("PullImage", { image: { image: "docker.io/library/busybox:1.36" } });
    const references = [
      "busybox:1.36",
      "docker.io/library/busybox:1.36",
      digest,
      `busybox:1.36@${digest.split("@")[1]}`,
      id,
      id.replace("sha256:", ""),
      `docker://${id}`,
      `docker-pullable://${digest}`,
    ];
    for (const reference of references) {
      const { image } = await rpc("ImageStatus", { image: { image: reference } });
      assert.equal(image?.id, id, reference);
      assert.deepEqual(await imageIds(rpc, { image: { image: reference } }), [id], reference);
    }
    const { image, info } = await rpc("ImageStatus", { image: { image: id }, verbose: true });
    assert.deepEqual(
      [image?.repo_tags, image?.repo_digests, image?.uid?.value],
      [["busybox:1.36"], [digest], "1000"],
    );
    assert.match(info["info"] ?? "", /"user":"1000:1000"/);

    const pod = await runPod(rpc);
    const container = await createContainer(rpc, pod, { image: { image: digest } });
    const reported = (await rpc("ContainerStatus", { container_id: container })).status;
    assert.deepEqual([reported?.image_ref, reported?.image?.image], [id, "busybox:1.36"]);
  });

  test(`${version}: ListImages lists all images or the one asked for, and the sandbox's is pinned`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const { image_ref: app } = await rpc("PullImage", { image: { image: appImage } });
    const pause = engine.images.inspect(sandboxImage).Id;
    const { images } = await rpc("ListImages");
    assert.deepEqual(images.map(({ id }) => id).sort(), [app, pause].sort());
    const pinned = images.filter((image) => image.pinned).map(({ id }) => id);
    assert.deepEqual(pinned, [pause]);
    assert.deepEqual(await imageIds(rpc, { image: { image: "nothing:1" } }), []);
  });

  test(`${version}: credentials of a pull reach the registry's own server and no other`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    engine.images.publish("registry.example:5000/a:1");
    const image = { image: "registry.example:5000/a:1" };
    const own = { username: "me", password: "secret", server_address: "https://registry.example:5000" };
    await rpc("PullImage", { image, auth: own });
    await rpc("PullImage", { image, auth: { ...own, server_address: "elsewhere.example" } });
    const [first, second] = engine.images.pulls.map(({ auth }) => auth);
    assert.deepEqual([first?.username, first?.password, second], ["me", "secret", undefined]);
  });

  test(`${version}: ImageFsInfo tells how much the images take, and where`, async () => {
    const { engine, rpc } = shared.fresh();
    const [filesystem] = (await rpc(version)("ImageFsInfo")).image_filesystems;
    assert.equal(filesystem?.fs_id?.mountpoint, engine.facts.DockerRootDir);
    assert.equal(filesystem?.used_bytes?.value, String(engine.images.inspect(sandboxImage).Size));
  });

  test(`${version}: RemoveImage by any reference takes the image with all its names`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    for (const reference of ["app:1", "app:2", "other/app:1"]) {
      engine.images.add(reference, { content: "one" });
    }
    await rpc("RemoveImage", { image: { image: "app:2" } });
    assert.deepEqual(await imageIds(rpc, { image: { image: "app:1" } }), []);
    assert.equal(engine.images.find("other/app:1"), undefined);
  });

  test(`${version}: RemoveImage refuses an image that a container uses, and leaves its names`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    await createContainer(rpc, await runPod(rpc));
    engine.images.add("busybox:also", { content: appImage });
    const removal = rpc("RemoveImage", { image: { image: appImage } });
    await assert.rejects(removal, { code: status.FAILED_PRECONDITION, details: /k8s_app_web-0_shop_7c1e_0/ });
    const tags = (await rpc("ImageStatus", { image: { image: appImage } })).image?.repo_tags;
    assert.deepEqual(tags, [appImage, "busybox:also"]);
  });

  test(`${version}: a sandbox is reported with what it was asked for, word by word`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const labels = { app: "web", "io.kubernetes.pod.name": "web-0", "annotation.x": "a label all the same" };
    const annotations = { "example.org/note": "größer\n=", empty: "" };
    const dns_config = { servers: ["10.96.0.10"], searches: ["shop.svc", "svc"], options: ["ndots:5"] };
    const id = await runPod(rpc, {
      metadata: { name: "web-0", uid: "7c1e", namespace: "shop", attempt: 3 },
      labels,
      annotations,
      dns_config,
      port_mappings: [{ protocol: "UDP", container_port: 53, host_port: 5353, host_ip: "127.0.0.1" }],
    });
    const reply = await rpc("PodSandboxStatus", { pod_sandbox_id: id, verbose: true });
    const { created_at, network, ...rest } = reply.status ?? assert.fail("no status");
    assert.deepEqual(
      [rest.id, rest.metadata, rest.state, rest.labels, rest.annotations, rest.runtime_handler],
      [
        id,
        { name: "web-0", uid: "7c1e", namespace: "shop", attempt: 3 },
        "SANDBOX_READY",
        labels,
        annotations,
        "",
      ],
    );
    assert.match(created_at, /^\d{19}$/);
    assert.equal(network?.ip, "10.1.0.2");
    assert.match(reply.info["info"] ?? "", /"state":"running"/);

    const { ResolvConfPath, Name } = engine.containers.inspect(id);
    assert.equal(Name, "/k8s_POD_web-0_shop_7c1e_3");
    assert.equal(
      await readFile(ResolvConfPath, "utf8"),
      "nameserver 10.96.0.10\nsearch shop.svc svc\noptions ndots:5\n",
    );
    const { Hostname, HostConfig } = engine.containers.optionsOf(id);
    assert.equal(Hostname, "web-0");
    assert.deepEqual(HostConfig?.PortBindings, { "53/udp": [{ HostIp: "127.0.0.1", HostPort: "5353" }] });
  });

  test(`${version}: a pod on the host's network has its namespaces and no address of its own`, async (t) => {
    const { rpc: connect } = await startServer(t, { networkPlugin: "cni" });
    const rpc = connect(version);
    const options = { network: "NODE", pid: "NODE", ipc: "NODE" };
    const linux = { security_context: { namespace_options: options } };
    const id = await runPod(rpc, { linux });
    const found = (await rpc("PodSandboxStatus", { pod_sandbox_id: id })).status;
    const { network, pid, ipc } = found?.linux?.namespaces?.options ?? {};
    assert.deepEqual({ network, pid, ipc }, options);
    assert.equal(found?.network?.ip, "");
  });

  test(`${version}: a pod runs under the runtime handler that it asks for, and its containers with it`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const request = { config: podConfig(), runtime_handler: "crun" };
    const { pod_sandbox_id } = await rpc("RunPodSandbox", request);
    const container = await createContainer(rpc, pod_sandbox_id);
    assert.equal((await rpc("PodSandboxStatus", { pod_sandbox_id })).status?.runtime_handler, "crun");
    assert.equal(engine.containers.optionsOf(container).HostConfig?.Runtime, "crun");
  });

  test(`${version}: a handler that is mapped runs under its runtime and is reported as it was asked for`, async (t) => {
    const runtimeHandlers = { small: "crun", gvisor: "runsc" };
    const { engine, rpc: connect } = await startServer(t, { runtimeHandlers });
    const rpc = connect(version);
    const request = { config: podConfig(), runtime_handler: "small" };
    const { pod_sandbox_id } = await rpc("RunPodSandbox", request);
    assert.equal(engine.containers.optionsOf(pod_sandbox_id).HostConfig?.Runtime, "crun");
    const container = await createContainer(rpc, pod_sandbox_id);
    assert.equal(engine.containers.optionsOf(container).HostConfig?.Runtime, "crun");
    assert.equal((await rpc("PodSandboxStatus", { pod_sandbox_id })).status?.runtime_handler, "small");
    const [listed] = (await rpc("ListPodSandbox")).items;
    assert.deepEqual([listed?.runtime_handler, listed?.labels], ["small", {}]);

    await assert.rejects(rpc("RunPodSandbox", { ...request, runtime_handler: "gvisor" }), {
      code: status.FAILED_PRECONDITION,
      details: /runtime_handler "gvisor" is Docker's runtime "runsc".*known are crun, runc, small/,
    });
    if (version === "v1") {
      const names = (await rpc("Status")).runtime_handlers.map(({ name }) => name);
      assert.deepEqual(names, ["", "crun", "runc", "small"]);
    }
  });

  test(`${version}: ListPodSandbox filters by id, state and labels, all of which must match`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    engine.containers.ids.push("aa11".padEnd(64, "0"), "aa22".padEnd(64, "0"));
    const pod = (name: string, app: string) =>
      runPod(rpc, { metadata: { name, uid: "u", namespace: "n" }, labels: { app, tier: "front" } });
    const one = await pod("one", "web");
    const two = await pod("two", "db");
    await rpc("StopPodSandbox", { pod_sandbox_id: two });

    const cases: [object | undefined, string[]][] = [
      [undefined, [two, one]],
      [{}, [two, one]],
      [{ id: one }, [one]],
      [{ id: "aa2" }, [two]],
      [{ id: "aa" }, [two, one]],
      [{ id: "bb" }, []],
      [{ state: { state: "SANDBOX_READY" } }, [one]],
      [{ state: { state: "SANDBOX_NOTREADY" } }, [two]],
      [{ label_selector: { tier: "front" } }, [two, one]],
      [{ label_selector: { tier: "front", app: "db" } }, [two]],
      [{ label_selector: { app: "" } }, []],
      [{ id: one, state: { state: "SANDBOX_NOTREADY" } }, []],
      [{ id: "aa", state: { state: "SANDBOX_READY" }, label_selector: { app: "web" } }, [one]],
    ];
    for (const [filter, expected] of cases) {
      assert.deepEqual(await podIds(rpc, filter), expected, JSON.stringify(filter));
    }
  });

  test(`${version}: ids may be shortened as long as they are unique`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    engine.containers.ids.push("abc1".padEnd(64, "0"), "abc2".padEnd(64, "0"));
    const pod = await runPod(rpc);
    const container = await createContainer(rpc, "abc1");
    assert.equal((await rpc("PodSandboxStatus", { pod_sandbox_id: "abc" })).status?.id, pod);
    await rpc("StartContainer", { container_id: "abc2" });
    assert.equal((await rpc("ContainerStatus", { container_id: "a" })).status?.id, container);
    await rpc("RemovePodSandbox", { pod_sandbox_id: "abc1" });
    assert.deepEqual(engine.containers.names, []);
  });

  test(`${version}: a container reaches Docker with everything that was asked for`, async () => {
    const { directory, engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    const host_path = join(directory, "made", "here");
    const id = await createContainer(rpc, pod, {
      command: ["/bin/app", ""],
      args: ["--flag"],
      working_dir: "/work",
      envs: [
        { key: "GREETING", value: envValue("grüß=Gott") },
        { key: "EMPTY", value: envValue("") },
      ],
      mounts: [{ host_path, container_path: "/data", readonly: true, propagation: "PROPAGATION_PRIVATE" }],
      devices: [{ host_path: "/dev/null", container_path: "/dev/x", permissions: "r" }],
      stdin: true,
      stdin_once: true,
      tty: true,
      linux: {
        resources: { cpu_shares: 512, memory_limit_in_bytes: 1048576, cpuset_cpus: "0" },
        security_context: { run_as_user: { value: 1000 }, readonly_rootfs: true, no_new_privs: true },
      },
    });
    const { HostConfig, ...options } = engine.containers.optionsOf(id);
    assert.deepEqual(options.Env, ["GREETING=grüß=Gott", "EMPTY="]);
    assert.deepEqual([options.Entrypoint, options.Cmd], [["/bin/app", ""], ["--flag"]]);
    assert.deepEqual([options.WorkingDir, options.User], ["/work", "1000:0"]);
    assert.deepEqual([options.OpenStdin, options.StdinOnce, options.Tty], [true, true, true]);
    assert.equal(HostConfig?.NetworkMode, `container:${pod}`);
    assert.deepEqual(
      [HostConfig?.CpuShares, HostConfig?.Memory, HostConfig?.CpusetCpus],
      [512, 1048576, "0"],
    );
    assert.deepEqual(HostConfig?.Devices, [
      { PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r" },
    ]);
    assert.equal(HostConfig?.ReadonlyRootfs, true);

    const reported = (await rpc("ContainerStatus", { container_id: id })).status;
    const [mount] = reported?.mounts ?? [];
    assert.deepEqual([mount?.host_path, mount?.container_path, mount?.readonly], [host_path, "/data", true]);
    if (version === "v1") assert.equal(reported?.resources?.linux?.memory_limit_in_bytes, "1048576");
  });

  test(`${version}: a container is reported with what it was asked for, word by word`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    const labels = { "io.kubernetes.container.name": "app", "label.x": "y" };
    const annotations = { restartCount: "2" };
    const id = await createContainer(rpc, pod, {
      metadata: { name: "app", attempt: 2 },
      labels,
      annotations,
    });
    const reported = (await rpc("ContainerStatus", { container_id: id })).status;
    const [listed] = (await rpc("ListContainers")).containers;
    for (const found of [reported, listed]) {
      assert.deepEqual(found?.metadata, { name: "app", attempt: 2 });
      assert.deepEqual([found?.labels, found?.annotations], [labels, annotations]);
      assert.match(found?.created_at ?? "", /^\d{19}$/);
    }
    assert.equal(listed?.pod_sandbox_id, pod);
    const { image } = await rpc("ImageStatus", { image: { image: appImage } });
    assert.deepEqual([reported?.image?.image, listed?.image_ref], [appImage, image?.id]);
  });

  test(`${version}: a started container's log is where the kubelet looks for it, until it is removed`, async () => {
    const { directory, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const log_directory = join(directory, "pods", "shop_web-0_7c1e");
    const pod = await runPod(rpc, { log_directory });
    await rpc("PullImage", { image: { image: appImage } });
    const { container_id } = await rpc("CreateContainer", {
      pod_sandbox_id: pod,
      config: containerConfig({ log_path: "app/0.log" }),
      sandbox_config: podConfig({ log_directory }),
    });
    const log = join(log_directory, "app/0.log");
    await rpc("StartContainer", { container_id });
    assert.equal((await rpc("ContainerStatus", { container_id })).status?.log_path, log);
    assert.equal((await stat(log)).mode & 0o777, 0o640);
    await rpc("StopContainer", { container_id });
    assert.equal((await rpc("ContainerStatus", { container_id })).status?.state, "CONTAINER_EXITED");
    assert.match(await readFile(log, "utf8"), /^\S+Z stdout F started\n$/);
    await rpc("RemoveContainer", { container_id });
    await assert.rejects(stat(log), { code: "ENOENT" });
  });

  test(`${version}: ListContainers filters by id, pod, state and labels, all of which must match`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const podOne = await runPod(rpc);
    const podTwo = await runPod(rpc, { metadata: { name: "two", uid: "u", namespace: "n" } });
    const container = (name: string) => ({ metadata: { name }, labels: { name, tier: "front" } });
    const created = await createContainer(rpc, podOne, container("created"));
    const running = await runContainer(rpc, podOne, container("running"));
    const exited = await runContainer(rpc, podTwo, container("exited"));
    await rpc("StopContainer", { container_id: exited, timeout: 0 });

    const cases: [object | undefined, string[]][] = [
      [undefined, [exited, running, created]],
      [{ id: running }, [running]],
      [{ id: running.slice(0, 20) }, [running]],
      [{ id: podOne }, []],
      [{ pod_sandbox_id: podOne }, [running, created]],
      [{ pod_sandbox_id: podTwo.slice(0, 20) }, [exited]],
      [{ state: { state: "CONTAINER_CREATED" } }, [created]],
      [{ state: { state: "CONTAINER_RUNNING" } }, [running]],
      [{ state: { state: "CONTAINER_EXITED" } }, [exited]],
      [{ state: { state: "CONTAINER_UNKNOWN" } }, []],
      [{ label_selector: { tier: "front" } }, [exited, running, created]],
      [{ label_selector: { tier: "front", name: "running" } }, [running]],
      [{ label_selector: { name: "none" } }, []],
      [{ pod_sandbox_id: podOne, state: { state: "CONTAINER_EXITED" } }, []],
      [{ id: running, pod_sandbox_id: podTwo }, []],
    ];
    for (const [filter, expected] of cases) {
      assert.deepEqual(await containerIds(rpc, filter), expected, JSON.stringify(filter));
    }
    const statuses = (await rpc("PodSandboxStatus", { pod_sandbox_id: podOne })).containers_statuses;
    if (version === "v1") assert.equal(statuses.length, 2);
  });

  test(`${version}: ExecSync gives output, error output and exit code apart`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await runContainer(rpc, await runPod(rpc));
    const stdout = Buffer.from([0, 255, 10]);
    engine.execs.scripts.set("sh -c it", { stdout, stderr: "oh no", exitCode: 42 });
    const reply = await rpc("ExecSync", { container_id, cmd: ["sh", "-c", "it"], timeout: 30 });
    assert.deepEqual(Buffer.from(reply.stdout), stdout);
    assert.equal(reply.stderr.toString(), "oh no");
    assert.equal(reply.exit_code, 42);
    engine.execs.scripts.set("true", {});
    const quiet = await rpc("ExecSync", { container_id, cmd: ["true"] });
    assert.deepEqual([quiet.stdout.length, quiet.stderr.length, quiet.exit_code], [0, 0, 0]);
  });

  test(`${version}: ExecSync gives up a command that takes longer than its timeout`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await runContainer(rpc, await runPod(rpc));
    engine.execs.scripts.set("sleep inf", { stdout: "sleeping", hangs: true });
    const exec = rpc("ExecSync", { container_id, cmd: ["sleep", "inf"], timeout: 1 });
    await assert.rejects(exec, { code: status.DEADLINE_EXCEEDED, details: /timed out after 1 s/ });
  });

  test(`${version}: ExecSync waits for a timeout that is longer than a timer of Node can be`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await runContainer(rpc, await runPod(rpc));
    engine.execs.scripts.set("date", { stdout: "today", hangs: true });
    const started = engine.hold("startExec");
    const exec = rpc("ExecSync", { container_id, cmd: ["date"], timeout: 30 * 24 * 3600 });
    await started.reached;
    started.release();
    // An overflowing timer fires after a millisecond: before these are answered.
    await rpc("Version");
    await rpc("ListContainers");
    engine.execs.finish("date");
    assert.equal((await exec).stdout.toString(), "today");
  });

  test(`${version}: PauseContainer freezes and UnpauseContainer thaws, and twice is no error`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await runContainer(rpc, await runPod(rpc));
    for (let time = 0; time < 2; time++) await rpc("PauseContainer", { container_id });
    assert.equal(engine.containers.inspect(container_id).State.Status, "paused");
    assert.equal(await containerState(rpc, container_id), "CONTAINER_RUNNING");
    const exec = rpc("ExecSync", { container_id, cmd: ["date"] });
    await assert.rejects(exec, { code: status.FAILED_PRECONDITION, details: /paused/ });
    for (let time = 0; time < 2; time++) await rpc("UnpauseContainer", { container_id });
    assert.equal(engine.containers.inspect(container_id).State.Status, "running");
  });

  test(`${version}: a paused container can be stopped`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await runContainer(rpc, await runPod(rpc));
    await rpc("PauseContainer", { container_id });
    await rpc("StopContainer", { container_id, timeout: 10 });
    assert.equal(await containerState(rpc, container_id), "CONTAINER_EXITED");
  });

  for (const method of ["PauseContainer", "UnpauseContainer", "ExecSync"] as const) {
    test(`${version}: ${method} refuses a container that does not run`, async () => {
      const { rpc: connect } = shared.fresh();
      const rpc = connect(version);
      const container_id = await createContainer(rpc, await runPod(rpc));
      const request = method === "ExecSync" ? { container_id, cmd: ["date"] } : { container_id };
      await assert.rejects(rpc(method, request), {
        code: status.FAILED_PRECONDITION,
        details: /is not running: it is created/,
      });
    });
  }

  test(`${version}: CreateContainer refuses a sandbox that is not ready`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    await rpc("StopPodSandbox", { pod_sandbox_id: pod });
    await assert.rejects(createContainer(rpc, pod), {
      code: status.FAILED_PRECONDITION,
      details: /not ready/,
    });
  });

  test(`${version}: CreateContainer says that an image is not there`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const request = {
      pod_sandbox_id: await runPod(rpc),
      config: containerConfig(),
      sandbox_config: podConfig(),
    };
    const refused = { code: status.NOT_FOUND, details: /busybox:1\.36/ };
    await assert.rejects(rpc("CreateContainer", request), refused);
    assert.deepEqual(engine.containers.names, ["k8s_POD_web-0_shop_7c1e_0"]);
  });

  const endings = [
    { title: "0 is Completed", exitCode: 0, reason: "Completed" },
    { title: "3 is an Error", exitCode: 3, reason: "Error" },
    { title: "after too much memory is OOMKilled", exitCode: 137, oomKilled: true, reason: "OOMKilled" },
  ];
  for (const { title, exitCode, oomKilled = false, reason } of endings) {
    test(`${version}: an end with exit code ${title}`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      const container_id = await runContainer(rpc, await runPod(rpc));
      engine.containers.exit(container_id, exitCode, { oomKilled });
      const found = (await rpc("ContainerStatus", { container_id })).status;
      assert.deepEqual(
        [found?.state, found?.exit_code, found?.reason],
        ["CONTAINER_EXITED", exitCode, reason],
      );
      assert.ok(BigInt(found?.finished_at ?? 0) > BigInt(found?.started_at ?? 0));
      assert.ok(BigInt(found?.started_at ?? 0) > BigInt(found?.created_at ?? 0));
    });
  }

  test(`${version}: a container whose command is missing has exited with ContainerCannotRun`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const container_id = await createContainer(rpc, await runPod(rpc), { command: ["/missing/app"] });
    await assert.rejects(rpc("StartContainer", { container_id }), { details: /no such file or directory/ });
    const found = (await rpc("ContainerStatus", { container_id })).status;
    assert.deepEqual(
      [found?.state, found?.exit_code, found?.reason],
      ["CONTAINER_EXITED", 127, "ContainerCannotRun"],
    );
    assert.match(found?.message ?? "", /\/missing\/app/);
  });

  for (const [timeout, exitCode] of [
    [7, 0],
    [0, 137],
  ] as const) {
    test(`${version}: StopContainer gives a container ${timeout} seconds`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      const container_id = await runContainer(rpc, await runPod(rpc));
      await rpc("StopContainer", { container_id, timeout });
      const stop = engine.calls.find(({ method }) => method === "stopContainer");
      assert.deepEqual(stop?.args, [container_id, timeout]);
      assert.equal((await rpc("ContainerStatus", { container_id })).status?.exit_code, exitCode);
    });
  }

  test(`${version}: StartPodSandbox revives a sandbox that something else stopped, its DNS as it was`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc, { dns_config: { servers: ["10.96.0.10"] } });
    const container = await runContainer(rpc, pod);
    engine.containers.exit(container, 137);
    engine.containers.exit(pod, 137);
    assert.equal(await podState(rpc, pod), "SANDBOX_NOTREADY");

    await rpc("StartPodSandbox", { pod_sandbox_id: pod });
    const found = (await rpc("PodSandboxStatus", { pod_sandbox_id: pod })).status;
    assert.deepEqual([found?.state, found?.network?.ip], ["SANDBOX_READY", "10.1.0.2"]);
    const { ResolvConfPath } = engine.containers.inspect(pod);
    assert.equal(await readFile(ResolvConfPath, "utf8"), "nameserver 10.96.0.10\n");
    await runContainer(rpc, pod, { metadata: { name: "app", attempt: 1 } });
    assert.equal(await containerState(rpc, container), "CONTAINER_EXITED");
    await rpc("StartPodSandbox", { pod_sandbox_id: pod });
  });

  test(`${version}: StopPodSandbox ends the pod's containers, RemovePodSandbox leaves nothing of it`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    const other = await runPod(rpc, { metadata: { name: "other", uid: "u", namespace: "n" } });
    const running = await runContainer(rpc, pod);
    const paused = await runContainer(rpc, pod, { metadata: { name: "paused" } });
    await rpc("PauseContainer", { container_id: paused });
    const elsewhere = await runContainer(rpc, other, { metadata: { name: "elsewhere" } });

    await rpc("StopPodSandbox", { pod_sandbox_id: pod });
    assert.equal(await podState(rpc, pod), "SANDBOX_NOTREADY");
    assert.deepEqual(await containerIds(rpc, { state: { state: "CONTAINER_RUNNING" } }), [elsewhere]);
    assert.equal((await containerIds(rpc, { pod_sandbox_id: pod })).length, 2);
    assert.equal(await containerState(rpc, running), "CONTAINER_EXITED");

    await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
    assert.deepEqual(await containerIds(rpc), [elsewhere]);
    assert.deepEqual(await podIds(rpc), [other]);
    assert.equal(engine.containers.names.length, 2);
  });

  test(`${version}: RemovePodSandbox and RemoveContainer also take what still runs`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    await rpc("RemoveContainer", { container_id: await runContainer(rpc, pod) });
    await runContainer(rpc, pod);
    await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
    assert.deepEqual(engine.containers.names, []);
  });

  test(`${version}: stopping and removing twice, and what never was, is no error`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    const container = await runContainer(rpc, pod);
    const unknown = "f".repeat(64);
    for (const container_id of [container, container, unknown]) {
      assert.deepEqual(await rpc("StopContainer", { container_id, timeout: 1 }), {});
    }
    for (const container_id of [container, container, unknown]) {
      assert.deepEqual(await rpc("RemoveContainer", { container_id }), {});
    }
    for (const method of ["StopPodSandbox", "RemovePodSandbox"] as const) {
      for (const pod_sandbox_id of [pod, pod, unknown])
        assert.deepEqual(await rpc(method, { pod_sandbox_id }), {});
    }
    for (const image of [appImage, appImage, "never/was:1", `sha256:${unknown}`]) {
      assert.deepEqual(await rpc("RemoveImage", { image: { image } }), {});
    }
  });

  test(`${version}: what is gone is NOT_FOUND, and an image that is not there is an empty answer`, async () => {
    const { rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const pod = await runPod(rpc);
    const container = await createContainer(rpc, pod);
    await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
    await assert.rejects(rpc("PodSandboxStatus", { pod_sandbox_id: pod }), { code: status.NOT_FOUND });
    await assert.rejects(rpc("ContainerStatus", { container_id: container }), { code: status.NOT_FOUND });
    assert.equal((await rpc("ImageStatus", { image: { image: "nothing:1" } })).image, null);
  });
}
