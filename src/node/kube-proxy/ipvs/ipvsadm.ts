// Virtual servers as `ipvsadm -Sn` prints them: commands that `ipvsadm -R` reads.
import type { RealServer, VirtualService } from "../../../seam/ipvs.ts";
import { compareAddresses, joinHostPort } from "../ip.ts";

const SWITCHES: Readonly<Record<string, string>> = { tcp: "-t", udp: "-u", sctp: "--sctp-service" };
const PROTOCOLS = ["tcp", "udp", "sctp"];

/** Sorted as ipvsadm sorts: by protocol, address and port, real servers by address and port. */
export function saveServices(services: readonly VirtualService[]): string {
  return [...services].sort(byPlace).map(saveService).join("");
}

function byPlace(a: VirtualService, b: VirtualService): number {
  const protocol = PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol);
  return protocol === 0 ? byAddress(a, b) : protocol;
}

function byAddress(a: Pick<RealServer, "address" | "port">, b: Pick<RealServer, "address" | "port">): number {
  const address = compareAddresses(a.address, b.address);
  return address === 0 ? a.port - b.port : address;
}

function saveService(service: VirtualService): string {
  const { address, port, protocol, scheduler, persistentSeconds, destinations } = service;
  const which = `${SWITCHES[protocol] ?? "-t"} ${joinHostPort(address, port)}`;
  const persistent = persistentSeconds === 0 ? "" : ` -p ${persistentSeconds}`;
  const servers = [...destinations]
    .sort(byAddress)
    .map((one) => `-a ${which} -r ${joinHostPort(one.address, one.port)} -m -w ${one.weight}\n`);
  // kube-proxy gives mh the flag that the client's port counts, too.
  const flags = scheduler === "mh" ? " -b mh-port" : "";
  return `-A ${which} -s ${scheduler}${persistent}${flags}\n${servers.join("")}`;
}
