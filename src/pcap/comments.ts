// Comments on packets: whose they are, which rule decided where they go, why they were dropped. The kernel writes notes between its
// packet blocks; here they become opt_comment options (pcapng, section 3.5) of the blocks that they speak of, or packet blocks of their own.
import { DROP_NONE } from "../../assembly/layout/codes.ts";
import * as P from "../../assembly/layout/pcap.ts";
import * as R from "../../assembly/layout/records.ts";
import { RULE_OF_IPV6 } from "../../assembly/layout/rules.ts";
import { formatIpv4 } from "../address.ts";
import { block, concat, END, littleEndian, option, utf8 } from "./block.ts";

/** What the numbers in notes mean, and whose the addresses are. */
export interface CommentNames {
  /** By id. */
  namespaces: readonly string[];
  /** The rules of each namespace by its id, for each family: an index of `rules`, -1 for none. */
  ruleSets: Record<"ipv4" | "ipv6", number[]>;
  /** The texts of each set by RULE_INDEX: `filter KUBE-FORWARD 1 -m ...`. */
  rules: readonly (readonly string[])[];
  /** `pod shop/frontend-0`, by address. */
  owners: readonly (readonly [address: string, owner: string])[];
  /** By DROP_*. */
  reasons: readonly string[];
}

const COMMENT = 1;
const ETHERNET = 14;
const TYPE_IPV4 = 0x800;
const TYPE_ARP = 0x806;

interface Note {
  reason: number;
  namespace: number;
  rule: number;
  /** `node-1/eth0`. */
  device: string;
  frame: Uint8Array;
}

export class Commenter {
  readonly #names: CommentNames;
  readonly #owners: Map<string, string>;

  constructor(names: CommentNames) {
    this.#names = names;
    this.#owners = new Map(names.owners);
  }

