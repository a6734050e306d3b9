/** --container-log-format=docker: symbolic links to Docker's own files, as dockershim and cri-dockerd made them. */
import type { ContainerInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import { logPathLabel } from "../kube/labels.js";
import type { ContainerLogs } from "./container-logs.js";
import { linkLog, unlinkLog } from "./symlink.js";

const pathOf = ({ Config }: ContainerInspect): string => Config.Labels[logPathLabel] ?? "";

export const dockerLogs: ContainerLogs = {
  driver: { Type: "json-file", Config: {} },
  // Docker names its file only once the container has been started.
  prepare: () => Promise.resolve(),
  started: (container) => linkLog(pathOf(container), container.LogPath),
  seen: () => Promise.resolve(),
  reopen: (container) =>
    Promise.reject(
      new CriError(
        "failedPrecondition",
        `the log of container ${container.Id} is a link to Docker's own file, which Docker alone can rotate: ` +
          "--container-log-format=docker",
      ),
    ),
  removed: (container) => unlinkLog(pathOf(container), container.LogPath),
  // A link is known by the container that it belongs to, and the id alone does not tell.
  gone: () => Promise.resolve(),
  keepOnly: () => Promise.resolve(),
  progress: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
};
