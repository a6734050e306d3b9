/** A port of a pod, as CRI's PortMapping asks for it (pure). */
export interface PortMapping {
  protocol: "tcp" | "udp" | "sctp";
  containerPort: number;
  /** 0: the port is only declared. */
  hostPort: number;
  /** Empty for every address of the host. */
  hostIp: string;
}
