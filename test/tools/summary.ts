// One line of text for a frame, so that a test can say the expected walk of a packet as a list of lines.
import { decodeFrame, type Frame, type Packet } from "./frame.ts";

/**
 * A frame in one line:
 * `arp who-has 10.244.1.1 tell 10.244.1.2`, `arp 10.244.1.1 is-at 0a:58:0a:f4:01:01`,
 * `10.244.1.2:40000 > 10.96.0.20:80 tcp S`, `10.244.1.2:5000 > 10.96.0.10:53 dns A? web.shop.svc.cluster.local`,
 * `10.244.1.2 > 10.244.2.2 icmp 8/0`. Payload lengths follow if they are not 0: `tcp P. 100`.
 */
export function summary(bytes: Uint8Array): string {
  return summarize(decodeFrame(bytes));
}

export function summarize(frame: Frame): string {
  const { arp } = frame;
  if (arp) {
    return arp.operation === "request"
      ? `arp who-has ${arp.target} tell ${arp.sender}`
      : `arp ${arp.sender} is-at ${arp.senderMac}`;
  }
  if (frame.ipv4) return summarizePacket(frame);
  return `${frame.ethernet.source} > ${frame.ethernet.destination} type 0x${frame.ethernet.type.toString(16).padStart(4, "0")}`;
}

function summarizePacket({ ipv4, icmp, udp, tcp, dns, payload }: Packet): string {
  const ports = udp ?? tcp;
  const source = `${ipv4?.source}${ports ? `:${ports.sourcePort}` : ""}`;
  const destination = `${ipv4?.destination}${ports ? `:${ports.destinationPort}` : ""}`;
  const size = payload.length > 0 ? ` ${payload.length}` : "";
  let what = `protocol ${ipv4?.protocol}${size}`;
  if (dns) {
    const asked = dns.questions.map(({ name, type }) => `${type}? ${name}`).join(" ");
    const answers = dns.answers.map(({ type, value }) => ` ${type} ${value}`).join("");
    what = `dns ${asked}${dns.response ? ` = ${dns.rcode}${answers}` : ""}`;
  } else if (icmp) what = `icmp ${icmp.type}/${icmp.code}${icmp.quoted ? ` (${summarizePacket(icmp.quoted)})` : size}`;
  else if (tcp) what = `tcp ${tcp.flags}${size}`;
  else if (udp) what = `udp${size}`;
  return `${source} > ${destination} ${what}`;
}
