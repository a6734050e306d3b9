/**
 * How pods get their network. One object, chosen by --network-plugin; sandboxes ask it, nothing else does.
 */
import { CriError } from "../errors.js";

export interface NetworkStatus {
  ready: boolean;
  /** CamelCase and a sentence, as RuntimeCondition wants them; empty when ready. */
  reason: string;
  message: string;
}

export interface PodNetwork {
  status(): NetworkStatus;
  /**
   * The NetworkMode that a sandbox with a network of its own is created with.
   * @throws CriError when no such sandbox can be run now
   */
  dockerMode(): string;
}

/** Docker's default bridge gives addresses, host ports and a way out by itself. */
export const bridgeNetwork: PodNetwork = {
  status: () => ({ ready: true, reason: "", message: "" }),
  dockerMode: () => "bridge",
};

const notYet =
  "CNI plugins are not run yet: start with --network-plugin=bridge, or run host-network pods only";

export const cniNetwork: PodNetwork = {
  status: () => ({ ready: false, reason: "NetworkPluginNotReady", message: notYet }),
  dockerMode: () => {
    throw new CriError("unimplemented", notYet);
  },
};