  /**
   * Packet blocks and the notes between them, as the kernel wrote them from one moment to another between windows, as packet blocks with
   * comments. A rule's decision stands with the next sighting of its packet, a drop with the last one of the same moment.
   */
  annotate(bytes: Uint8Array): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const blocks: { at: number; comments: string[] }[] = [];
    const decided = new Map<bigint, string[]>();
    const seen = new Map<bigint, string[]>();
    let moment = -1n;
    for (let at = 0; at < bytes.length; at += view.getUint32(at + P.EPB_LENGTH, true)) {
      const isNote = view.getUint32(at, true) === P.NOTE_BLOCK_TYPE_VALUE;
      const time = wordsAt(view, at + (isNote ? P.NOTE_BLOCK_TIME_HIGH : P.EPB_TIME_HIGH), false);
      if (time !== moment) {
        decided.clear();
        seen.clear();
        moment = time;
      }
      if (isNote) {
        const id = wordsAt(view, at + P.NOTE_BLOCK_ID_LOW, true);
        const note = this.#noteAt(view, at);
        if (note.reason !== DROP_NONE) seen.get(id)?.push(`dropped ${this.#why(note)}`);
        else
          decided.set(id, [
            ...(decided.get(id) ?? []),
            `${this.#names.namespaces[note.namespace] ?? ""}: ${this.#rule(note)}`,
          ]);
        continue;
      }
      const captured = view.getUint32(at + P.EPB_CAPTURED, true);
      const id = wordsAt(view, at + P.EPB_FRAME + padded(captured) + P.EPB_ID_LOW, true);
      const comments = [
        ...this.#ends(bytes.subarray(at + P.EPB_FRAME, at + P.EPB_FRAME + captured)),
        ...(decided.get(id) ?? []),
      ];
      decided.delete(id);
      seen.set(id, comments);
      blocks.push({ at, comments });
    }
    return concat(
      blocks.map(({ at, comments }) =>
        withComments(bytes.subarray(at, at + view.getUint32(at + P.EPB_LENGTH, true)), comments),
      ),
    );
  }

  /** The drops among notes as packet blocks; `interfaceOf` is the number of a device by its name, and counts it. */
  drops(bytes: Uint8Array, interfaceOf: (device: string) => number): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const blocks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += view.getUint32(at + P.NOTE_BLOCK_LENGTH, true)) {
      const note = this.#noteAt(view, at);
      const { frame } = note;
      const head = littleEndian(
        4,
        interfaceOf(note.device),
        view.getUint32(at + P.NOTE_BLOCK_TIME_HIGH, true),
        view.getUint32(at + P.NOTE_BLOCK_TIME_LOW, true),
        frame.length,
        frame.length,
      );
      const id = bytes.slice(at + P.NOTE_BLOCK_ID_LOW, at + P.NOTE_BLOCK_ID_LOW + 8);
      const comments = [...this.#ends(frame), `dropped ${this.#why(note)}`].map((text) => option(COMMENT, utf8(text)));
      const body = [head, frame, new Uint8Array(padded(frame.length) - frame.length), option(5, id), ...comments, END];
      blocks.push(block(P.EPB_TYPE_VALUE, body));
    }
    return concat(blocks);
  }

  #noteAt(view: DataView, at: number): Note {
    const note = at + P.NOTE_BLOCK_NOTE;
    const word = (field: number): number => view.getUint32(note + field, true);
    const size = view.getUint32(at + P.NOTE_BLOCK_SIZE, true);
    const bytes = new Uint8Array(view.buffer, view.byteOffset + note, size);
    const name = Buffer.from(bytes.subarray(R.NOTE_DEVICE, R.NOTE_FRAME)).toString("latin1").replace(/\0.*/s, "");
    return {
      reason: word(R.NOTE_REASON),
      namespace: word(R.NOTE_NAMESPACE),
      rule: word(R.NOTE_RULE),
      // What a socket of the namespace itself sends has no device before it is routed.
      device: `${this.#names.namespaces[word(R.NOTE_DEVICE_NAMESPACE)] ?? ""}/${name === "" ? "lo" : name}`,
      frame: bytes.subarray(R.NOTE_FRAME),
    };
  }

  /** `in node-1: NETFILTER_DROP by filter FORWARD 1 ...`. */
  #why(note: Note): string {
    const { reason, namespace, rule } = note;
    const where = `in ${this.#names.namespaces[namespace] ?? ""}: ${this.#names.reasons[reason] ?? reason}`;
    return rule === 0 ? where : `${where} by ${this.#rule(note)}`;
  }

  #rule({ namespace, rule }: Note): string {
    const number = rule - 1;
    const sets = this.#names.ruleSets[number & RULE_OF_IPV6 ? "ipv6" : "ipv4"];
    return this.#names.rules[sets[namespace] ?? -1]?.[number & ~RULE_OF_IPV6] ?? "";
  }

  /** `pod shop/frontend-0 > Service shop/cart`, of the ends that have an owner. */
  #ends(frame: Uint8Array): string[] {
    if (frame.length < ETHERNET + 20) return [];
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const type = view.getUint16(12);
    const arp = type === TYPE_ARP && frame.length >= ETHERNET + 28;
    if (type !== TYPE_IPV4 && !arp) return [];
    const [from, to] = (arp ? [14, 24] : [12, 16]).map((at) => formatIpv4(view.getUint32(ETHERNET + at))) as [
      string,
      string,
    ];
    return [`${this.#owners.get(from) ?? from} > ${this.#owners.get(to) ?? to}`];
  }
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** A number of two words. */
function wordsAt(view: DataView, at: number, lowFirst: boolean): bigint {
  const [a, b] = [BigInt(view.getUint32(at, true)), BigInt(view.getUint32(at + 4, true))];
  return lowFirst ? (b << 32n) | a : (a << 32n) | b;
}

/** A packet block with more options before the end of them. */
function withComments(packet: Uint8Array, comments: readonly string[]): Uint8Array {
  if (comments.length === 0) return packet;
  const body = packet.subarray(8, packet.length - 4 - END.length);
  return block(P.EPB_TYPE_VALUE, [body, ...comments.map((text) => option(COMMENT, utf8(text))), END]);
}
