/** The log thread's followers in the test's own thread, with its own time and file system events. */
import { EventEmitter } from "node:events";
import { readFileSync, type watch } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Followers } from "../../../src/logs/followers.js";
import type { LogAction, LogProgress, LogReply } from "../../../src/logs/messages.js";
import { DockerFiles } from "./docker-files.js";
import { ManualTiming } from "./manual-timing.js";
import { entry, temporaryFolder } from "./support.js";

/** File system events as a test wants them: the folders' listeners, or an error. */
class Events {
  readonly listeners = new Map<string, (event: string, name: string | null) => void>();
  readonly watchers: EventEmitter[] = [];
  error: Error | undefined;
  onWatch = (): void => undefined;

  readonly watch = ((folder: string, listener: (event: string, name: string | null) => void) => {
    if (this.error) throw this.error;
    this.onWatch();
    this.listeners.set(folder, listener);
    const watcher = Object.assign(new EventEmitter(), { close: () => this.listeners.delete(folder) });
    this.watchers.push(watcher);
    return watcher;
  }) as unknown as typeof watch;
}

export function setUp(t: TestContext, folder = temporaryFolder(t)) {
  const timing = new ManualTiming();
  const events = new Events();
  const replies: LogReply[] = [];
  const followers = new Followers((reply) => replies.push(reply), timing, events.watch);
  let request = 0;
  const ask = (action: LogAction) => {
    request += 1;
    followers.handle({ ...action, request });
    return request;
  };
  t.after(() => ask({ action: "stop" }));
  const progress = (): LogProgress => {
    const reply = answer(replies, ask({ action: "progress" }));
    if (!reply || !("progress" in reply)) throw new Error("there is no progress");
    return reply.progress;
  };
  const container = (id: string) => {
    const sourceDirectory = join(folder, "docker", id);
    const docker = new DockerFiles(join(sourceDirectory, `${id}-json.log`), 3);
    const files = {
      path: join(folder, "pods", id, "0.log"),
      positionFile: join(folder, "positions", `${id}.json`),
    };
    return {
      ...files,
      docker,
      follow: () => ask({ action: "follow", id, sourceDirectory, ...files }),
      /** Docker writes, and the folder's event comes. */
      write: (text: string) => {
        docker.append(entry(text));
        events.listeners.get(sourceDirectory)?.("change", `${id}-json.log`);
      },
      event: (name: string | null) => events.listeners.get(sourceDirectory)?.("rename", name),
      lines: () =>
        readFileSync(files.path, "utf8")
          .split("\n")
          .slice(0, -1)
          .map((line) => line.slice(line.indexOf("stdout ") + 7)),
    };
  };
  return { timing, events, replies, ask, container, progress, folder };
}

export const answer = (replies: LogReply[], request: number) =>
  replies.find((reply) => "request" in reply && reply.request === request);
export const reports = (replies: LogReply[]) =>
  replies.flatMap((reply) => ("report" in reply ? [`${reply.report.id} ${reply.report.what}`] : []));
